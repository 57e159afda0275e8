/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io.h"

#include <errno.h>
#include <string.h>

#include <kit/log.h>

#include "layout.h"

#define WATCH_PERIOD (2 * CLOCK_SECOND)
enum { SEND_ROUNDS = 4 }; /* of the watch, that a frame may take to be sent */

/* The specification's header, so that none shares its cache line's quarter with another. */
struct header {
    struct virtio_net_header virtio;
    uint32_t unused;
};
static_assert(sizeof(struct header) == 16, "a power of two");

static struct header *header_of(const struct virtio_net_ring *ring, unsigned id)
{
    return (struct header *)ring->headers.memory + id;
}

static struct net_request *slot_free(struct virtio_net_ring *ring, struct virtio_net_slot *slot)
{
    struct net_request *request = slot->request;

    slot->request = NULL;
    ring->free_id[ring->free_count++] = (uint16_t)(slot - ring->slot);
    return request;
}

/* Put a request into the queue behind its header, which is filled in. False: there is no room. */
static bool ring_add(struct virtio_net_ring *ring, const struct virtio_net_header *header,
                     struct net_request *request, bool is_sent, unsigned round)
{
    if (ring->free_count == 0)
        return false;
    unsigned id = ring->free_id[ring->free_count - 1];
    struct virtio_net_slot *slot = &ring->slot[id];
    const struct virtio_segment segments[] = {
        {ring->headers.address + id * sizeof(struct header), sizeof(struct virtio_net_header)},
        {request->address, request->length},
    };

    header_of(ring, id)->virtio = *header;
    if (!virtio_queue_add(&ring->queue, segments, is_sent ? 2 : 0, is_sent ? 0 : 2, slot))
        return false;
    ring->free_count--;
    slot->request = request;
    slot->round = round;
    return true;
}

static void frame_take(struct virtio_net_io *io, struct virtio_net_slot *slot, uint32_t written)
{
    struct virtio_net_ring *ring = &io->receive;
    const volatile struct virtio_net_header *header =
        &header_of(ring, (unsigned)(slot - ring->slot))->virtio;
    uint8_t type = header->gso_type;
    uint32_t length = written - sizeof(*header);
    struct net_request *request = slot_free(ring, slot);

    if (written >= sizeof(*header) + NET_FRAME_LEAST && type == VIRTIO_NET_HDR_GSO_NONE) {
        net_request_done(request, NET_STATUS_OK, length, 0);
        return;
    }
    ring->errors++;
    if (log_is_worth(ring->errors))
        log_warning("a frame was not taken: %u bytes, of segmentation type %u (%u so far)", written,
                    type, ring->errors);
    net_request_done(request, NET_STATUS_DROPPED, 0, 0);
}

/* Whether there was any. The queue gives back only what it has, so this ends. */
static bool frames_take(struct virtio_net_io *io)
{
    struct virtio_net_slot *slot;
    uint32_t written;
    bool any = false;

    while ((slot = virtio_queue_take(&io->receive.queue, &written))) {
        frame_take(io, slot, written);
        any = true;
    }
    return any;
}

static bool sent_take(struct virtio_net_io *io)
{
    struct virtio_net_slot *slot;
    uint32_t written;
    bool any = false;

    while ((slot = virtio_queue_take(&io->send.queue, &written))) {
        struct net_request *request = slot_free(&io->send, slot);
        net_request_done(request, NET_STATUS_OK, request->length, 0);
        any = true;
    }
    return any;
}

static bool received(void *context)
{
    struct virtio_net_io *io = context;
    bool any = frames_take(io);

    while (!virtio_queue_arm(&io->receive.queue, 1))
        any |= frames_take(io);
    return any;
}

/* That frames were sent is not urgent, so half of those on their way are waited for together: in
 * the end that is every last one. */
static bool sent(void *context)
{
    struct virtio_net_io *io = context;
    struct virtio_net_ring *ring = &io->send;
    bool any = sent_take(io);

    while (ring->free_count < ring->slots) {
        unsigned in_flight = ring->slots - ring->free_count;
        if (virtio_queue_arm(&ring->queue, (in_flight + 1) / 2))
            break;
        any |= sent_take(io);
    }
    if (ring->free_count == ring->slots)
        virtio_queue_disarm(&ring->queue);
    return any;
}

static bool is_any_late(const struct virtio_net_io *io)
{
    for (unsigned id = 0; id < io->send.slots; id++) {
        const struct virtio_net_slot *slot = &io->send.slot[id];
        if (slot->request && io->round - slot->round >= SEND_ROUNDS)
            return true;
    }
    return false;
}

static void watch(void *context)
{
    struct virtio_net_io *io = context;

    io->round++;
    sent(io); /* should an interrupt have been lost */
    received(io);
    virtio_check(io->virtio);
    if (is_any_late(io))
        virtio_give_up(io->virtio, "a frame was not sent within 8 s");
    if (io->send.free_count < io->send.slots)
        clock_timer_start(&io->watch, WATCH_PERIOD, watch, io);
}

bool virtio_net_io_receive(struct virtio_net_io *io, struct net_request *request)
{
    static const struct virtio_net_header empty;

    return ring_add(&io->receive, &empty, request, false, 0);
}

bool virtio_net_io_send(struct virtio_net_io *io, struct net_request *request)
{
    struct virtio_net_header header = {.gso_type = VIRTIO_NET_HDR_GSO_NONE};

    if (request->flags & NET_CHECKSUM) {
        header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        header.csum_start = request->checksum_start;
        header.csum_offset = request->checksum_offset;
    }
    if (!ring_add(&io->send, &header, request, true, io->round)) {
        sent(io); /* what is done by now makes room */
        if (!ring_add(&io->send, &header, request, true, io->round))
            return false;
    }
    if (!io->watch.running)
        clock_timer_start(&io->watch, WATCH_PERIOD, watch, io);
    return true;
}

void virtio_net_io_kick(struct virtio_net_io *io)
{
    virtio_queue_kick(&io->receive.queue);
    virtio_queue_kick(&io->send.queue);
    sent(io);
}

static void ring_abandon(struct virtio_net_ring *ring)
{
    for (unsigned id = 0; id < ring->slots; id++) {
        if (ring->slot[id].request)
            net_request_done(slot_free(ring, &ring->slot[id]), NET_STATUS_DROPPED, 0, 0);
    }
}

void virtio_net_io_abandon(struct virtio_net_io *io)
{
    clock_timer_cancel(&io->watch);
    ring_abandon(&io->receive);
    ring_abandon(&io->send);
}

static int ring_open(struct virtio_net_io *io, unsigned index, irq_handler handler,
                     struct virtio_net_ring *ring)
{
    struct virtio_queue_plan plan = {
        .entries = VIRTIO_ENTRIES_MAX,
        .segments = 2,
        .handler = handler,
        .context = io,
    };
    int error = virtio_queue_create(io->virtio, index, &plan, &ring->queue);

    if (error != 0)
        return error;
    ring->slots = ring->queue.entries;
    error =
        dma_buffer_create(io->virtio->device, ring->slots * sizeof(struct header), &ring->headers);
    if (error != 0) {
        log_error("no memory for %u frames: %s", ring->slots, strerror(error));
        return error;
    }
    for (unsigned id = ring->slots; id-- > 0;)
        ring->free_id[ring->free_count++] = (uint16_t)id;
    return 0;
}

int virtio_net_io_open(struct virtio *virtio, struct virtio_net_io *io)
{
    *io = (struct virtio_net_io){.virtio = virtio};
    int error = ring_open(io, VIRTIO_NET_RECEIVE_QUEUE, received, &io->receive);

    if (error == 0)
        error = ring_open(io, VIRTIO_NET_SEND_QUEUE, sent, &io->send);
    if (error == 0)
        virtio_queue_disarm(&io->send.queue);
    return error;
}
