/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io.h"

#include <errno.h>
#include <limits.h>
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

/* With VIRTIO_NET_F_MRG_RXBUF the device's header is the one of the network class. */
static_assert(sizeof(struct net_frame_header) == sizeof(struct virtio_net_header) &&
                  offsetof(struct net_frame_header, buffers) ==
                      offsetof(struct virtio_net_header, num_buffers),
              "5.1.6");

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

static void header_fill(struct virtio_net_header *header, const struct net_request *request)
{
    *header = (struct virtio_net_header){.gso_type = VIRTIO_NET_HDR_GSO_NONE};
    if (!(request->flags & NET_CHECKSUM))
        return;
    header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    header->csum_start = request->checksum_start;
    header->csum_offset = request->checksum_offset;
}

/* Put a request into the queue behind its header. False: there is no room. */
static bool ring_add(struct virtio_net_ring *ring, struct net_request *request, bool is_sent,
                     unsigned round)
{
    if (ring->free_count == 0)
        return false;
    unsigned id = ring->free_id[ring->free_count - 1];
    struct virtio_net_slot *slot = &ring->slot[id];
    const struct virtio_segment segments[] = {
        {ring->headers.address + id * sizeof(struct header), sizeof(struct virtio_net_header)},
        {request->address, request->length},
    };

    header_fill(&header_of(ring, id)->virtio, request);
    if (!virtio_queue_add(&ring->queue, segments, is_sent ? 2 : 0, is_sent ? 0 : 2, slot))
        return false;
    ring->free_count--;
    slot->request = request;
    slot->round = round;
    return true;
}

static void frame_refuse(struct virtio_net_ring *ring, struct net_request *request,
                         uint32_t written, uint8_t type)
{
    ring->errors++;
    if (log_is_worth(ring->errors))
        log_warning("a frame was not taken: %u bytes, of segmentation type %u (%u so far)", written,
                    type, ring->errors);
    net_request_done(request, NET_STATUS_DROPPED, 0, 0);
}

static void frame_take(struct virtio_net_ring *ring, struct virtio_net_slot *slot, uint32_t written)
{
    const volatile struct virtio_net_header *header =
        &header_of(ring, (unsigned)(slot - ring->slot))->virtio;
    uint8_t type = header->gso_type;
    uint32_t length = written - sizeof(*header);
    struct net_request *request = slot_free(ring, slot);

    if (written >= sizeof(*header) + NET_FRAME_LEAST && type == VIRTIO_NET_HDR_GSO_NONE)
        net_request_done(request, NET_STATUS_OK, length, 0);
    else
        frame_refuse(ring, request, written, type);
}

/* 5.1.6.4: which buffers make up a frame is said by its header, which only the client sees. The
 * device gives back all of a frame's at once, so nothing of another queue's comes in between. */
static bool buffers_take(struct virtio_net_ring *ring)
{
    struct net_request *request;
    uint32_t written;
    bool any = false;

    while ((request = virtio_queue_take(&ring->queue, &written))) {
        if (written > 0)
            net_request_done(request, NET_STATUS_OK, written, 0);
        else
            frame_refuse(ring, request, 0, VIRTIO_NET_HDR_GSO_NONE);
        any = true;
    }
    return any;
}

/* Whether there was any. The queue gives back only what it has, so this ends. */
static bool frames_take(struct virtio_net_pair *pair)
{
    struct virtio_net_ring *ring = &pair->receive;
    struct virtio_net_slot *slot;
    uint32_t written;
    bool any = false;

    if (pair->io->merges)
        return buffers_take(ring);
    while ((slot = virtio_queue_take(&ring->queue, &written))) {
        frame_take(ring, slot, written);
        any = true;
    }
    return any;
}

static bool sent_take(struct virtio_net_ring *ring)
{
    struct virtio_net_slot *slot;
    uint32_t written;
    bool any = false;

    while ((slot = virtio_queue_take(&ring->queue, &written))) {
        struct net_request *request = slot_free(ring, slot);
        net_request_done(request, NET_STATUS_OK, request->length, 0);
        any = true;
    }
    return any;
}

static bool received(void *context)
{
    struct virtio_net_pair *pair = context;
    bool any = frames_take(pair);

    while (!virtio_queue_arm(&pair->receive.queue, 1))
        any |= frames_take(pair);
    return any;
}

/* That frames were sent is not urgent, so half of those on their way are waited for together: in
 * the end that is every last one. */
static bool sent(void *context)
{
    struct virtio_net_pair *pair = context;
    struct virtio_net_ring *ring = &pair->send;
    bool any = sent_take(ring);

    while (ring->free_count < ring->slots) {
        unsigned in_flight = ring->slots - ring->free_count;
        if (virtio_queue_arm(&ring->queue, (in_flight + 1) / 2))
            break;
        any |= sent_take(ring);
    }
    if (ring->free_count == ring->slots)
        virtio_queue_disarm(&ring->queue);
    return any;
}

static bool is_any_late(const struct virtio_net_ring *ring, unsigned round)
{
    for (unsigned id = 0; id < ring->slots; id++) {
        const struct virtio_net_slot *slot = &ring->slot[id];
        if (slot->request && round - slot->round >= SEND_ROUNDS)
            return true;
    }
    return false;
}

static void watch(void *context)
{
    struct virtio_net_io *io = context;
    bool again = false;

    io->round++;
    virtio_check(io->virtio);
    for (unsigned i = 0; i < io->pairs; i++) {
        struct virtio_net_pair *pair = &io->pair[i];
        sent(pair); /* should an interrupt have been lost */
        received(pair);
        if (is_any_late(&pair->send, io->round))
            virtio_give_up(io->virtio, "a frame was not sent within 8 s");
        again |= pair->send.free_count < pair->send.slots;
    }
    if (again)
        clock_timer_start(&io->watch, WATCH_PERIOD, watch, io);
}

/* Whose queue has the fewest buffers for frames, of those with room: they may differ in length. */
static struct virtio_net_ring *receive_ring(struct virtio_net_io *io)
{
    struct virtio_net_ring *least = &io->pair[0].receive;
    unsigned fewest = UINT_MAX;

    for (unsigned i = 0; i < io->pairs; i++) {
        struct virtio_net_ring *ring = &io->pair[i].receive;
        unsigned count = ring->queue.entries - ring->queue.free_count;
        if (ring->queue.free_count > 0 && count < fewest) {
            fewest = count;
            least = ring;
        }
    }
    return least;
}

bool virtio_net_io_receive(struct virtio_net_io *io, struct net_request *request)
{
    struct virtio_net_ring *ring = receive_ring(io);
    const struct virtio_segment segment = {request->address, request->length};

    return io->merges ? virtio_queue_add(&ring->queue, &segment, 0, 1, request)
                      : ring_add(ring, request, false, 0);
}

/* Frames of one flow stay in one queue, and so in their order. */
bool virtio_net_io_send(struct virtio_net_io *io, struct net_request *request)
{
    struct virtio_net_pair *pair = &io->pair[io->pairs > 1 ? request->flow % io->pairs : 0];

    if (!ring_add(&pair->send, request, true, io->round)) {
        sent(pair); /* what is done by now makes room */
        if (!ring_add(&pair->send, request, true, io->round))
            return false;
    }
    if (!io->watch.running)
        clock_timer_start(&io->watch, WATCH_PERIOD, watch, io);
    return true;
}

void virtio_net_io_kick(struct virtio_net_io *io)
{
    for (unsigned i = 0; i < io->pairs; i++) {
        struct virtio_net_pair *pair = &io->pair[i];
        virtio_queue_kick(&pair->receive.queue);
        virtio_queue_kick(&pair->send.queue);
        if (pair->send.free_count < pair->send.slots)
            sent(pair);
    }
}

static void ring_abandon(struct virtio_net_ring *ring, bool merges)
{
    for (unsigned id = 0; id < ring->slots; id++) {
        struct virtio_net_slot *slot = &ring->slot[id];
        struct net_request *request = merges          ? ring->queue.chain[id].token
                                      : slot->request ? slot_free(ring, slot)
                                                      : NULL;
        if (request)
            net_request_done(request, NET_STATUS_DROPPED, 0, 0);
    }
}

void virtio_net_io_abandon(struct virtio_net_io *io)
{
    clock_timer_cancel(&io->watch);
    for (unsigned i = 0; i < io->count; i++) {
        ring_abandon(&io->pair[i].receive, io->merges);
        ring_abandon(&io->pair[i].send, false);
    }
}

void virtio_net_io_begin(struct virtio_net_io *io, unsigned pairs)
{
    io->pairs = pairs;
    for (unsigned i = 0; i < io->count; i++)
        virtio_queue_disarm(&io->pair[i].send.queue);
}

/* Without a header of ours a chain is one segment. */
static int ring_open(struct virtio_net_pair *pair, unsigned index, irq_handler handler,
                     struct virtio_net_ring *ring)
{
    struct virtio *virtio = pair->io->virtio;
    bool has_headers = ring == &pair->send || !pair->io->merges;
    struct virtio_queue_plan plan = {
        .entries = VIRTIO_ENTRIES_MAX,
        .segments = has_headers ? 2 : 1,
        .handler = handler,
        .context = pair,
    };
    int error = virtio_queue_create(virtio, index, &plan, &ring->queue);

    ring->slots = ring->queue.entries;
    if (error != 0 || !has_headers)
        return error;
    error = dma_buffer_create(virtio->device, ring->slots * sizeof(struct header), &ring->headers);
    if (error != 0) {
        log_error("no memory for %u frames: %s", ring->slots, strerror(error));
        return error;
    }
    for (unsigned id = ring->slots; id-- > 0;)
        ring->free_id[ring->free_count++] = (uint16_t)id;
    return 0;
}

int virtio_net_io_open(struct virtio *virtio, unsigned pairs, struct virtio_net_io *io)
{
    int error = 0;

    *io = (struct virtio_net_io){.virtio = virtio,
                                 .merges = virtio_has(virtio, VIRTIO_NET_F_MRG_RXBUF)};
    for (unsigned i = 0; i < pairs && error == 0; i++) { /* 5.1.2 */
        struct virtio_net_pair *pair = &io->pair[i];
        pair->io = io;
        error = ring_open(pair, VIRTIO_NET_RECEIVE_QUEUE + 2 * i, received, &pair->receive);
        if (error == 0)
            error = ring_open(pair, VIRTIO_NET_SEND_QUEUE + 2 * i, sent, &pair->send);
        io->count += error == 0;
    }
    return error;
}
