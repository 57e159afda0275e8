/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io.h"

#include <errno.h>
#include <string.h>

#include <kit/irq.h>
#include <kit/log.h>

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

static void stray_note(struct nvme_pair *pair, const struct nvme_completion *completion)
{
    pair->stray++;
    if (log_is_worth(pair->stray))
        log_warning("completion for command %u of queue %u, which is not in flight: ignored (%u so "
                    "far)",
                    completion->id, completion->sq_id, pair->stray);
}

/* A completion counts only for a command that is in flight on this queue. */
static inline void completion_take(struct nvme_pair *pair, const struct nvme_completion *completion)
{
    unsigned id = completion->id, status = NVME_STATUS(completion->status);

    if (completion->sq_id != pair->queue.id || id >= pair->commands || !pair->request[id]) {
        stray_note(pair, completion);
        return;
    }
    struct block_request *request = pair->request[id];
    pair->request[id] = NULL;
    pair->free_id[pair->free_count++] = (uint16_t)id;
    if (status == NVME_STATUS_SUCCESS)
        block_request_done(request, BLOCK_STATUS_OK);
    else
        block_request_failed(request, status_translate(status), status);
}

/* Whether there was any. A round of the queue is more than can be in flight, so a controller that
 * has more to say than that is not listened to for ever. */
static bool completions_take(struct nvme_pair *pair)
{
    struct nvme_completion completion;
    unsigned count = 0;

    while (count < pair->queue.entries && nvme_queue_complete(&pair->queue, &completion)) {
        completion_take(pair, &completion);
        count++;
    }
    nvme_queue_acknowledge(&pair->queue);
    return count > 0;
}

/* The admin queue shares the first vector. */
static bool interrupt(void *context)
{
    struct nvme_pair *pair = context;
    bool any = nvme_admin_look(pair->nvme);

    return completions_take(pair) || any;
}

/* All of them: interrupts may be long in coming while we are busy. */
static void all_take(struct nvme_io *io)
{
    for (unsigned i = 0; i < io->count; i++)
        completions_take(&io->pair[i]);
}

/* A list must not cross a page (4.3): its size is a power of two. It is also where a discard's
 * range goes, or the descriptors of an SGL. */
static unsigned list_size(const struct nvme *nvme)
{
    size_t pages = nvme->max_transfer / NVME_PAGE * sizeof(uint64_t);
    size_t parts = BLOCK_PARTS * sizeof(struct nvme_sgl);
    unsigned size = sizeof(struct nvme_dataset_range);

    while (size < pages || size < parts)
        size *= 2;
    return size;
}

int nvme_pair_open(struct nvme *nvme, unsigned id, unsigned vector, struct nvme_pair *pair)
{
    struct device *device = nvme->device;
    unsigned entries = NVME_CAP_ENTRIES(nvme->cap);

    if (entries > NVME_IO_ENTRIES)
        entries = NVME_IO_ENTRIES;
    *pair = (struct nvme_pair){
        .nvme = nvme, .list_size = list_size(nvme), .commands = entries - 1, /* 4.1.2 */
    };
    int error = vector == NVME_SILENT ? 0 : irq_attach(device, vector, interrupt, pair);
    if (error == 0)
        error = dma_buffer_create(device, (size_t)pair->commands * pair->list_size, &pair->lists);
    if (error == 0)
        error = nvme_queue_create(device, &nvme->regs, id, entries, NVME_CAP_STRIDE(nvme->cap),
                                  &pair->queue);
    if (error == 0 && nvme->shadow.memory)
        nvme_queue_shadow(&pair->queue, nvme->shadow.memory);
    if (error == 0)
        error = nvme_admin_queue_register(nvme, vector, &pair->queue);
    if (error != 0) {
        log_error("queue pair %u with interrupt vector %u cannot be made: %s", id, vector,
                  strerror(error));
        return error;
    }
    for (unsigned command = pair->commands; command-- > 0;)
        pair->free_id[pair->free_count++] = (uint16_t)command;
    return 0;
}

/* 0 is the admin queue's number. */
static int lane_open(struct nvme_io *io)
{
    unsigned first = io->count;
    int error = nvme_pair_open(io->nvme, 1 + first, first / 2, &io->pair[first]);

    if (error == 0 && io->most > 1)
        error = nvme_pair_open(io->nvme, 2 + first, NVME_SILENT, &io->pair[first + 1]);
    if (error == 0)
        io->count += io->most > 1 ? 2 : 1;
    return error;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

int nvme_io_open(struct nvme *nvme, struct nvme_io *io)
{
    unsigned wanted = nvme->queues - 1, vectors = device_identity(nvme->device)->vectors;
    uint32_t granted; /* 5.21.1.7: zero-based numbers of queues; may be more than was asked for */
    int error = nvme_admin_feature_set(nvme, NVME_FEATURE_QUEUES, (wanted - 1) << 16 | (wanted - 1),
                                       &granted);

    if (error != 0)
        return error;
    unsigned pairs = least(wanted, least(granted & 0xffff, granted >> 16) + 1);
    unsigned lanes = least(pairs / 2, vectors);
    *io = (struct nvme_io){.nvme = nvme};
    io->most = pairs < 2 ? 1 : lanes < 2 ? 2 : 2 * lanes;
    return lane_open(io);
}

void nvme_io_extend(void *context, unsigned client)
{
    struct nvme_io *io = ((const struct nvme_namespace *)context)->io;

    while (2 * client >= io->count && io->count < io->most) {
        if (lane_open(io) != 0) {
            log_warning("clients share %u queues from now on", io->count);
            io->most = io->count;
        }
    }
}

/* 5.21.1.8. Queues without an interrupt are not concerned. */
int nvme_io_gather(void *context, unsigned count, unsigned microseconds)
{
    const struct nvme_io *io = ((const struct nvme_namespace *)context)->io;
    unsigned time = (microseconds + NVME_COALESCING_UNIT_US - 1) / NVME_COALESCING_UNIT_US;

    if (count == 0 || count > NVME_COALESCING_MAX || time > NVME_COALESCING_TIME_MAX)
        return EINVAL;
    /* The threshold is zero-based. */
    return nvme_admin_feature_set(io->nvme, NVME_FEATURE_COALESCING, time << 8 | (count - 1), NULL);
}

/* What belongs to the command, in memory of its own. */
static void *list_of(const struct nvme_pair *pair, unsigned id, uint64_t *address)
{
    size_t offset = (size_t)id * pair->list_size;

    *address = pair->lists.address + offset;
    return (unsigned char *)pair->lists.memory + offset;
}

/* 4.3: the command has the first page, and the second or a list of the others. max_transfer keeps
 * that to one page, and where segments meet pages do (BLOCK_INFO_SCATTER_PAGES). */
static void pages_fill(const struct nvme_pair *pair, const struct block_segment *segments,
                       unsigned count, struct nvme_command *command)
{
    uint64_t *list = list_of(pair, command->id, &command->prp2);
    uint64_t page = segments->address;
    unsigned entries = 0;

    command->prp1 = page;
    page += NVME_PAGE - page % NVME_PAGE;
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            page = segments[i].address;
        for (; page < segments[i].address + segments[i].length; page += NVME_PAGE)
            list[entries++] = page;
    }
    if (entries <= 1)
        command->prp2 = entries == 0 ? 0 : list[0];
}

/* 4.4: the command has one descriptor, of the segment that has all others. */
static void sgl_fill(const struct nvme_pair *pair, const struct block_segment *segments,
                     unsigned count, struct nvme_command *command)
{
    uint64_t address;
    struct nvme_sgl *list = list_of(pair, command->id, &address);

    for (unsigned i = 0; i < count; i++)
        list[i] = (struct nvme_sgl){
            .address = segments[i].address,
            .length = (uint32_t)segments[i].length,
            .type = NVME_SGL_DATA,
        };
    command->flags = NVME_PSDT_SGL;
    command->sgl = (struct nvme_sgl){
        .address = address,
        .length = count * (uint32_t)sizeof(*list),
        .type = NVME_SGL_LAST_SEGMENT,
    };
}

static __attribute__((noinline)) void data_fill(const struct nvme_pair *pair,
                                                const struct block_request *request,
                                                struct nvme_command *command)
{
    const struct block_segment whole = {request->address, request->length};
    const struct block_segment *segments = request->segments ? request->segments : &whole;
    unsigned count = request->segments ? request->segment_count : 1;

    if (count > 1 && NVME_SGLS_USABLE(pair->nvme->identity.sgls))
        sgl_fill(pair, segments, count, command);
    else
        pages_fill(pair, segments, count, command);
}

/* What is no read or write. */
static __attribute__((noinline)) void other_fill(const struct nvme_pair *pair,
                                                 const struct block_request *request,
                                                 struct nvme_command *command)
{
    command->prp1 = command->prp2 = 0;
    if (request->operation == BLOCK_WRITE_ZEROES)
        return;
    command->cdw10 = command->cdw11 = command->cdw12 = 0;
    if (request->operation == BLOCK_DISCARD) {
        /* 6.7: one range, zero-based */
        struct nvme_dataset_range *range = list_of(pair, command->id, &command->prp1);
        *range = (struct nvme_dataset_range){.count = request->count, .first = request->block};
        command->cdw11 = NVME_DATASET_DEALLOCATE;
    }
}

/* Every field that any command uses is set for each: what was there before stays in the queue's
 * memory. */
bool nvme_io_submit(void *context, struct block_request *request)
{
    static const uint8_t opcodes[] = {
        [BLOCK_READ] = NVME_READ,       [BLOCK_WRITE] = NVME_WRITE,
        [BLOCK_FLUSH] = NVME_FLUSH,     [BLOCK_WRITE_ZEROES] = NVME_WRITE_ZEROES,
        [BLOCK_DISCARD] = NVME_DATASET,
    };
    const struct nvme_namespace *namespace = context;
    struct nvme_io *io = namespace->io;
    struct nvme_pair *pair = &io->pair[(2 * request->client + request->silent) % io->count];
    struct nvme_command *command = nvme_queue_room(&pair->queue);

    if (!command || pair->free_count == 0)
        return false;
    unsigned id = pair->free_id[--pair->free_count];
    pair->request[id] = request;
    command->opcode = opcodes[request->operation];
    command->flags = 0;
    command->id = (uint16_t)id;
    command->namespace = namespace->id;
    command->cdw10 = (uint32_t)request->block;
    command->cdw11 = (uint32_t)(request->block >> 32);
    command->cdw12 = request->count - 1; /* 6.9, 6.15, 6.16: zero-based */
    if (request->length == 0) {
        other_fill(pair, request, command);
    } else if (request->segments || request->length > NVME_PAGE - request->address % NVME_PAGE) {
        data_fill(pair, request, command);
    } else {
        command->prp1 = request->address;
        command->prp2 = 0;
    }
    nvme_queue_advance(&pair->queue);
    return true;
}

void nvme_io_kick(void *context)
{
    struct nvme_io *io = ((const struct nvme_namespace *)context)->io;

    for (unsigned i = 0; i < io->count; i++)
        nvme_queue_kick(&io->pair[i].queue);
}

void nvme_io_poll(void *context)
{
    all_take(((const struct nvme_namespace *)context)->io);
}

const char *nvme_io_watch(void *context)
{
    struct nvme_io *io = ((const struct nvme_namespace *)context)->io;

    all_take(io);
    return nvme_is_dead(io->nvme) ? "it reports a fatal error, or is not there any more" : NULL;
}

/* Of the silent ones. */
bool nvme_io_is_ready(void *context)
{
    const struct nvme_io *io = ((const struct nvme_namespace *)context)->io;

    for (unsigned i = io->count > 1; i < io->count; i += 2) {
        if (nvme_queue_is_ready(&io->pair[i].queue))
            return true;
    }
    return false;
}

void nvme_io_close(struct nvme_io *io)
{
    int error = 0;

    for (unsigned i = 0; i < io->count && error == 0; i++)
        error = nvme_admin_queue_delete(io->nvme, &io->pair[i].queue);
}
