/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/log.h>

#include "layout.h"

#define WATCH_PERIOD (5 * CLOCK_SECOND)
#define STOP_PERIOD  (10 * CLOCK_MILLISECOND)
#define SPIN_TIME    (2 * CLOCK_MILLISECOND)

enum { COMMAND_ROUNDS = 7 }; /* of the watch: a command may take 30 s, and 35 s at most */

static struct virtio_blk_lane *lane_of(struct virtio_blk_io *io,
                                       const struct block_request *request)
{
    return &io->lane[request->client % io->lane_count];
}

static bool is_any_broken(const struct virtio_blk_io *io)
{
    for (unsigned i = 0; i < io->lane_count; i++) {
        if (virtio_queue_is_broken(&io->lane[i].queue))
            return true;
    }
    return false;
}

static void give_up_if_broken(struct virtio_blk_io *io)
{
    if (is_any_broken(io))
        virtio_blk_io_give_up(io, BLOCK_STATUS_DEVICE, "it broke the rules of its queue");
}

static void io_poll(void *context)
{
    struct virtio_blk_io *io = context;

    if (io->state != VIRTIO_BLK_IO_OPEN)
        return;
    for (unsigned i = 0; i < io->lane_count; i++) {
        virtio_blk_lane_take(&io->lane[i]);
        virtio_blk_lane_arm(&io->lane[i]);
    }
    give_up_if_broken(io);
}

static bool interrupt(void *context)
{
    struct virtio_blk_lane *lane = context;
    bool any = virtio_queue_is_ready(&lane->queue);

    if (lane->io->state == VIRTIO_BLK_IO_OPEN) {
        virtio_blk_lane_take(lane);
        virtio_blk_lane_arm(lane);
        give_up_if_broken(lane->io);
    }
    return any;
}

static bool io_is_ready(void *context)
{
    const struct virtio_blk_io *io = context;
    bool any = false;

    for (unsigned i = 0; i < io->lane_count; i++)
        any |= virtio_queue_is_ready(&io->lane[i].queue);
    return io->state == VIRTIO_BLK_IO_OPEN && any;
}

static bool is_idle(const struct virtio_blk_io *io)
{
    for (unsigned i = 0; i < io->lane_count; i++) {
        if (!virtio_blk_lane_is_idle(&io->lane[i]))
            return false;
    }
    return true;
}

void virtio_blk_io_abandon(struct virtio_blk_io *io, enum block_status status)
{
    for (unsigned i = 0; i < io->lane_count; i++)
        virtio_blk_lane_abandon(&io->lane[i], status);
}

void virtio_blk_io_close(struct virtio_blk_io *io)
{
    io->state = VIRTIO_BLK_IO_CLOSED;
    clock_timer_cancel(&io->watch);
    for (unsigned i = 0; i < io->lane_count; i++)
        clock_timer_cancel(&io->lane[i].gathering);
}

/* A request's memory is the client's again once it is done, so requests end only when the device no
 * longer moves data. */
static void stop_watch(void *context)
{
    struct virtio_blk_io *io = context;

    if (virtio_is_stopped(io->virtio)) {
        virtio_blk_io_close(io);
        virtio_blk_io_abandon(io, io->verdict);
    } else if (clock_now() < io->stop_due) {
        clock_timer_start(&io->watch, STOP_PERIOD, stop_watch, io);
    } else {
        /* Only the system can take the memory out of its reach, and does so when we are gone. */
        log_error("the device does not stop: the driver ends, for the system to reset it");
        exit(EXIT_FAILURE);
    }
}

void virtio_blk_io_give_up(struct virtio_blk_io *io, enum block_status verdict, const char *why)
{
    if (io->state != VIRTIO_BLK_IO_OPEN)
        return;
    log_error("the device is given up: %s", why);
    virtio_reset_begin(io->virtio);
    io->state = VIRTIO_BLK_IO_STOPPING;
    io->verdict = verdict;
    io->stop_due = clock_now() + VIRTIO_RESET_LIMIT;
    stop_watch(io);
}

static bool is_any_late(const struct virtio_blk_io *io)
{
    for (unsigned i = 0; i < io->lane_count; i++) {
        if (virtio_blk_lane_is_late(&io->lane[i], COMMAND_ROUNDS))
            return true;
    }
    return false;
}

static void watch(void *context)
{
    struct virtio_blk_io *io = context;

    io->round++;
    io_poll(io); /* should an interrupt have been lost */
    if (io->state != VIRTIO_BLK_IO_OPEN || is_idle(io))
        return;
    if (virtio_is_dead(io->virtio))
        virtio_blk_io_give_up(io, BLOCK_STATUS_GONE, "it wants a reset, or is not there any more");
    else if (is_any_late(io))
        virtio_blk_io_give_up(io, BLOCK_STATUS_TIMEOUT, "a request was not completed within 30 s");
    else
        clock_timer_start(&io->watch, WATCH_PERIOD, watch, io);
}

void virtio_blk_io_watch(struct virtio_blk_io *io)
{
    if (!io->watch.running)
        clock_timer_start(&io->watch, WATCH_PERIOD, watch, io);
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
    io->state = VIRTIO_BLK_IO_OPEN;
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

    if (io->state != VIRTIO_BLK_IO_OPEN) {
        block_request_done(request, BLOCK_STATUS_GONE);
        return true;
    }
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

    if (io->state != VIRTIO_BLK_IO_OPEN)
        return;
    for (unsigned i = 0; i < io->lane_count; i++) {
        virtio_queue_kick(&io->lane[i].queue);
        virtio_blk_lane_arm(&io->lane[i]);
    }
    /* Arming takes what is there, which may be what shows it. */
    give_up_if_broken(io);
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
};

static bool take_all(struct virtio_blk_io *io)
{
    bool any = false;

    for (unsigned i = 0; i < io->lane_count; i++)
        any |= virtio_blk_lane_take(&io->lane[i]);
    return any;
}

int virtio_blk_io_drain(struct virtio_blk_io *io, uint64_t limit)
{
    uint64_t start = clock_now();

    for (unsigned i = 0; i < io->lane_count; i++)
        virtio_queue_kick(&io->lane[i].queue);
    while (!is_idle(io)) {
        if (take_all(io))
            continue;
        uint64_t waited = clock_now() - start;
        if (waited > limit || is_any_broken(io))
            return ETIMEDOUT;
        /* Most answers come at once; after that, let others run. */
        if (waited > SPIN_TIME)
            clock_sleep(CLOCK_MILLISECOND);
    }
    return 0;
}

/* In the first queue; the others are idle. */
static int own_run(struct virtio_blk_io *io, enum virtio_blk_type type, uint32_t length,
                   uint64_t limit)
{
    struct virtio_blk_header header = {.type = type};

    if (io->state != VIRTIO_BLK_IO_OPEN ||
        !virtio_blk_lane_start(&io->lane[0], &header, length, NULL))
        return EBUSY;
    int error = virtio_blk_io_drain(io, limit);
    if (error != 0)
        return error;
    return io->own_status == VIRTIO_BLK_S_OK ? 0 : EIO;
}

int virtio_blk_io_flush(struct virtio_blk_io *io, uint64_t limit)
{
    return virtio_has(io->virtio, VIRTIO_BLK_F_FLUSH) ? own_run(io, VIRTIO_BLK_T_FLUSH, 0, limit)
                                                      : 0;
}

int virtio_blk_io_identify(struct virtio_blk_io *io, uint64_t limit, char *identity)
{
    if (!is_idle(io))
        return EBUSY;
    unsigned id = virtio_blk_lane_next(&io->lane[0]); /* that it will have */
    int error = own_run(io, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_ID_SIZE, limit);
    if (error == 0)
        virtio_blk_lane_answer(&io->lane[0], id, identity);
    return error;
}
