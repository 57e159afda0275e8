/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io.h"

#include <errno.h>
#include <string.h>

#include <kit/irq.h>
#include <kit/log.h>

#include "registers.h"

#define COMMAND_LIMIT (30 * CLOCK_SECOND)
#define WATCH_PERIOD  (5 * CLOCK_SECOND)

enum { STRAY_LOGGED = 8 };

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
    default:
        return NVME_STATUS_IS_MEDIA(status) ? BLOCK_STATUS_MEDIUM : BLOCK_STATUS_DEVICE;
    }
}

static void command_finish(struct nvme_io *io, uint16_t id, enum block_status status)
{
    struct block_request *request = io->command[id].request;

    io->command[id].request = NULL;
    io->free_id[io->free_count++] = id;
    block_request_done(request, status);
}

/* A completion counts only for a command that is in flight. */
static void completion_take(struct nvme_io *io, const struct nvme_completion *completion)
{
    unsigned status = NVME_STATUS(completion->status);

    if (completion->id >= io->queue.entries || !io->command[completion->id].request) {
        if (io->stray++ < STRAY_LOGGED)
            log_warning("a completion for command %u, which is not in flight: ignored",
                        completion->id);
        return;
    }
    if (status != NVME_STATUS_SUCCESS) {
        const struct block_request *request = io->command[completion->id].request;
        log_warning("a command at block %llu failed with status %03x",
                    (unsigned long long)request->block, status);
    }
    command_finish(io, completion->id, status_translate(status));
}

static bool completions_take(struct nvme_io *io)
{
    struct nvme_completion completion;
    bool any = false;

    while (nvme_queue_complete(&io->queue, &completion)) {
        completion_take(io, &completion);
        any = true;
    }
    nvme_queue_acknowledge(&io->queue);
    return any;
}

/* The controller cannot be relied on: stop it, so that it touches no memory, and fail what it had. */
static void give_up(struct nvme_io *io, enum block_status status, const char *why)
{
    log_error("the controller is given up: %s", why);
    io->failed = true;
    nvme_controller_disable(io->controller);
    for (unsigned id = 0; id < io->queue.entries; id++) {
        if (io->command[id].request)
            command_finish(io, (uint16_t)id, status);
    }
}

static bool interrupt(void *context)
{
    return completions_take(context);
}

static void watch(void *context)
{
    struct nvme_io *io = context;
    uint64_t now = clock_now();

    completions_take(io);
    if (!io->failed && nvme_controller_is_dead(io->controller))
        give_up(io, BLOCK_STATUS_GONE, "it reports a fatal error");
    for (unsigned id = 0; !io->failed && id < io->queue.entries; id++) {
        if (io->command[id].request && now - io->command[id].started > COMMAND_LIMIT)
            give_up(io, BLOCK_STATUS_TIMEOUT, "a command was not completed in 30 s");
    }
    clock_timer_start(&io->watch, WATCH_PERIOD, watch, io);
}

int nvme_io_start(struct nvme_controller *controller, struct nvme_io *io)
{
    unsigned entries = NVME_CAP_ENTRIES(controller->cap);

    if (entries > NVME_IO_ENTRIES)
        entries = NVME_IO_ENTRIES;
    io->controller = controller;
    /* 5.21.1.7: one queue pair is always granted, but some controllers want to be asked. */
    int error = nvme_controller_admin(controller,
                                      &(struct nvme_command){
                                          .opcode = NVME_ADMIN_SET_FEATURES,
                                          .cdw10 = NVME_FEATURE_QUEUES,
                                          .cdw11 = 0,
                                      },
                                      NULL);
    if (error == 0)
        error = dma_buffer_create(controller->device, (size_t)entries * NVME_PAGE, &io->lists);
    if (error == 0)
        error = irq_attach(controller->device, 0, interrupt, io);
    if (error == 0)
        error = nvme_controller_queue(controller, NVME_IO_QUEUE, entries, 0, &io->queue);
    if (error != 0)
        return error;
    /* One submission entry always stays empty. */
    for (unsigned id = entries - 1; id-- > 0;)
        io->free_id[io->free_count++] = (uint16_t)id;
    clock_timer_start(&io->watch, WATCH_PERIOD, watch, io);
    return 0;
}

/* 4.3: the first entry may begin inside a page; two pages fit the command itself, more go through a
 * list. The data is contiguous for the device. */
static void prp_fill(struct nvme_io *io, uint16_t id, const struct block_request *request,
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
    uint64_t *list = (uint64_t *)((char *)io->lists.memory + (size_t)id * NVME_PAGE);
    command->prp2 = io->lists.address + (uint64_t)id * NVME_PAGE;
    for (uint64_t done = 0; done < left; done += NVME_PAGE)
        *list++ = next + done;
}

bool nvme_io_submit(struct nvme_io *io, uint32_t namespace, struct block_request *request)
{
    struct nvme_command command = {.namespace = namespace};

    if (io->failed) {
        block_request_done(request, BLOCK_STATUS_DEVICE);
        return true;
    }
    if (request->operation == BLOCK_FLUSH && !io->controller->volatile_cache) {
        block_request_done(request, BLOCK_STATUS_OK); /* 6.8: what is completed is durable */
        return true;
    }
    if (io->free_count == 0)
        return false;

    uint16_t id = io->free_id[io->free_count - 1];
    command.id = id;
    if (request->operation == BLOCK_FLUSH) {
        command.opcode = NVME_FLUSH;
    } else {
        command.opcode = request->operation == BLOCK_READ ? NVME_READ : NVME_WRITE;
        command.cdw10 = (uint32_t)request->block;
        command.cdw11 = (uint32_t)(request->block >> 32);
        command.cdw12 = request->count - 1; /* 6.9, 6.15: zero-based */
        prp_fill(io, id, request, &command);
    }
    if (!nvme_queue_submit(&io->queue, &command))
        return false;
    io->free_count--;
    io->command[id].request = request;
    io->command[id].started = clock_now();
    return true;
}

void nvme_io_kick(struct nvme_io *io)
{
    if (!io->failed)
        nvme_queue_kick(&io->queue);
}

static bool is_idle(const struct nvme_io *io)
{
    for (unsigned id = 0; id < io->queue.entries; id++) {
        if (io->command[id].request)
            return false;
    }
    return true;
}

int nvme_io_drain(struct nvme_io *io, uint64_t limit)
{
    uint64_t start = clock_now();

    nvme_io_kick(io);
    while (!is_idle(io)) {
        if (!completions_take(io)) {
            if (clock_now() - start > limit)
                return ETIMEDOUT;
            clock_sleep(CLOCK_MILLISECOND);
        }
    }
    return 0;
}

int nvme_io_flush(struct nvme_io *io, uint32_t namespace, uint64_t limit)
{
    struct nvme_command command = {.opcode = NVME_FLUSH, .namespace = namespace};
    struct nvme_completion completion;
    uint64_t start = clock_now();

    if (io->failed || !io->controller->volatile_cache)
        return io->failed ? EIO : 0;
    /* The id that is never given to a request. */
    command.id = (uint16_t)(io->queue.entries - 1);
    if (!nvme_queue_submit(&io->queue, &command))
        return EBUSY;
    nvme_queue_kick(&io->queue);
    while (clock_now() - start < limit) {
        bool found = nvme_queue_complete(&io->queue, &completion);
        nvme_queue_acknowledge(&io->queue);
        if (found && completion.id == command.id)
            return NVME_STATUS(completion.status) == NVME_STATUS_SUCCESS ? 0 : EIO;
        if (!found)
            clock_sleep(CLOCK_MILLISECOND);
    }
    return ETIMEDOUT;
}
