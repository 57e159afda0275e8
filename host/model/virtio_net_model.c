/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio_net_model.h"

#include <string.h>

enum { RECEIVE, SEND, QUEUES_LEAST = 3 };
enum { HEADER = 12, BUFFERS = 10, NEEDS_CSUM = 1, ERROR = 1 };

static struct virtio_net_model *model_of(struct virtio_model *virtio)
{
    return (struct virtio_net_model *)virtio;
}

/* 5.1.2 */
static bool is_control(const struct virtio_net_model *model, unsigned queue)
{
    unsigned most = model->config[8] | (unsigned)model->config[9] << 8;

    return queue == (virtio_model_has(&model->virtio, VIRTIO_NET_MODEL_MQ) ? 2 * most : 2);
}

static unsigned kind_of(const struct virtio_model_chain *chain)
{
    return chain->queue % 2;
}

/* Room in the buffers of its queue that can be used now. */
static uint64_t room_of(const struct virtio_net_model *model, unsigned queue)
{
    uint64_t room = 0;

    for (unsigned i = 0; i < VIRTIO_MODEL_CHAINS; i++) {
        const struct virtio_model_chain *chain = &model->virtio.chain[i];
        if (chain->exists && chain->queue == queue && chain->due <= model_time())
            room += virtio_model_writable(chain);
    }
    return room;
}

static bool ready(struct virtio_model *virtio, const struct virtio_model_chain *chain)
{
    const struct virtio_net_model *model = model_of(virtio);

    if (is_control(model, chain->queue))
        return !model->ignores_commands;
    if (kind_of(chain) == SEND)
        return !model->wire.holds_sends;
    if (chain->queue != 2 * model->pair)
        return false;
    /* All of a frame's buffers are used together (5.1.6.4.1). */
    return model->merged_total > 0 ||
           (model->wire.waiting > 0 &&
            (!virtio_model_has(virtio, VIRTIO_NET_MODEL_MRG_RXBUF) ||
             room_of(model, chain->queue) >= HEADER + model->wire.length));
}

/* One buffer of a frame, or all of it. Buffers have one size. */
static uint32_t receive_merged(struct virtio_net_model *model,
                               const struct virtio_model_chain *chain)
{
    uint8_t bytes[HEADER + VIRTIO_NET_MODEL_FRAME] = {model->flags, model->type};
    uint32_t room = (uint32_t)virtio_model_writable(chain), left;

    if (chain->out != 0 || room < HEADER) /* 5.1.6.3.1 */
        model_violation("a buffer of %u bytes", room);
    if (model->merged_total == 0) {
        model->wire.waiting--;
        model->wire.arrived++;
        model->merged = 0;
        model->merged_total = HEADER + model->wire.length;
    }
    uint16_t count = (uint16_t)((model->merged_total + room - 1) / room);
    if (count > model->merged_most)
        model->merged_most = count;
    count = model->tells_buffers ? model->tells_buffers : count;
    memcpy(bytes + BUFFERS, &count, sizeof(count));
    memset(bytes + HEADER, (int)model->wire.arrived - 1, model->merged_total - HEADER);
    left = model->merged_total - model->merged;
    uint32_t written = left < room ? left : room;
    virtio_model_put(chain, 0, bytes + model->merged, written);
    model->merged += written;
    if (model->merged < model->merged_total)
        return written - model->leaves;
    model->merged_total = 0;
    return written;
}

static uint32_t receive(struct virtio_net_model *model, const struct virtio_model_chain *chain)
{
    uint8_t header[HEADER] = {model->flags, model->type, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0};
    uint8_t frame[VIRTIO_NET_MODEL_FRAME];

    if (virtio_model_has(&model->virtio, VIRTIO_NET_MODEL_MRG_RXBUF))
        return receive_merged(model, chain);
    /* 5.1.6.3.1 */
    if (chain->out != 0 || virtio_model_writable(chain) < 1526)
        model_violation("a buffer of %llu bytes", (unsigned long long)virtio_model_writable(chain));
    model->wire.waiting--;
    memset(frame, (int)model->wire.arrived++, sizeof(frame));
    if (virtio_model_writable(chain) < HEADER + model->wire.length)
        return 0;
    virtio_model_put(chain, 0, header, sizeof(header));
    virtio_model_put(chain, HEADER, frame, model->wire.length);
    return HEADER + model->wire.length;
}

static uint32_t send(struct virtio_net_model *model, const struct virtio_model_chain *chain)
{
    uint64_t size = virtio_model_readable(chain);
    unsigned pair = chain->queue / 2;

    if (pair >= model->pairs) /* 5.1.6.5.6.1 */
        model_violation("a frame for pair %u of %u", pair, model->pairs);
    else
        model->sent_on[pair]++;
    if (chain->in != 0 || size < HEADER + 14 || size - HEADER > VIRTIO_NET_MODEL_FRAME) {
        model_violation("a frame of %llu bytes", (unsigned long long)size);
        return 0;
    }
    virtio_model_get(chain, 0, model->sent_header, HEADER);
    virtio_model_get(chain, HEADER, model->wire.sent_frame, size - HEADER);
    model->wire.sent++;
    model->wire.sent_length = (uint32_t)(size - HEADER);
    /* 5.1.6.2.1 */
    if (model->sent_header[0] != 0 && (model->sent_header[0] != NEEDS_CSUM ||
                                       !virtio_model_has(&model->virtio, VIRTIO_NET_MODEL_CSUM)))
        model_violation("flags %x in a header", model->sent_header[0]);
    if (model->sent_header[1] != 0 || model->sent_header[10] != 0 || model->sent_header[11] != 0)
        model_violation("a header with fields that are not ours to set");
    return 0;
}

/* 5.1.6.5.2: two tables, each a count and addresses. */
static bool table_set(struct virtio_net_model *model, const struct virtio_model_chain *chain)
{
    enum { FIRST = 6 };
    uint32_t unicast, multicast;

    if (!virtio_model_get(chain, 2, &unicast, 4) || unicast > 15 ||
        !virtio_model_get(chain, FIRST, model->own, unicast * 6) ||
        !virtio_model_get(chain, FIRST + unicast * 6, &multicast, 4) || multicast > 64 ||
        virtio_model_readable(chain) != 10 + (unicast + multicast) * UINT64_C(6))
        return false;
    model->owns = unicast;
    model->groups = multicast;
    return virtio_model_get(chain, 10 + unicast * 6, model->group, multicast * 6);
}

/* 5.1.6.5.6 */
static bool pairs_set(struct virtio_net_model *model, const struct virtio_model_chain *chain)
{
    uint16_t pairs;

    if (!virtio_model_has(&model->virtio, VIRTIO_NET_MODEL_MQ) ||
        virtio_model_readable(chain) != 2 + sizeof(pairs) ||
        !virtio_model_get(chain, 2, &pairs, sizeof(pairs)) || pairs == 0 ||
        2 * pairs + 1u > model->virtio.queues)
        return false;
    for (unsigned i = 0; i < 2u * pairs; i++) {
        if (!model->virtio.queue[i].enabled)
            return false;
    }
    if (!model->refuses_pairs)
        model->pairs = pairs;
    return true;
}

static uint32_t control(struct virtio_net_model *model, const struct virtio_model_chain *chain)
{
    uint8_t command[3] = {0xff, 0xff, 0xff}, answer = model->answer;

    model->commands++;
    virtio_model_get(chain, 0, command, sizeof(command));
    if (command[0] == 4 && command[1] == 0) {
        if (!pairs_set(model, chain))
            model_violation("pairs of queues that cannot be");
        answer = model->refuses_pairs;
    } else if (command[0] == 1 && command[1] == 0) {
        if (!table_set(model, chain))
            model_violation("a table that is none");
    } else if (command[0] == 0 && command[1] < 2 && command[2] < 2 &&
               virtio_model_readable(chain) == 3) {
        *(command[1] == 0 ? &model->promiscuous : &model->all_multicast) = command[2];
    } else {
        model_violation("command %u.%u", command[0], command[1]);
    }
    if (virtio_model_writable(chain) != 1)
        model_violation("%llu bytes for an answer",
                        (unsigned long long)virtio_model_writable(chain));
    virtio_model_put(chain, 0, &answer, 1);
    return 1;
}

static uint32_t execute(struct virtio_model *virtio, const struct virtio_model_chain *chain)
{
    struct virtio_net_model *model = model_of(virtio);

    if (virtio->resets != model->resets_seen) { /* 5.1.6.5.6.2 */
        model->resets_seen = virtio->resets;
        model->pairs = 1;
        model->merged_total = 0;
    }
    if (is_control(model, chain->queue))
        return control(model, chain);
    return kind_of(chain) == RECEIVE ? receive(model, chain) : send(model, chain);
}

void virtio_net_model_init(struct virtio_net_model *model)
{
    static const uint8_t address[] = {0x52, 0x54, 0, 1, 2, 3};

    memset(model, 0, sizeof(*model));
    virtio_model_init(&model->virtio, 0x1041,
                      UINT64_C(1) << VIRTIO_NET_MODEL_MAC | UINT64_C(1) << VIRTIO_NET_MODEL_STATUS |
                          UINT64_C(1) << VIRTIO_NET_MODEL_CTRL_VQ |
                          UINT64_C(1) << VIRTIO_NET_MODEL_CTRL_RX |
                          UINT64_C(1) << VIRTIO_NET_MODEL_MRG_RXBUF,
                      model->config, sizeof(model->config));
    model->virtio.queues = QUEUES_LEAST;
    model->pairs = 1;
    model->virtio.execute = execute;
    model->virtio.ready = ready;
    memcpy(model->config, address, sizeof(address));
    model->config[6] = 1;
    model->wire.length = 60;
    model->promiscuous = true; /* until it is told otherwise, as QEMU's */
}

void virtio_net_model_pairs(struct virtio_net_model *model, unsigned pairs)
{
    model->virtio.offered |= UINT64_C(1) << VIRTIO_NET_MODEL_MQ;
    model->virtio.queues = 2 * pairs + 1;
    model->config[8] = (uint8_t)pairs;
}

void virtio_net_model_link(struct virtio_net_model *model, bool up)
{
    model->config[6] = up;
    virtio_model_config_changed(&model->virtio);
}
