/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "control.h"

#include <errno.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/log.h>

#include "io.h"
#include "layout.h"

#define ANSWER_LIMIT CLOCK_SECOND

/* A filter is the first three of these commands (5.1.6.5.1, 5.1.6.5.2). */
enum { PROMISCUOUS, ALL_MULTICAST, TABLE, PAIRS, COMMANDS };

/* 5.1.6.5.2: unicast addresses besides the device's own, then multicast ones. Each list is its
 * length, of 4 bytes, and the addresses. */
enum { TABLE_MOST = 2 * sizeof(uint32_t) + (NET_ADDRESSES + NET_GROUPS) * NET_ADDRESS_SIZE };

struct slot {
    struct virtio_net_command command;
    uint8_t answer;
    uint8_t on;
    uint8_t table[TABLE_MOST];
};
static_assert(COMMANDS * sizeof(struct slot) <= DMA_PAGE_SIZE, "one page");

static struct slot *slot_of(const struct virtio_net_control *control, unsigned number)
{
    return (struct slot *)control->memory.memory + number;
}

static bool command_add(struct virtio_net_control *control, unsigned number, uint8_t class,
                        uint8_t command, size_t offset, size_t size)
{
    struct slot *slot = slot_of(control, number);
    uint64_t address = control->memory.address + number * sizeof(struct slot);
    const struct virtio_segment segments[] = {
        {address + offsetof(struct slot, command), sizeof(slot->command)},
        {address + offset, (uint32_t)size},
        {address + offsetof(struct slot, answer), sizeof(slot->answer)},
    };

    slot->command = (struct virtio_net_command){class, command};
    slot->answer = 0xff;
    return virtio_queue_add(&control->queue, segments, 2, 1, slot);
}

static uint8_t *list_add(uint8_t *at, const uint8_t (*addresses)[NET_ADDRESS_SIZE], uint32_t count)
{
    memcpy(at, &count, sizeof(count)); /* little-endian, as the machine */
    memcpy(at + sizeof(count), addresses, (size_t)count * NET_ADDRESS_SIZE);
    return at + sizeof(count) + (size_t)count * NET_ADDRESS_SIZE;
}

static void filter_send(struct virtio_net_control *control)
{
    const struct net_filter *filter = &control->filter;
    uint8_t *table = slot_of(control, TABLE)->table;

    slot_of(control, PROMISCUOUS)->on = (filter->flags & NET_FILTER_PROMISCUOUS) != 0;
    slot_of(control, ALL_MULTICAST)->on = (filter->flags & NET_FILTER_ALL_MULTICAST) != 0;
    uint8_t *groups = list_add(table, filter->own, filter->own_count);
    uint8_t *end = list_add(groups, filter->group, filter->count);

    control->is_behind = false;
    control->in_flight += command_add(control, PROMISCUOUS, VIRTIO_NET_CTRL_RX,
                                      VIRTIO_NET_CTRL_RX_PROMISC, offsetof(struct slot, on), 1);
    control->in_flight += command_add(control, ALL_MULTICAST, VIRTIO_NET_CTRL_RX,
                                      VIRTIO_NET_CTRL_RX_ALLMULTI, offsetof(struct slot, on), 1);
    control->in_flight +=
        command_add(control, TABLE, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET,
                    offsetof(struct slot, table), (size_t)(end - table));
    virtio_queue_kick(&control->queue);
}

static bool answers_take(struct virtio_net_control *control)
{
    const volatile struct slot *slot;
    uint32_t written;
    bool any = false;

    while ((slot = virtio_queue_take(&control->queue, &written))) {
        bool is_done = written == 1 && slot->answer == VIRTIO_NET_OK;
        any = true;
        control->in_flight--;
        if (slot == slot_of(control, PAIRS)) {
            control->pairs = is_done ? VIRTIO_NET_AGREED : VIRTIO_NET_REFUSED;
            continue;
        }
        if (is_done)
            continue;
        if (control->errors++ == 0)
            log_warning(
                "the device does not take a filter: it may let frames through that were not "
                "asked for, or not those that were");
    }
    return any;
}

static bool answered(void *context)
{
    struct virtio_net_control *control = context;
    bool any = answers_take(control);

    while (control->in_flight > 0 && !virtio_queue_arm(&control->queue, 1))
        any |= answers_take(control);
    if (control->in_flight == 0 && control->is_behind) {
        filter_send(control);
        answered(control);
    }
    return any;
}

/* 5.1.6.5.6. The device has no client yet, or none any more. */
bool virtio_net_control_pairs(struct virtio_net_control *control, unsigned count)
{
    uint16_t pairs = (uint16_t)count; /* little-endian, as the machine */

    memcpy(slot_of(control, PAIRS)->table, &pairs, sizeof(pairs));
    control->pairs = VIRTIO_NET_UNANSWERED;
    control->in_flight +=
        command_add(control, PAIRS, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
                    offsetof(struct slot, table), sizeof(pairs));
    virtio_queue_kick(&control->queue);
    for (uint64_t start = clock_now(); control->pairs == VIRTIO_NET_UNANSWERED;
         answers_take(control)) {
        if (!clock_wait(start, ANSWER_LIMIT))
            virtio_give_up(control->queue.virtio, "it does not answer a command");
    }
    return control->pairs == VIRTIO_NET_AGREED;
}

void virtio_net_control_filter(struct virtio_net_control *control, const struct net_filter *filter)
{
    control->filter = *filter;
    control->is_behind = true;
    if (!control->has_filters || control->in_flight > 0)
        return;
    answered(control);
}

void virtio_net_control_abandon(struct virtio_net_control *control)
{
    control->in_flight = 0;
}

int virtio_net_control_open(struct virtio *virtio, unsigned index,
                            struct virtio_net_control *control)
{
    struct virtio_queue_plan plan = {
        .entries = 16, .segments = 3, .handler = answered, .context = control};

    *control = (struct virtio_net_control){
        .has_filters = virtio_has(virtio, VIRTIO_NET_F_CTRL_RX),
    };
    if (!virtio_has(virtio, VIRTIO_NET_F_CTRL_VQ)) {
        control->has_filters = false;
        return 0;
    }
    int error = virtio_queue_create(virtio, index, &plan, &control->queue);
    if (error != 0)
        return error;
    error = dma_buffer_create(virtio->device, DMA_PAGE_SIZE, &control->memory);
    if (error != 0)
        log_error("no memory for commands: %s", strerror(error));
    return error;
}
