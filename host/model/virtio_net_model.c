/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio_net_model.h"

#include <string.h>

enum { RECEIVE, SEND, CONTROL, QUEUES };
enum { HEADER = 12, NEEDS_CSUM = 1, ERROR = 1 };

static struct virtio_net_model *model_of(struct virtio_model *virtio)
{
    return (struct virtio_net_model *)virtio;
}

static bool ready(struct virtio_model *virtio, const struct virtio_model_chain *chain)
{
    const struct virtio_net_model *model = model_of(virtio);

    if (chain->queue == RECEIVE)
        return model->wire.waiting > 0;
    return chain->queue != SEND || !model->wire.holds_sends;
}

static uint32_t receive(struct virtio_net_model *model, const struct virtio_model_chain *chain)
{
    uint8_t header[HEADER] = {model->flags, model->type, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0};
    uint8_t frame[VIRTIO_NET_MODEL_FRAME];

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

static uint32_t control(struct virtio_net_model *model, const struct virtio_model_chain *chain)
{
    uint8_t command[3] = {0xff, 0xff, 0xff}, answer = model->answer;

    model->commands++;
    virtio_model_get(chain, 0, command, sizeof(command));
    if (command[0] == 1 && command[1] == 0) {
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

    if (chain->queue == RECEIVE)
        return receive(model, chain);
    return chain->queue == SEND ? send(model, chain) : control(model, chain);
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
    model->virtio.queues = QUEUES;
    model->virtio.execute = execute;
    model->virtio.ready = ready;
    memcpy(model->config, address, sizeof(address));
    model->config[6] = 1;
    model->wire.length = 60;
    model->promiscuous = true; /* until it is told otherwise, as QEMU's */
}

void virtio_net_model_link(struct virtio_net_model *model, bool up)
{
    model->config[6] = up;
    virtio_model_config_changed(&model->virtio);
}
