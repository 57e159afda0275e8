/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reads of a mirror of which one copy would not do: nothing is known of the blocks yet, or it was
 * wrong.
 */
#include <string.h>

#include <kit/log.h>

#include "mirror.h"
#include "work.h"

static void both_done(struct filter_work *work)
{
    struct filter *filter = work->session->filter;
    const struct block_request *request = work->request;
    const struct filter_leg *leg = work->leg;
    static uint32_t first[FILTER_SUMS];
    size_t size = request->count * sizeof(first[0]);

    if (leg[0].status == BLOCK_STATUS_OK && leg[1].status == BLOCK_STATUS_OK) {
        memcpy(first, work_deliver(work, 0), size);
        if (memcmp(first, work_sums(work, 1), size) == 0 && work_compare(work, 0, first)) {
            table_set(filter->table, request->block, request->count, first);
            work_finish(work, BLOCK_STATUS_OK);
            return;
        }
    }
    mirror_settle(work);
}

void mirror_read_both(struct filter_work *work)
{
    if (disks_there(work->session->filter) == 1) {
        read_begin(work);
        return;
    }
    work_spoil(work, 0, 0);
    work_spoil(work, 1, 0);
    step_begin(work, both_done);
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++)
        step_leg_data(work, disk, BLOCK_READ);
    step_end(work);
}

static void repair(struct filter_work *work);

static void repair_done(struct filter_work *work)
{
    struct filter *filter = work->session->filter;

    if (legs_repeat(work, repair))
        return;
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        if (work->leg[disk].used && work->leg[disk].status != BLOCK_STATUS_OK)
            disk_drop(filter, disk, "a repair failed");
    }
    mirror_read_both(work); /* which shows whether the repair is there */
}

static void repair(struct filter_work *work)
{
    step_begin(work, repair_done);
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        if (work->wrong & 1u << disk)
            step_leg_data(work, disk, BLOCK_WRITE);
    }
    step_end(work);
}

static void settled(struct filter_work *work, const struct mirror_verdict *verdict,
                    const unsigned char *result)
{
    struct filter *filter = work->session->filter;
    const struct block_request *request = work->request;

    work->wrong = verdict->wrong;
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        if (!(work->wrong & 1u << disk))
            continue;
        memcpy(work_memory(work, disk), result, request->length);
        log_warning("%s: %u blocks at %llu are repaired with what %s has%s",
                    filter->disk[disk].name, request->count, (unsigned long long)request->block,
                    filter->disk[1 - disk].name, verdict->unknown ? ", which is preferred" : "");
    }
    if (work_repeat(work, repair))
        return;
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        if (work->wrong & 1u << disk)
            disk_drop(filter, disk, "repairs do not last");
    }
    work->repeats = 0; /* it is another device now; or a disk that was right the last time */
    if (disks_there(filter) == 1)
        read_begin(work);
    else
        work_finish(work, BLOCK_STATUS_MEDIUM);
}

static void unsettled(struct filter_work *work, const struct mirror_verdict *verdict)
{
    const struct filter *filter = work->session->filter;
    unsigned long long block = verdict->block;

    if (verdict->outcome == MIRROR_DIFFERS) {
        log_error("block %llu: %s and %s differ, and which is right is not known: the read fails "
                  "(write the block, or set prefer=0 or 1)",
                  block, filter->disk[0].name, filter->disk[1].name);
    } else if (work->leg[0].status == BLOCK_STATUS_OK || work->leg[1].status == BLOCK_STATUS_OK) {
        if (work_repeat(work, mirror_settle))
            return;
        log_error("block %llu: neither %s nor %s has what was there: given up", block,
                  filter->disk[0].name, filter->disk[1].name);
    } else {
        work_finish(work, work->leg[0].status);
        return;
    }
    work_finish(work, BLOCK_STATUS_MEDIUM);
}

static void settle_done(struct filter_work *work)
{
    struct filter *filter = work->session->filter;
    static unsigned char result[FILTER_TRANSFER];
    struct mirror_copies copies = {
        .result = result,
        .first = work->request->block,
        .count = work->request->count,
        .block_size = filter->block_size,
    };
    struct mirror_verdict verdict;

    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        copies.data[disk] = work_memory(work, disk);
        copies.there[disk] = work->leg[disk].status == BLOCK_STATUS_OK;
        if (work->leg[disk].status == BLOCK_STATUS_GONE)
            disk_drop(filter, disk, "its driver is gone");
    }
    if (disks_there(filter) == 1) {
        read_begin(work);
        return;
    }
    mirror_merge(filter->table, filter->options.prefer, &copies, &verdict);
    work->accused |= verdict.lied;
    if (verdict.outcome == MIRROR_SETTLED)
        settled(work, &verdict, result);
    else
        unsettled(work, &verdict);
}

void mirror_settle(struct filter_work *work)
{
    step_begin(work, settle_done);
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++)
        step_leg_data(work, disk, BLOCK_READ);
    step_end(work);
}
