/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <kit/irq.h>
#include <kit/log.h>

#include "nvme.h"

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
    if (log_is_worth(++pair->stray))
        log_warning("completion of command %u, queue %u, which is not in flight: ignored (%u)",
                    completion->id, completion->sq_id, pair->stray);
}

/* A completion counts only for a command that is in flight on this queue. */
static inline void completion_take(struct nvme_pair *pair, const struct nvme_completion *completion)
{
    unsigned id = completion->id, status = NVME_STATUS(completion->status);

    if (completion->sq_id != pair->id || id >= NVME_IO_ENTRIES || !pair->request[id]) {
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
    unsigned count = 0;

    for (; count < pair->entries && nvme_pair_is_ready(pair); count++) {
        struct nvme_completion completion = nvme_pair_take(pair);
        completion_take(pair, &completion);
    }
    nvme_ring_tell(pair, &pair->completions);
    return count > 0;
}

/* The admin queue shares the first vector. */
static bool interrupt(void *context)
{
    struct nvme_pair *pair = context;
    bool any = nvme_admin_look(pair->nvme);

    return completions_take(pair) || any;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

int nvme_io_pair_open(struct nvme *nvme, unsigned id, unsigned vector, struct nvme_pair *pair)
{
    unsigned entries = least(NVME_CAP_ENTRIES(nvme->cap), NVME_IO_ENTRIES);
    unsigned size = nvme->max_transfer / NVME_PAGE * sizeof(uint64_t);
    int error = nvme_pair_create(nvme, id, entries, pair);

    /* A list must not cross a page (4.3): its size is a power of two. */
    pair->list_size = size < NVME_LIST_LEAST ? NVME_LIST_LEAST : size;
    for (; pair->free_count < entries - 1; pair->free_count++) /* 4.1.2 */
        pair->free_id[pair->free_count] = (uint16_t)pair->free_count;
    if (error == 0)
        error = dma_buffer_create(nvme->device, (size_t)entries * pair->list_size, &pair->lists);
    if (error == 0 && vector != NVME_SILENT)
        error = irq_attach(nvme->device, vector, interrupt, pair);
    if (error == 0)
        error = nvme_admin_pair_register(nvme, vector, pair);
    if (error != 0)
        log_error("queue pair %u with interrupt vector %u cannot be made: %s", id, vector,
                  strerror(error));
    return error;
}

/* 0 is the admin queue's number. */
static int pairs_open(struct nvme *nvme, unsigned count)
{
    int error = 0;

    for (unsigned i = nvme->pair_count; i < count && error == 0; i++) {
        error = nvme_io_pair_open(nvme, 1 + i, i % 2 ? NVME_SILENT : i / 2, &nvme->pair[i]);
        nvme->pair_count += error == 0;
    }
    return error;
}

int nvme_io_open(struct nvme *nvme)
{
    unsigned wanted = nvme->queues - 1, vectors = device_identity(nvme->device)->vectors;
    uint32_t granted; /* 5.21.1.7: zero-based numbers of queues; may be more than was asked for */
    int error = nvme_admin_feature_set(nvme, NVME_FEATURE_QUEUES, (wanted - 1) << 16 | (wanted - 1),
                                       &granted);

    if (error != 0)
        return error;
    unsigned pairs = least(wanted, least(granted & 0xffff, granted >> 16) + 1);
    unsigned lanes = least(pairs / 2, vectors);
    nvme->pairs_most = pairs < 2 ? 1 : lanes < 2 ? 2 : 2 * lanes;
    return pairs_open(nvme, least(2, nvme->pairs_most));
}

/* There is one pair, or there are two for each lane, which is made when its first client comes;
 * clients share them when there can be no more. */
static __attribute__((noinline)) struct nvme_pair *pair_further(struct nvme *nvme, unsigned number)
{
    if (pairs_open(nvme, least((number | 1) + 1, nvme->pairs_most)) != 0) {
        nvme->pair_count = nvme->pairs_most = nvme->pair_count & ~1u;
        log_warning("clients share %u queues from now on", nvme->pair_count);
    }
    return &nvme->pair[number % nvme->pair_count];
}

static inline struct nvme_pair *pair_of(struct nvme *nvme, const struct block_request *request)
{
    unsigned number = 2 * request->client + request->silent;

    return number < nvme->pair_count ? &nvme->pair[number] : pair_further(nvme, number);
}

/* 5.21.1.8. Queues without an interrupt are not concerned. */
int nvme_io_gather(void *context, unsigned count, unsigned microseconds)
{
    struct nvme *nvme = ((const struct nvme_namespace *)context)->nvme;
    unsigned time = (microseconds + NVME_COALESCING_UNIT_US - 1) / NVME_COALESCING_UNIT_US;

    if (count == 0 || count > NVME_COALESCING_MAX || time > NVME_COALESCING_TIME_MAX)
        return EINVAL;
    /* The threshold is zero-based. */
    return nvme_admin_feature_set(nvme, NVME_FEATURE_COALESCING, time << 8 | (count - 1), NULL);
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
static void pages_fill(const struct nvme_pair *pair, unsigned id,
                       const struct block_segment *segments, unsigned count,
                       struct nvme_command *command)
{
    uint64_t address, last = 0;
    uint64_t *list = list_of(pair, id, &address);
    unsigned entries = 0;

    command->prp1 = segments->address;
    for (unsigned i = 0; i < count; i++) {
        uint64_t page = segments[i].address, end = page + segments[i].length;
        if (i == 0)
            page += NVME_PAGE - page % NVME_PAGE;
        for (; page < end; page += NVME_PAGE)
            list[entries++] = last = page;
    }
    command->prp2 = entries > 1 ? address : last;
}

static struct nvme_sgl descriptor(uint64_t address, uint64_t length, uint8_t type)
{
    return (struct nvme_sgl){.address = address, .length = (uint32_t)length, .type = type};
}

/* 4.4: the command has one descriptor, of the segment that has all others. */
static void sgl_fill(const struct nvme_pair *pair, unsigned id,
                     const struct block_segment *segments, unsigned count,
                     struct nvme_command *command)
{
    uint64_t address;
    struct nvme_sgl *list = list_of(pair, id, &address);

    static_assert(BLOCK_PARTS * sizeof(*list) <= NVME_LIST_LEAST, "room for all of them");
    for (unsigned i = 0; i < count; i++)
        list[i] = descriptor(segments[i].address, segments[i].length, NVME_SGL_DATA);
    command->flags = NVME_PSDT_SGL;
    command->sgl = descriptor(address, count * sizeof(*list), NVME_SGL_LAST_SEGMENT);
}

static __attribute__((noinline)) void data_fill(const struct nvme_pair *pair, unsigned id,
                                                const struct block_request *request,
                                                struct nvme_command *command)
{
    const struct block_segment whole = {request->address, request->length};

    if (!request->segments)
        pages_fill(pair, id, &whole, 1, command);
    else if (NVME_SGLS_USABLE(pair->nvme->identity.sgls))
        sgl_fill(pair, id, request->segments, request->segment_count, command);
    else
        pages_fill(pair, id, request->segments, request->segment_count, command);
}

/* What is no read or write. */
static __attribute__((noinline)) void other_fill(const struct nvme_pair *pair, unsigned id,
                                                 const struct block_request *request,
                                                 struct nvme_command *command)
{
    command->prp1 = command->prp2 = 0;
    if (request->operation == BLOCK_WRITE_ZEROES)
        return;
    command->cdw10 = command->cdw11 = command->cdw12 = 0;
    if (request->operation == BLOCK_DISCARD) {
        /* 6.7: one range, zero-based */
        struct nvme_dataset_range *range = list_of(pair, id, &command->prp1);
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
    struct nvme_pair *pair = pair_of(namespace->nvme, request);
    struct nvme_command *command = nvme_pair_room(pair);

    if (pair->free_count == 0)
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
        other_fill(pair, id, request, command);
    } else if (request->segments || request->length > NVME_PAGE - request->address % NVME_PAGE) {
        data_fill(pair, id, request, command);
    } else {
        command->prp1 = request->address;
        command->prp2 = 0;
    }
    nvme_ring_advance(pair, &pair->submissions);
    return true;
}

void nvme_io_kick(void *context)
{
    struct nvme *nvme = ((const struct nvme_namespace *)context)->nvme;

    for (unsigned i = 0; i < nvme->pair_count; i++)
        nvme_ring_tell(&nvme->pair[i], &nvme->pair[i].submissions);
}

/* All of them: interrupts may be long in coming while we are busy. */
void nvme_io_poll(void *context)
{
    struct nvme *nvme = ((const struct nvme_namespace *)context)->nvme;

    for (unsigned i = 0; i < nvme->pair_count; i++) {
        if (nvme_pair_is_ready(&nvme->pair[i]))
            completions_take(&nvme->pair[i]);
    }
}

const char *nvme_io_watch(void *context)
{
    const struct nvme *nvme = ((const struct nvme_namespace *)context)->nvme;

    nvme_io_poll(context);
    return nvme_is_dead(nvme) ? "it reports a fatal error, or is not there any more" : NULL;
}

/* Of the silent ones. */
bool nvme_io_is_ready(void *context)
{
    const struct nvme *nvme = ((const struct nvme_namespace *)context)->nvme;

    for (unsigned i = nvme->pair_count > 1; i < nvme->pair_count; i += 2) {
        if (nvme_pair_is_ready(&nvme->pair[i]))
            return true;
    }
    return false;
}

void nvme_io_close(struct nvme *nvme)
{
    int error = 0;

    for (unsigned i = 0; i < nvme->pair_count && error == 0; i++)
        error = nvme_admin_pair_delete(nvme, &nvme->pair[i]);
}
