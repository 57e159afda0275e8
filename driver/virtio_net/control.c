/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "control.h"

#include <errno.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/log.h>

#include "io.h"
#include "layout.h"

#define ANSWER_LIMIT (800 * CLOCK_MILLISECOND) /* the driver is to listen again in a second */

/* 5.1.6.5.2: unicast addresses besides the device's own, then multicast ones. Each list is its
 * length, of 4 bytes, and the addresses. */
enum { TABLE_MOST = 2 * sizeof(uint32_t) + (NET_ADDRESSES + NET_GROUPS) * NET_ADDRESS_SIZE };

/* The command that the device has: one at a time. */
struct slot {
    struct virtio_net_command command;
    uint8_t answer;
    uint8_t data[TABLE_MOST];
};
static_assert(sizeof(struct slot) <= DMA_PAGE_SIZE, "one page");

/* Whether the device does as it is told. One that does not answer is of no use: nobody knows which
 * frames it lets through, and it may read the memory of the command at any time. */
static bool command_run(struct virtio_net_control *control, uint8_t class, uint8_t command,
                        const void *data, size_t size)
{
    struct slot *slot = control->memory.memory;
    uint64_t address = control->memory.address;
    const struct virtio_segment segments[] = {
        {address + offsetof(struct slot, command), sizeof(slot->command)},
        {address + offsetof(struct slot, data), (uint32_t)size},
        {address + offsetof(struct slot, answer), sizeof(slot->answer)},
    };
    uint32_t written;

    slot->command = (struct virtio_net_command){class, command};
    slot->answer = 0xff;
    memcpy(slot->data, data, size);
    if (!virtio_queue_add(&control->queue, segments, 2, 1, slot))
        return false;
    virtio_queue_kick(&control->queue);
    for (uint64_t start = clock_now(); !virtio_queue_take(&control->queue, &written);) {
        if (!clock_wait(start, ANSWER_LIMIT))
            virtio_give_up(control->queue.virtio, "it does not answer a command");
    }
    return written == 1 && *(const volatile uint8_t *)&slot->answer == VIRTIO_NET_OK;
}

/* 5.1.6.5.6 */
bool virtio_net_control_pairs(struct virtio_net_control *control, unsigned count)
{
    uint16_t pairs = (uint16_t)count; /* little-endian, as the machine */

    return command_run(control, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &pairs,
                       sizeof(pairs));
}

static uint8_t *list_add(uint8_t *at, const uint8_t (*addresses)[NET_ADDRESS_SIZE], uint32_t count)
{
    memcpy(at, &count, sizeof(count)); /* little-endian, as the machine */
    memcpy(at + sizeof(count), addresses, (size_t)count * NET_ADDRESS_SIZE);
    return at + sizeof(count) + (size_t)count * NET_ADDRESS_SIZE;
}

/* 5.1.6.5.1, 5.1.6.5.2 */
void virtio_net_control_filter(struct virtio_net_control *control, const struct net_filter *filter)
{
    uint8_t promiscuous = (filter->flags & NET_FILTER_PROMISCUOUS) != 0;
    uint8_t all_multicast = (filter->flags & NET_FILTER_ALL_MULTICAST) != 0;
    uint8_t table[TABLE_MOST];

    if (!control->has_filters)
        return;
    uint8_t *groups = list_add(table, filter->own, filter->own_count);
    uint8_t *end = list_add(groups, filter->group, filter->count);
    bool is_done = command_run(control, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC,
                               &promiscuous, sizeof(promiscuous));
    is_done &= command_run(control, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, &all_multicast,
                           sizeof(all_multicast));
    is_done &= command_run(control, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, table,
                           (size_t)(end - table));
    if (!is_done && control->errors++ == 0)
        log_warning("the device does not take a filter: it may let frames through that were not "
                    "asked for, or not those that were");
}

int virtio_net_control_open(struct virtio *virtio, unsigned index,
                            struct virtio_net_control *control)
{
    const struct virtio_queue_plan plan = {.entries = 4,
                                           .segments = 3}; /* its answers are awaited */

    *control = (struct virtio_net_control){.errors = 0};
    if (!virtio_has(virtio, VIRTIO_NET_F_CTRL_VQ))
        return 0;
    control->has_filters = virtio_has(virtio, VIRTIO_NET_F_CTRL_RX);
    int error = virtio_queue_create(virtio, index, &plan, &control->queue);
    if (error != 0)
        return error;
    error = dma_buffer_create(virtio->device, DMA_PAGE_SIZE, &control->memory);
    if (error != 0)
        log_error("no memory for commands: %s", strerror(error));
    return error;
}
