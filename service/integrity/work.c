/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "work.h"

#include <stdio.h>

#include <kit/log.h>

#include "checksum.h"

static void leg_done(void *context, enum block_status status)
{
    struct filter_leg *leg = context;

    leg->status = status;
    leg->recoveries =
        block_client_counts(leg->work->session->client[leg - leg->work->leg]).recoveries;
    step_end(leg->work);
}

void step_begin(struct filter_work *work, void (*next)(struct filter_work *work))
{
    work->next = next;
    work->pending = 1; /* until step_end */
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++)
        work->leg[disk].used = false;
}

void step_leg(struct filter_work *work, unsigned disk, enum block_operation operation,
              uint32_t buffer, uint64_t offset)
{
    struct block_client *client = work->session->client[disk];
    const struct block_request *request = work->request;
    struct filter_leg *leg = &work->leg[disk];

    leg->work = work;
    leg->used = true;
    work->pending++;
    work->session->filter->submitted = true;
    block_client_flags(client, request->flags);
    int error = block_client_submit(client, operation, request->block, request->count, buffer,
                                    offset, leg_done, leg);
    if (error != 0) {
        leg->status = BLOCK_STATUS_GONE;
        work->pending--;
    }
}

void step_end(struct filter_work *work)
{
    if (--work->pending == 0)
        work->next(work);
}

static uint64_t place_offset(const struct filter_work *work)
{
    return (uint64_t)work->place * PAGES_SIZE;
}

unsigned char *work_memory(const struct filter_work *work, unsigned disk)
{
    return work->session->memory[disk] + place_offset(work);
}

void step_leg_data(struct filter_work *work, unsigned disk, enum block_operation operation)
{
    step_leg(work, disk, operation, work->session->memory_id[disk], place_offset(work));
}

/* A word of each cache line: no device leaves out less. */
void work_spoil(const struct filter_work *work, unsigned disk, unsigned from)
{
    enum { LINE = 64 };
    unsigned char *memory = work_memory(work, disk);
    const unsigned char *other = work_memory(work, from);
    uint64_t pattern = disk == from ? UINT64_MAX : 1;

    for (size_t at = 0; at < work->request->length; at += LINE)
        *(uint64_t *)(memory + at) = *(const uint64_t *)(other + at) ^ pattern;
}

bool work_repeat(struct filter_work *work, void (*then)(struct filter_work *work))
{
    struct filter *filter = work->session->filter;

    if (work->repeats == filter->options.repeats)
        return false;
    work->repeats++;
    work->next = then;
    work->queued = NULL;
    *filter->later_end = work;
    filter->later_end = &work->queued;
    return true;
}

void work_finish(struct filter_work *work, enum block_status status)
{
    struct filter_session *session = work->session;
    struct block_request *request = work->request;

    *work->at = work->following;
    if (work->following)
        work->following->at = work->at;
    session->filter->writing -= request->operation != BLOCK_READ;
    session->filter->ended = true;
    work->request = NULL;
    if (work->pages > 0)
        pages_give(&session->pages, work->place, work->pages);
    block_request_done(request, status);
}

static unsigned char *work_data(const struct filter_work *work)
{
    uint64_t address = work->request->address;

    return work->session->buffer[(address >> 32) - 1].memory + (address & UINT32_MAX);
}

static uint32_t summed[FILTER_SUMS];

const uint32_t *work_sums(const struct filter_work *work, unsigned disk)
{
    checksum_blocks(work_memory(work, disk), work->session->filter->block_size,
                    work->request->count, summed);
    return summed;
}

const uint32_t *work_deliver(const struct filter_work *work, unsigned disk)
{
    checksum_copy(work_memory(work, disk), work_data(work), NULL, work->session->filter->block_size,
                  work->request->count, summed);
    return summed;
}

const uint32_t *work_fetch(const struct filter_work *work)
{
    const struct filter *filter = work->session->filter;
    unsigned disk = disk_is_there(filter, 0) ? 0 : 1;

    checksum_copy(work_data(work), work_memory(work, disk),
                  disks_there(filter) == 2 ? work_memory(work, 1) : NULL, filter->block_size,
                  work->request->count, summed);
    return summed;
}

bool work_compare(const struct filter_work *work, unsigned disk, const uint32_t *sums)
{
    struct filter *filter = work->session->filter;
    const struct block_request *request = work->request;
    unsigned at = table_mismatch(filter->table, request->block, request->count, sums);
    uint32_t known = 0;

    if (at == request->count)
        return true;
    table_lookup(filter->table, request->block + at, &known);
    log_warning("%s: block %llu: it has other data than it should (CRC32C %08x, not %08x)",
                filter->disk[disk].name, (unsigned long long)(request->block + at), sums[at],
                known);
    return false;
}

bool disk_is_there(const struct filter *filter, unsigned disk)
{
    return disk < filter->disk_count && !filter->disk[disk].dropped;
}

unsigned disks_there(const struct filter *filter)
{
    return (unsigned)disk_is_there(filter, 0) + disk_is_there(filter, 1);
}

void disk_drop(struct filter *filter, unsigned disk, const char *why)
{
    if (!disk_is_there(filter, disk) || disks_there(filter) == 1)
        return;
    filter->disk[disk].dropped = true;
    log_error("%s: %s: it is left out from now on, %s alone has what is written",
              filter->disk[disk].name, why, filter->disk[1 - disk].name);
}

/* What a disk did that was left out meanwhile is no good to anybody. */
static bool leg_counts(const struct filter_work *work, unsigned disk)
{
    return work->leg[disk].used && disk_is_there(work->session->filter, disk);
}

static bool any_leg_did(const struct filter_work *work)
{
    bool any = false;

    for (unsigned disk = 0; disk < FILTER_DISKS; disk++)
        any |= leg_counts(work, disk) && work->leg[disk].status == BLOCK_STATUS_OK;
    return any;
}

bool legs_repeat(struct filter_work *work, void (*then)(struct filter_work *work))
{
    unsigned failed = 0;

    if (work->leg[0].used && work->leg[1].used && !any_leg_did(work))
        return false; /* it is the request */
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        const struct filter_leg *leg = &work->leg[disk];
        if (leg->used && leg->status != BLOCK_STATUS_OK && leg->status != BLOCK_STATUS_GONE &&
            disk_is_there(work->session->filter, disk))
            failed |= 1u << disk;
    }
    work->accused |= failed;
    return failed != 0 && work_repeat(work, then);
}

enum block_status legs_judge(struct filter_work *work, const char *what)
{
    struct filter *filter = work->session->filter;
    enum block_status worst = BLOCK_STATUS_OK;
    bool any = any_leg_did(work);
    char why[64];

    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        if (!leg_counts(work, disk) || work->leg[disk].status == BLOCK_STATUS_OK)
            continue;
        worst = work->leg[disk].status;
        snprintf(why, sizeof(why), "%s failed (status %u)", what, (unsigned)worst);
        if (any)
            disk_drop(filter, disk, why);
    }
    return any ? BLOCK_STATUS_OK : worst;
}
