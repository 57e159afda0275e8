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

enum { REQUEST_QUEUE = 0 };  /* 5.2.2 */
enum { COMMAND_ROUNDS = 7 }; /* of the watch: a command may take 30 s, and 35 s at most */
enum { STATUS_NONE = 0xff }; /* the device has not written one */

/* What a command shares with the device, other than data. A cache line each. */
struct slot {
    struct virtio_blk_header header;
    struct virtio_blk_range range;
    uint8_t answer[VIRTIO_BLK_ID_SIZE];
    uint8_t status;
    uint8_t reserved[11];
};
static_assert(sizeof(struct slot) == 64, "slots do not share cache lines");

static struct slot *slot_of(const struct virtio_blk_io *io, unsigned id)
{
    return (struct slot *)io->slots.memory + id;
}

static uint64_t slot_address(const struct virtio_blk_io *io, unsigned id, size_t offset)
{
    return io->slots.address + id * sizeof(struct slot) + offset;
}

/* A device that fails without end must not fill the log: the first few, then ever fewer. */
static bool is_worth_logging(unsigned count)
{
    return count <= 8 || (count & (count - 1)) == 0;
}

static enum block_status status_translate(const struct block_request *request, uint8_t status)
{
    if (status == VIRTIO_BLK_S_OK)
        return BLOCK_STATUS_OK;
    /* 5.2.6: an error "of device or driver", of which a request for data has only one that is
     * likely. */
    return status == VIRTIO_BLK_S_IOERR && request->count > 0 ? BLOCK_STATUS_MEDIUM
                                                              : BLOCK_STATUS_DEVICE;
}

static void command_finish(struct virtio_blk_io *io, struct virtio_blk_command *command,
                           enum block_status status)
{
    command->in_flight = false;
    io->loud -= !command->silent;
    io->free_id[io->free_count++] = (uint16_t)(command - io->command);
    if (command->request)
        block_request_done(command->request, status);
}

static void command_take(struct virtio_blk_io *io, struct virtio_blk_command *command,
                         uint32_t written)
{
    static const char *const names[] = {
        [BLOCK_READ] = "read",       [BLOCK_WRITE] = "write",          [BLOCK_FLUSH] = "flush",
        [BLOCK_DISCARD] = "discard", [BLOCK_WRITE_ZEROES] = "zeroing",
    };
    const struct block_request *request = command->request;
    const volatile struct slot *slot = slot_of(io, (unsigned)(command - io->command));
    /* 2.7.8.2: what lies behind `written` means nothing, and the status is the last byte. */
    uint8_t status = written < command->expected ? STATUS_NONE : slot->status;

    if (status != VIRTIO_BLK_S_OK && request) {
        io->errors++;
        if (is_worth_logging(io->errors))
            log_warning("%s of %u blocks at %llu failed with status %u (%u so far)",
                        names[request->operation], request->count,
                        (unsigned long long)request->block, status, io->errors);
    }
    if (!request)
        io->own_status = status;
    command_finish(io, command, request ? status_translate(request, status) : BLOCK_STATUS_OK);
}

/* Whether there was any. The queue gives back only what it has, so this ends. */
static bool commands_take(struct virtio_blk_io *io)
{
    struct virtio_blk_command *command;
    uint32_t written;
    bool any = false;

    while ((command = virtio_queue_take(&io->queue, &written))) {
        command_take(io, command, written);
        any = true;
    }
    return any;
}

static void io_poll(void *context);

/* One queue serves loud and silent requests: it interrupts as long as somebody waits for that. The
 * device can gather by number only (2.7.7.2); time is ours to watch. */
static void interrupts_set(struct virtio_blk_io *io)
{
    while (io->loud > 0) {
        unsigned together = io->gather < io->loud ? io->gather : io->loud;
        if (virtio_queue_arm(&io->queue, together)) {
            if (together > 1 && !io->gathering.running)
                clock_timer_start(&io->gathering, io->gather_time, io_poll, io);
            return;
        }
        if (!commands_take(io))
            break;
    }
    virtio_queue_disarm(&io->queue);
    clock_timer_cancel(&io->gathering);
}

static void io_poll(void *context)
{
    struct virtio_blk_io *io = context;

    if (io->state != VIRTIO_BLK_IO_OPEN)
        return;
    commands_take(io);
    interrupts_set(io);
    if (virtio_queue_is_broken(&io->queue))
        virtio_blk_io_give_up(io, BLOCK_STATUS_DEVICE, "it broke the rules of its queue");
}

static bool interrupt(void *context)
{
    struct virtio_blk_io *io = context;
    bool any = virtio_queue_is_ready(&io->queue);

    io_poll(io);
    return any;
}

static bool io_is_ready(void *context)
{
    const struct virtio_blk_io *io = context;

    return io->state == VIRTIO_BLK_IO_OPEN && virtio_queue_is_ready(&io->queue);
}

void virtio_blk_io_abandon(struct virtio_blk_io *io, enum block_status status)
{
    for (unsigned id = 0; id < io->commands; id++) {
        if (io->command[id].in_flight)
            command_finish(io, &io->command[id], status);
    }
}

void virtio_blk_io_close(struct virtio_blk_io *io)
{
    io->state = VIRTIO_BLK_IO_CLOSED;
    clock_timer_cancel(&io->watch);
    clock_timer_cancel(&io->gathering);
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
    for (unsigned id = 0; id < io->commands; id++) {
        if (io->command[id].in_flight && io->round - io->command[id].round >= COMMAND_ROUNDS)
            return true;
    }
    return false;
}

static void watch(void *context)
{
    struct virtio_blk_io *io = context;

    io->round++;
    io_poll(io); /* should an interrupt have been lost */
    if (io->state != VIRTIO_BLK_IO_OPEN || io->free_count == io->commands)
        return;
    if (virtio_is_dead(io->virtio))
        virtio_blk_io_give_up(io, BLOCK_STATUS_GONE, "it wants a reset, or is not there any more");
    else if (is_any_late(io))
        virtio_blk_io_give_up(io, BLOCK_STATUS_TIMEOUT, "a request was not completed within 30 s");
    else
        clock_timer_start(&io->watch, WATCH_PERIOD, watch, io);
}

int virtio_blk_io_open(struct virtio *virtio, const struct virtio_blk_shape *shape,
                       struct virtio_blk_io *io)
{
    struct virtio_queue_plan plan = {
        .entries = VIRTIO_ENTRIES_MAX,
        .segments = shape->pieces + 2,
        .handler = interrupt,
        .context = io,
    };

    *io = (struct virtio_blk_io){.virtio = virtio, .shape = *shape, .gather = 1};
    int error = virtio_queue_create(virtio, REQUEST_QUEUE, &plan, &io->queue);
    if (error != 0)
        return error;
    io->commands = io->queue.entries;
    error = dma_buffer_create(virtio->device, io->commands * sizeof(struct slot), &io->slots);
    if (error != 0) {
        log_error("no memory for %u requests: %s", io->commands, strerror(error));
        return error;
    }
    for (unsigned id = io->commands; id-- > 0;)
        io->free_id[io->free_count++] = (uint16_t)id;
    virtio_queue_disarm(&io->queue);
    io->state = VIRTIO_BLK_IO_OPEN;
    return 0;
}

/* 5.2.6.4: header, data, status. The data is contiguous for the device, which may want it in
 * pieces. How many segments that are. */
static unsigned segments_fill(const struct virtio_blk_io *io, unsigned id, uint64_t address,
                              uint64_t length, struct virtio_segment *segments)
{
    unsigned count = 0;

    segments[count++] = (struct virtio_segment){slot_address(io, id, offsetof(struct slot, header)),
                                                sizeof(struct virtio_blk_header)};
    while (length > 0 && count <= io->shape.pieces) {
        uint32_t piece = length < io->shape.piece ? (uint32_t)length : io->shape.piece;
        segments[count++] = (struct virtio_segment){address, piece};
        address += piece;
        length -= piece;
    }
    segments[count++] =
        (struct virtio_segment){slot_address(io, id, offsetof(struct slot, status)), 1};
    return count;
}

/* What a command reads or writes, unless it is a client's: in its slot. */
static uint64_t slot_data(struct virtio_blk_io *io, unsigned id, uint32_t type,
                          const struct block_request *request)
{
    if (type == VIRTIO_BLK_T_GET_ID)
        return slot_address(io, id, offsetof(struct slot, answer));
    if (type != VIRTIO_BLK_T_DISCARD && type != VIRTIO_BLK_T_WRITE_ZEROES)
        return request ? request->address : 0;
    slot_of(io, id)->range = (struct virtio_blk_range){
        .sector = request->block * io->shape.sectors_per_block,
        .count = request->count * io->shape.sectors_per_block,
    };
    return slot_address(io, id, offsetof(struct slot, range));
}

/* Put a command into the queue, with `length` bytes of data; false if there is no room now. */
static bool command_start(struct virtio_blk_io *io, const struct virtio_blk_header *header,
                          uint64_t length, struct block_request *request)
{
    struct virtio_segment segments[VIRTIO_BLK_PIECES_MAX + 2];
    bool is_read = header->type == VIRTIO_BLK_T_IN || header->type == VIRTIO_BLK_T_GET_ID;

    if (io->free_count == 0)
        return false;
    unsigned id = io->free_id[io->free_count - 1];
    struct virtio_blk_command *command = &io->command[id];
    struct slot *slot = slot_of(io, id);
    uint64_t address = slot_data(io, id, header->type, request);

    unsigned count = segments_fill(io, id, address, length, segments);
    unsigned out = is_read ? 1 : count - 1;
    slot->header = *header;
    slot->status = STATUS_NONE;
    if (!virtio_queue_add(&io->queue, segments, out, count - out, command))
        return false;
    io->free_count--;
    *command = (struct virtio_blk_command){
        .in_flight = true,
        .silent = !request || request->silent,
        .request = request,
        .expected = is_read ? (uint32_t)length + 1 : 1,
        .round = io->round,
    };
    io->loud += !command->silent;
    if (!io->watch.running)
        clock_timer_start(&io->watch, WATCH_PERIOD, watch, io);
    return true;
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
    if (request->operation == BLOCK_FLUSH && !virtio_has(io->virtio, VIRTIO_BLK_F_FLUSH)) {
        block_request_done(request, BLOCK_STATUS_OK); /* 5.2.6.2: what is completed is durable */
        return true;
    }
    /* 5.2.6: of the others the sector is in their range, or they have none. */
    if (request->operation == BLOCK_READ || request->operation == BLOCK_WRITE)
        header.sector = request->block * io->shape.sectors_per_block;
    else if (request->operation != BLOCK_FLUSH)
        length = sizeof(struct virtio_blk_range);
    return command_start(io, &header, length, request);
}

static void io_kick(void *context)
{
    struct virtio_blk_io *io = context;

    if (io->state != VIRTIO_BLK_IO_OPEN)
        return;
    virtio_queue_kick(&io->queue);
    interrupts_set(io);
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

int virtio_blk_io_drain(struct virtio_blk_io *io, uint64_t limit)
{
    uint64_t start = clock_now();

    virtio_queue_kick(&io->queue);
    while (io->free_count < io->commands) {
        if (commands_take(io))
            continue;
        uint64_t waited = clock_now() - start;
        if (waited > limit || virtio_queue_is_broken(&io->queue))
            return ETIMEDOUT;
        /* Most answers come at once; after that, let others run. */
        if (waited > SPIN_TIME)
            clock_sleep(CLOCK_MILLISECOND);
    }
    return 0;
}

static int own_run(struct virtio_blk_io *io, enum virtio_blk_type type, uint32_t length,
                   uint64_t limit)
{
    struct virtio_blk_header header = {.type = type};

    if (io->state != VIRTIO_BLK_IO_OPEN || !command_start(io, &header, length, NULL))
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
    if (io->free_count == 0)
        return EBUSY;
    unsigned id = io->free_id[io->free_count - 1]; /* that it will have */
    int error = own_run(io, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_ID_SIZE, limit);
    if (error == 0)
        memcpy(identity, slot_of(io, id)->answer, VIRTIO_BLK_ID_SIZE);
    return error;
}
