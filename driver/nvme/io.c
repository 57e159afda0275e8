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

/* The command's id is free again; whose request it was. */
static inline struct block_request *command_end(struct nvme_io *io, unsigned id)
{
    io->command[id].in_flight = false;
    io->free_id[io->free_count++] = (uint16_t)id;
    return io->command[id].request;
}

static void stray_note(struct nvme_io *io, const struct nvme_completion *completion)
{
    io->stray++;
    if (log_is_worth(io->stray))
        log_warning("completion for command %u of queue %u, which is not in flight: ignored (%u so "
                    "far)",
                    completion->id, completion->sq_id, io->stray);
}

/* A completion counts only for a command that is in flight on this queue. */
static inline void completion_take(struct nvme_io *io, const struct nvme_completion *completion)
{
    unsigned id = completion->id, status = NVME_STATUS(completion->status);

    if (completion->sq_id != io->queue.id || id >= io->commands || !io->command[id].in_flight) {
        stray_note(io, completion);
        return;
    }
    struct block_request *request = command_end(io, id);
    if (!request)
        io->own_status = status;
    else if (status == NVME_STATUS_SUCCESS)
        block_request_done(request, BLOCK_STATUS_OK);
    else
        block_request_failed(request, status_translate(status), status);
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

/* The admin queue shares the first vector. */
static bool interrupt(void *context)
{
    struct nvme_io *io = context;

    if (io->state != NVME_IO_OPEN)
        return false;
    bool any = nvme_admin_look(io->controller);
    return completions_take(io) || any;
}

void nvme_io_poll(struct nvme_io *io)
{
    if (io->state == NVME_IO_OPEN)
        completions_take(io);
}

void nvme_io_abandon(struct nvme_io *io, enum block_status status)
{
    for (unsigned id = 0; id < io->commands; id++) {
        if (!io->command[id].in_flight)
            continue;
        struct block_request *request = command_end(io, id);
        if (request)
            block_request_done(request, status);
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
 * range goes, or the descriptors of an SGL. */
static unsigned list_size(const struct nvme_controller *controller)
{
    size_t pages = controller->max_transfer / NVME_PAGE * sizeof(uint64_t);
    size_t parts = BLOCK_PARTS * sizeof(struct nvme_sgl);
    unsigned size = sizeof(struct nvme_dataset_range);

    while (size < pages || size < parts)
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

/* What lies behind the command's two entries, in memory of its own. */
static unsigned char *list_of(const struct nvme_io *io, unsigned id, uint64_t *address)
{
    size_t offset = (size_t)id * io->list_size;

    *address = io->lists.address + offset;
    return (unsigned char *)io->lists.memory + offset;
}

/* 4.3: two pages fit the command itself, more go through a list. The data is contiguous for the
 * device, and max_transfer keeps the list to one page. */
static uint64_t list_fill(const struct nvme_io *io, unsigned id, uint64_t next, uint64_t left)
{
    uint64_t address;

    if (left <= NVME_PAGE)
        return next;
    uint64_t *list = (uint64_t *)list_of(io, id, &address);
    for (uint64_t done = 0; done < left; done += NVME_PAGE)
        *list++ = next + done;
    return address;
}

/* Where the data is (4.3): the first entry may begin inside a page. */
static inline void data_fill(const struct nvme_io *io, const struct block_request *request,
                             unsigned id, struct nvme_command *command)
{
    uint64_t address = request->address, length = request->length;
    uint64_t first = NVME_PAGE - address % NVME_PAGE;

    command->prp1 = address;
    command->prp2 = length <= first ? 0 : list_fill(io, id, address + first, length - first);
}

/* Whether PRPs can say where the data is (4.3): only its first page is entered, and only its last
 * left, in the middle. */
static bool is_paged(const struct block_request *request)
{
    for (unsigned i = 1; i < request->segment_count; i++) {
        const struct block_segment *segment = &request->segments[i];
        if (segment->address % NVME_PAGE != 0 ||
            (segment[-1].address + segment[-1].length) % NVME_PAGE != 0)
            return false;
    }
    return true;
}

/* 4.3: as list_fill does, over several segments. */
static void pages_fill(const struct nvme_io *io, const struct block_request *request, unsigned id,
                       struct nvme_command *command)
{
    const struct block_segment *segment = request->segments;
    uint64_t *list = (uint64_t *)list_of(io, id, &command->prp2);
    uint64_t next = segment->address - segment->address % NVME_PAGE + NVME_PAGE;
    unsigned count = 0;

    command->prp1 = segment->address;
    for (unsigned i = 0; i < request->segment_count; i++, segment++) {
        for (uint64_t page = i == 0 ? next : segment->address;
             page < segment->address + segment->length; page += NVME_PAGE)
            list[count++] = page;
    }
    if (count <= 1)
        command->prp2 = count == 0 ? 0 : list[0];
}

/* 4.4: the command has one descriptor, of the segment that has all others. */
static void sgl_fill(const struct nvme_io *io, const struct block_request *request, unsigned id,
                     struct nvme_command *command)
{
    uint64_t address;
    struct nvme_sgl *list = (struct nvme_sgl *)list_of(io, id, &address);

    for (unsigned i = 0; i < request->segment_count; i++)
        list[i] = (struct nvme_sgl){
            .address = request->segments[i].address,
            .length = (uint32_t)request->segments[i].length,
            .type = NVME_SGL_DATA,
        };
    command->flags = NVME_PSDT_SGL;
    command->sgl = (struct nvme_sgl){
        .address = address,
        .length = request->segment_count * (uint32_t)sizeof(*list),
        .type = NVME_SGL_LAST_SEGMENT,
    };
}

static __attribute__((noinline)) void scatter_fill(const struct nvme_io *io,
                                                   const struct block_request *request, unsigned id,
                                                   struct nvme_command *command)
{
    if (is_paged(request))
        pages_fill(io, request, id, command);
    else
        sgl_fill(io, request, id, command);
}

/* Where the command's list would be. */
static void range_fill(const struct nvme_io *io, const struct block_request *request, unsigned id,
                       struct nvme_command *command)
{
    unsigned char *memory = list_of(io, id, &command->prp1);

    *(struct nvme_dataset_range *)memory =
        (struct nvme_dataset_range){.count = request->count, .first = request->block};
    command->prp2 = 0;
}

/* Fill in the next command, all but its data and what is the opcode's own. Every field that any
 * command uses is set for each: what was there before stays in the queue's memory. */
static inline void command_begin(struct nvme_io *io, struct nvme_command *command, unsigned opcode,
                                 uint32_t namespace, struct block_request *request)
{
    unsigned id = io->free_id[--io->free_count];

    command->opcode = (uint8_t)opcode;
    command->flags = 0;
    command->id = (uint16_t)id;
    command->namespace = namespace;
    io->command[id] = (struct nvme_io_command){request, io->round, true};
    nvme_queue_advance(&io->queue);
    if (!io->watch.running)
        clock_timer_start(&io->watch, WATCH_PERIOD, watch, io);
}

/* A command without data. */
static void command_plain(struct nvme_io *io, struct nvme_command *command, unsigned opcode,
                          uint32_t namespace, struct block_request *request)
{
    command_begin(io, command, opcode, namespace, request);
    command->prp1 = command->prp2 = 0;
    command->cdw10 = command->cdw11 = command->cdw12 = 0;
    if (opcode == NVME_DATASET) {
        range_fill(io, request, command->id, command);
        command->cdw11 = NVME_DATASET_DEALLOCATE; /* 6.7; cdw10: one range, zero-based */
    }
}

bool nvme_io_submit(struct nvme_io *io, uint32_t namespace, struct block_request *request)
{
    static const uint8_t opcodes[] = {
        [BLOCK_READ] = NVME_READ,       [BLOCK_WRITE] = NVME_WRITE,
        [BLOCK_FLUSH] = NVME_FLUSH,     [BLOCK_WRITE_ZEROES] = NVME_WRITE_ZEROES,
        [BLOCK_DISCARD] = NVME_DATASET,
    };
    unsigned operation = request->operation, opcode = opcodes[operation];

    if (io->state != NVME_IO_OPEN) {
        block_request_done(request, BLOCK_STATUS_GONE);
        return true;
    }
    if (operation == BLOCK_FLUSH && !io->controller->volatile_cache) {
        block_request_done(request, BLOCK_STATUS_OK); /* 6.8: what is completed is durable */
        return true;
    }
    struct nvme_command *command = nvme_queue_room(&io->queue);
    if (!command || io->free_count == 0)
        return false;
    if (operation == BLOCK_FLUSH || operation == BLOCK_DISCARD) {
        command_plain(io, command, opcode, namespace, request);
        return true;
    }
    command_begin(io, command, opcode, namespace, request);
    if (request->segments)
        scatter_fill(io, request, command->id, command);
    else if (request->length > 0)
        data_fill(io, request, command->id, command);
    else
        command->prp1 = command->prp2 = 0;
    command->cdw10 = (uint32_t)request->block;
    command->cdw11 = (uint32_t)(request->block >> 32);
    command->cdw12 = request->count - 1; /* 6.9, 6.15, 6.16: zero-based */
    return true;
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
    struct nvme_command *command = nvme_queue_room(&io->queue);

    if (!io->controller->volatile_cache)
        return 0;
    if (io->state != NVME_IO_OPEN || !command || io->free_count == 0)
        return EBUSY;
    command_plain(io, command, NVME_FLUSH, namespace, NULL);
    int error = nvme_io_drain(io, limit);
    if (error != 0)
        return error;
    return io->own_status == NVME_STATUS_SUCCESS ? 0 : EIO;
}
