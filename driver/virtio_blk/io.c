/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io.h"

#include <errno.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/log.h>

#include "layout.h"

static struct virtio_blk_lane *lane_of(struct virtio_blk_io *io,
                                       const struct block_request *request)
{
    return &io->lane[request->client % io->lane_count];
}

static void take(struct virtio_blk_lane *lane)
{
    virtio_blk_lane_take(lane);
    virtio_blk_lane_arm(lane);
}

static void io_poll(void *context)
{
    struct virtio_blk_io *io = context;

    for (unsigned i = 0; i < io->lane_count; i++)
        take(&io->lane[i]);
}

static bool interrupt(void *context)
{
    struct virtio_blk_lane *lane = context;
    bool any = virtio_queue_is_ready(&lane->queue);

    take(lane);
    return any;
}

static bool io_is_ready(void *context)
{
    const struct virtio_blk_io *io = context;
    bool any = false;

    for (unsigned i = 0; i < io->lane_count; i++)
        any |= virtio_queue_is_ready(&io->lane[i].queue);
    return any;
}

static const char *io_watch(void *context)
{
    const struct virtio_blk_io *io = context;

    io_poll(context);
    virtio_check(io->virtio);
    return NULL;
}

int virtio_blk_io_open(struct virtio *virtio, const struct virtio_blk_shape *shape, unsigned queues,
                       struct virtio_blk_io *io)
{
    *io = (struct virtio_blk_io){.virtio = virtio, .shape = *shape, .gather = 1};
    /* 5.2.2: requestq1 to requestqN are the first. */
    while (io->lane_count < queues) {
        int error = virtio_blk_lane_open(io, io->lane_count, interrupt, &io->lane[io->lane_count]);
        if (error != 0)
            return error;
        io->lane_count++;
    }
    return 0;
}

static bool io_start(void *context, struct block_request *request)
{
    static const enum virtio_blk_type types[] = {
        [BLOCK_READ] = VIRTIO_BLK_T_IN,
        [BLOCK_WRITE] = VIRTIO_BLK_T_OUT,
        [BLOCK_FLUSH] = VIRTIO_BLK_T_FLUSH,
        [BLOCK_DISCARD] = VIRTIO_BLK_T_DISCARD,
        [BLOCK_WRITE_ZEROES] = VIRTIO_BLK_T_WRITE_ZEROES,
    };
    struct virtio_blk_io *io = context;
    struct virtio_blk_header header = {.type = types[request->operation]};
    uint64_t length = request->length;

    /* 5.2.6: of the others the sector is in their range, or they have none. */
    if (request->operation == BLOCK_READ || request->operation == BLOCK_WRITE)
        header.sector = request->block * io->shape.sectors_per_block;
    else if (request->operation != BLOCK_FLUSH)
        length = sizeof(struct virtio_blk_range);
    return virtio_blk_lane_start(lane_of(io, request), &header, length, request);
}

static void io_kick(void *context)
{
    struct virtio_blk_io *io = context;

    for (unsigned i = 0; i < io->lane_count; i++) {
        virtio_queue_kick(&io->lane[i].queue);
        virtio_blk_lane_arm(&io->lane[i]);
    }
}

static int io_gather(void *context, unsigned count, unsigned microseconds)
{
    struct virtio_blk_io *io = context;

    if (count == 0 || count > VIRTIO_ENTRIES_MAX)
        return EINVAL;
    if (count > 1 && !virtio_has(io->virtio, VIRTIO_F_EVENT_IDX))
        return ENOTSUP;
    io->gather = count;
    io->gather_time = microseconds * UINT64_C(1000);
    return 0;
}

const struct block_device_ops virtio_blk_io_ops = {
    .start = io_start,
    .kick = io_kick,
    .poll = io_poll,
    .ready = io_is_ready,
    .gather = io_gather,
    .watch = io_watch,
};

/* In the first queue; nothing else is in flight. */
static int own_run(struct virtio_blk_io *io, enum virtio_blk_type type, uint32_t length,
                   uint64_t limit)
{
    struct virtio_blk_header header = {.type = type};
    struct virtio_blk_lane *lane = &io->lane[0];
    uint64_t start = clock_now();

    if (!virtio_blk_lane_start(lane, &header, length, NULL))
        return EBUSY;
    virtio_queue_kick(&lane->queue);
    while (!virtio_blk_lane_take(lane)) {
        if (!clock_wait(start, limit))
            return ETIMEDOUT;
    }
    return io->own_status == VIRTIO_BLK_S_OK ? 0 : EIO;
}

int virtio_blk_io_flush(struct virtio_blk_io *io, uint64_t limit)
{
    return virtio_has(io->virtio, VIRTIO_BLK_F_FLUSH) ? own_run(io, VIRTIO_BLK_T_FLUSH, 0, limit)
                                                      : 0;
}

int virtio_blk_io_identify(struct virtio_blk_io *io, uint64_t limit, char *identity)
{
    int error = own_run(io, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_ID_SIZE, limit);

    if (error == 0)
        memcpy(identity, virtio_blk_lane_answer(&io->lane[0]), VIRTIO_BLK_ID_SIZE);
    return error;
}
