/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/irq.h>
#include <kit/log.h>

#include "admin.h"
#include "registers.h"

#define WATCH_PERIOD (5 * CLOCK_SECOND)
#define STOP_PERIOD  (10 * CLOCK_MILLISECOND)

enum { COMMAND_ROUNDS = 7 }; /* of the watch: a command may take 30 s, and 35 s at most */

static enum block_status status_translate(unsigned status)
{
    switch (status) {
    case NVME_STATUS_SUCCESS:
        return BLOCK_STATUS_OK;
    case NVME_STATUS_WRITE_PROTECTED:
    case NVME_STATUS_READ_ONLY_RANGE:
        return BLOCK_STATUS_READ_ONLY;
    case NVME_STATUS_LBA_RANGE:
        return BLOCK_STATUS_RANGE;
    case NVME_STATUS_ACCESS_DENIED:
        return BLOCK_STATUS_DEVICE;
    default:
        return NVME_STATUS_IS_MEDIA(status) ? BLOCK_STATUS_MEDIUM : BLOCK_STATUS_DEVICE;
    }
}

/* A device that fails without end must not fill the log: the first few, then ever fewer. */
static bool is_worth_logging(unsigned count)
{
    return count <= 8 || (count & (count - 1)) == 0;
}

static void command_finish(struct nvme_io *io, unsigned id, enum block_status status)
{
    struct nvme_io_command *command = &io->command[id];

    command->in_flight = false;
    io->free_id[io->free_count++] = (uint16_t)id;
    if (command->request)
        block_request_done(command->request, status);
}

/* A completion counts only for a command that is in flight on this queue. */
static void completion_take(struct nvme_io *io, const struct nvme_completion *completion)
{
    unsigned status = NVME_STATUS(completion->status);

    if (completion->sq_id != io->queue.id || completion->id >= io->commands ||
        !io->command[completion->id].in_flight) {
        io->stray++;
        if (is_worth_logging(io->stray))
            log_warning("completion for command %u of queue %u, which is not in flight: ignored "
                        "(%u so far)",
                        completion->id, completion->sq_id, io->stray);
        return;
    }

    static const char *const names[] = {
        [BLOCK_READ] = "read",       [BLOCK_WRITE] = "write",          [BLOCK_FLUSH] = "flush",
        [BLOCK_DISCARD] = "discard", [BLOCK_WRITE_ZEROES] = "zeroing",
    };
    const struct block_request *request = io->command[completion->id].request;
    if (status != NVME_STATUS_SUCCESS) {
        io->errors++;
        if (is_worth_logging(io->errors))
            log_warning("%s of %u blocks at %llu failed with status %03x (%u so far)",
                        !request ? "flush" : names[request->operation],
                        request ? request->count : 0,
                        request ? (unsigned long long)request->block : 0, status, io->errors);
    }
    if (!request)
        io->own_status = status;
    command_finish(io, completion->id, status_translate(status));
}

/* Whether there was any. A round of the queue is more than can be in flight, so a controller that
 * has more to say than that is not listened to for ever. */
static bool completions_take(struct nvme_io *io)
{
    struct nvme_completion completion;
    unsigned count = 0;

    while (count < io->queue.entries && nvme_queue_complete(&io->queue, &completion)) {
        completion_take(io, &completion);
        count++;
    }
    nvme_queue_acknowledge(&io->queue);
    return count > 0;
}

static bool interrupt(void *context)
{
    struct nvme_io *io = context;

    return io->state == NVME_IO_OPEN && completions_take(io);
}

void nvme_io_poll(struct nvme_io *io)
{
    interrupt(io);
}

bool nvme_io_is_ready(const struct nvme_io *io)
{
    return io->state == NVME_IO_OPEN && nvme_queue_is_ready(&io->queue);
}

void nvme_io_abandon(struct nvme_io *io, enum block_status status)
{
    for (unsigned id = 0; id < io->commands; id++) {
        if (io->command[id].in_flight)
            command_finish(io, id, status);
    }
}

void nvme_io_close(struct nvme_io *io)
{
    io->state = NVME_IO_CLOSED;
    clock_timer_cancel(&io->watch);
}

/* A request's memory is the client's again once it is done, so requests end only when the
 * controller no longer moves data. */
static void stop_watch(void *context)
{
    struct nvme_io *io = context;

    if (nvme_controller_is_stopped(io->controller)) {
        nvme_io_close(io);
        nvme_io_abandon(io, io->verdict);
    } else if (clock_now() < io->stop_due) {
        clock_timer_start(&io->watch, STOP_PERIOD, stop_watch, io);
    } else {
        /* Only the system can take the memory out of its reach, and does so when we are gone. */
        log_error("the controller does not stop: the driver ends, for the system to reset it");
        exit(EXIT_FAILURE);
    }
}

static void stop_begin(struct nvme_io *io, enum block_status verdict)
{
    io->state = NVME_IO_STOPPING;
    io->verdict = verdict;
    io->stop_due = clock_now() + io->controller->ready_limit;
    stop_watch(io);
}

/* The controller cannot be relied on any more. */
static void give_up(struct nvme_io *io, enum block_status verdict, const char *why)
{
    log_error("the controller is given up: %s", why);
    nvme_controller_disable(io->controller);
    stop_begin(io, verdict);
    for (struct nvme_io *other = io->next; other != io; other = other->next) {
        if (other->state == NVME_IO_OPEN)
            stop_begin(other, verdict);
    }
}

static bool is_idle(const struct nvme_io *io)
{
    return io->free_count == io->commands;
}

static bool is_any_late(const struct nvme_io *io)
{
    for (unsigned id = 0; id < io->commands; id++) {
        if (io->command[id].in_flight && io->round - io->command[id].round >= COMMAND_ROUNDS)
            return true;
    }
    return false;
}

static void watch(void *context)
{
    struct nvme_io *io = context;

    io->round++;
    completions_take(io); /* should an interrupt have been lost */
    if (is_idle(io))
        return;
    if (nvme_controller_is_dead(io->controller))
        give_up(io, BLOCK_STATUS_GONE, "it reports a fatal error, or is not there any more");
    else if (is_any_late(io))
        give_up(io, BLOCK_STATUS_TIMEOUT, "a command was not completed within 30 s");
    else
        clock_timer_start(&io->watch, WATCH_PERIOD, watch, io);
}

/* A list must not cross a page (4.3): its size is a power of two. It is also where a discard's
 * range goes. */
static unsigned list_size(const struct nvme_controller *controller)
{
    unsigned size = sizeof(struct nvme_dataset_range);

    while (size < controller->max_transfer / NVME_PAGE * sizeof(uint64_t))
        size *= 2;
    return size;
}

void nvme_io_join(struct nvme_io *io, struct nvme_io *other)
{
    io->next = other->next;
    other->next = io;
}

int nvme_io_open(struct nvme_controller *controller, unsigned id, unsigned vector,
                 struct nvme_io *io)
{
    unsigned entries = NVME_CAP_ENTRIES(controller->cap);

    if (entries > NVME_IO_ENTRIES)
        entries = NVME_IO_ENTRIES;
    *io = (struct nvme_io){
        .controller = controller,
        .next = io,
        .list_size = list_size(controller),
        .commands = entries - 1, /* 4.1.2 */
    };
    int error = vector == NVME_SILENT ? 0 : irq_attach(controller->device, vector, interrupt, io);
    if (error != 0) {
        log_error("interrupt vector %u cannot be attached: %s", vector, strerror(error));
        return error;
    }
    error = dma_buffer_create(controller->device, (size_t)io->commands * io->list_size, &io->lists);
    if (error != 0) {
        log_error("no memory for %u PRP lists: %s", io->commands, strerror(error));
        return error;
    }
    error = nvme_admin_queue_create(controller, id, entries, vector, &io->queue);
    if (error != 0)
        return error;
    for (unsigned command = io->commands; command-- > 0;)
        io->free_id[io->free_count++] = (uint16_t)command;
    io->state = NVME_IO_OPEN;
    return 0;
}

/* 4.3: the first entry may begin inside a page; two pages fit the command itself, more go through a
 * list. The data is contiguous for the device, and max_transfer keeps the list to one page. */
static void prp_fill(struct nvme_io *io, const struct block_request *request,
                     struct nvme_command *command)
{
    uint64_t first = NVME_PAGE - request->address % NVME_PAGE;

    command->prp1 = request->address;
    if (request->length <= first)
        return;
    uint64_t next = request->address + first, left = request->length - first;
    if (left <= NVME_PAGE) {
        command->prp2 = next;
        return;
    }
    size_t offset = (size_t)command->id * io->list_size;
    uint64_t *list = (uint64_t *)((unsigned char *)io->lists.memory + offset);
    command->prp2 = io->lists.address + offset;
    for (uint64_t done = 0; done < left; done += NVME_PAGE)
        *list++ = next + done;
}

/* Where the command's PRP list would be. */
static void range_fill(struct nvme_io *io, const struct block_request *request,
                       struct nvme_command *command)
{
    size_t offset = (size_t)command->id * io->list_size;

    *(struct nvme_dataset_range *)((unsigned char *)io->lists.memory + offset) =
        (struct nvme_dataset_range){.count = request->count, .first = request->block};
    command->prp1 = io->lists.address + offset;
}

/* Give a command an id and put it into the queue; false if there is no room now. */
static bool command_start(struct nvme_io *io, struct nvme_command *command,
                          struct block_request *request)
{
    if (io->free_count == 0)
        return false;
    command->id = io->free_id[io->free_count - 1];
    if (request && request->length > 0)
        prp_fill(io, request, command);
    else if (request && request->operation == BLOCK_DISCARD)
        range_fill(io, request, command);
    if (!nvme_queue_submit(&io->queue, command))
        return false;
    io->free_count--;
    io->command[command->id] = (struct nvme_io_command){true, request, io->round};
    if (!io->watch.running)
        clock_timer_start(&io->watch, WATCH_PERIOD, watch, io);
    return true;
}

bool nvme_io_submit(struct nvme_io *io, uint32_t namespace, struct block_request *request)
{
    struct nvme_command command = {.namespace = namespace};

    if (io->state != NVME_IO_OPEN) {
        block_request_done(request, BLOCK_STATUS_GONE);
        return true;
    }
    if (request->operation == BLOCK_FLUSH) {
        if (!io->controller->volatile_cache) {
            block_request_done(request, BLOCK_STATUS_OK); /* 6.8: what is completed is durable */
            return true;
        }
        command.opcode = NVME_FLUSH;
    } else if (request->operation == BLOCK_DISCARD) {
        command.opcode = NVME_DATASET;
        command.cdw11 = NVME_DATASET_DEALLOCATE; /* 6.7; cdw10: one range, zero-based */
    } else {
        command.opcode = request->operation == BLOCK_READ    ? NVME_READ
                         : request->operation == BLOCK_WRITE ? NVME_WRITE
                                                             : NVME_WRITE_ZEROES;
        command.cdw10 = (uint32_t)request->block;
        command.cdw11 = (uint32_t)(request->block >> 32);
        command.cdw12 = request->count - 1; /* 6.9, 6.15, 6.16: zero-based */
    }
    return command_start(io, &command, request);
}

void nvme_io_kick(struct nvme_io *io)
{
    if (io->state == NVME_IO_OPEN)
        nvme_queue_kick(&io->queue);
}

int nvme_io_drain(struct nvme_io *io, uint64_t limit)
{
    uint64_t start = clock_now();

    nvme_io_kick(io);
    while (!is_idle(io)) {
        if (completions_take(io))
            continue;
        if (clock_now() - start > limit)
            return ETIMEDOUT;
        clock_sleep(CLOCK_MILLISECOND);
    }
    return 0;
}

int nvme_io_flush(struct nvme_io *io, uint32_t namespace, uint64_t limit)
{
    struct nvme_command command = {.opcode = NVME_FLUSH, .namespace = namespace};

    if (!io->controller->volatile_cache)
        return 0;
    if (io->state != NVME_IO_OPEN || !command_start(io, &command, NULL))
        return EBUSY;
    int error = nvme_io_drain(io, limit);
    if (error != 0)
        return error;
    return io->own_status == NVME_STATUS_SUCCESS ? 0 : EIO;
}
