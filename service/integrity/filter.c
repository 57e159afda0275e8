/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filter.h"

#include <errno.h>
#include <string.h>

#include <kit/core/block.h>
#include <kit/log.h>

#include "checksum.h"
#include "work.h"

int filter_init(struct filter *filter, unsigned table_pieces)
{
    filter->table = table_create(table_pieces);
    filter->later_end = &filter->later;
    filter->random = 1;
    return filter->table ? 0 : ENOMEM;
}

void filter_session_init(struct filter_session *session, struct filter *filter)
{
    session->filter = filter;
    pages_init(&session->pages);
}

static uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* What one lacks the other has in vain. Discarded blocks may differ from copy to copy, so that a
 * mirror has no discard. */
static int mirror_limits(const struct block_info *other, struct block_device_limits *limits)
{
    const uint32_t both = BLOCK_INFO_WRITE_ZEROES,
                   either = BLOCK_INFO_VOLATILE_CACHE | BLOCK_INFO_READ_ONLY;

    if (other->block_size != limits->block_size || other->blocks != limits->blocks)
        return EINVAL;
    limits->max_transfer = lesser(limits->max_transfer, other->max_transfer);
    limits->max_blocks = lesser(limits->max_blocks, other->max_blocks);
    limits->flags =
        (limits->flags & other->flags & both) | ((limits->flags | other->flags) & either);
    return 0;
}

int filter_limits(const struct filter *filter, const struct block_info *info,
                  struct block_device_limits *limits)
{
    *limits = (struct block_device_limits){
        .blocks = info->blocks,
        .block_size = info->block_size,
        .max_transfer = lesser(info->max_transfer, FILTER_TRANSFER),
        .max_blocks = lesser(info->max_blocks, 1 << 16),
        .flags = info->flags & ~(BLOCK_INFO_SCATTER | BLOCK_INFO_SCATTER_PAGES),
    };
    memcpy(limits->serial, info->serial, sizeof(limits->serial));
    memcpy(limits->model, info->model, sizeof(limits->model));
    int error = filter->disk_count == 2 ? mirror_limits(info + 1, limits) : 0;
    limits->flags |= BLOCK_INFO_COPIES | BLOCK_INFO_KEPT; /* by our clients, below */
    return error;
}

static void sums_learn(struct filter_work *work, const uint32_t *sums)
{
    table_set(work->session->filter->table, work->request->block, work->request->count, sums);
}

/* The last word on a request whose data stays wrong. */
static void give_up(struct filter_work *work, unsigned disk)
{
    log_error("%s: %s of %u blocks at %llu: still wrong after %u repeats: given up",
              work->session->filter->disk[disk].name,
              work->request->operation == BLOCK_READ ? "read" : "write", work->request->count,
              (unsigned long long)work->request->block, work->repeats);
    work_finish(work, BLOCK_STATUS_MEDIUM);
}

static bool is_wrong(const struct filter_work *work, const uint32_t *sums, unsigned at)
{
    uint32_t known;

    return table_lookup(work->session->filter->table, work->request->block + at, &known) &&
           known != sums[at];
}

/* With the last repeat. Nothing is to be learned where there are none: that was one driver's word.
 */
static void rotten_learn(const struct filter_work *work, const uint32_t *sums)
{
    struct rotten *rotten = &work->session->filter->rotten;

    for (unsigned at = 0; work->repeats > 0 && at < work->request->count; at++) {
        if (is_wrong(work, sums, at))
            rotten_note(rotten, work->request->block + at, sums[at]);
    }
}

static bool any_is_rotten(const struct filter_work *work, const uint32_t *sums)
{
    const struct rotten *rotten = &work->session->filter->rotten;
    bool any = false;

    for (unsigned at = 0; at < work->request->count && rotten->count > 0 && !any; at++)
        any = is_wrong(work, sums, at) && rotten_has(rotten, work->request->block + at, sums[at]);
    return any;
}

static unsigned leg_used(const struct filter_work *work)
{
    return work->leg[0].used ? 0 : 1;
}

static void read_done(struct filter_work *work)
{
    unsigned disk = leg_used(work);
    enum block_status status = work->leg[disk].status;
    const uint32_t *sums = NULL;

    if (status == BLOCK_STATUS_OK) {
        sums = work_deliver(work, disk);
        if (work_compare(work, disk, sums)) {
            sums_learn(work, sums);
            work_finish(work, status);
            return;
        }
        work->accused |= 1u << disk;
    }
    if (!disk_is_there(work->session->filter, disk)) {
        read_begin(work); /* it was left out meanwhile: the other one has it */
    } else if (disks_there(work->session->filter) == 2) {
        mirror_settle(work);
    } else if (status != BLOCK_STATUS_OK) {
        work_finish(work, status);
    } else if (any_is_rotten(work, sums)) {
        work->accused = 0;
        work_finish(work, BLOCK_STATUS_MEDIUM);
    } else if (!work_repeat(work, read_begin)) {
        rotten_learn(work, sums);
        give_up(work, disk);
    }
}

/* Large neighbouring parts from different disks. */
static unsigned disk_choose(const struct filter *filter, uint64_t block)
{
    unsigned disk = (unsigned)(block >> 12) % FILTER_DISKS;

    return disk_is_there(filter, disk) ? disk : 1 - disk;
}

void read_begin(struct filter_work *work)
{
    struct filter *filter = work->session->filter;
    const struct block_request *request = work->request;

    if (disks_there(filter) == 2 &&
        !table_knows_all(filter->table, request->block, request->count)) {
        mirror_read_both(work);
        return;
    }
    step_begin(work, read_done);
    step_leg_data(work, disk_choose(filter, request->block), BLOCK_READ);
    step_end(work);
}

static void write_begin(struct filter_work *work);

/* The write is not where it should be, and that is that. */
static void sample_failed(struct filter_work *work, unsigned disk, enum block_status status)
{
    struct filter *filter = work->session->filter;

    if (disks_there(filter) == 2 || !disk_is_there(filter, disk)) {
        disk_drop(filter, disk, "what is written cannot be read back");
        work_finish(work, BLOCK_STATUS_OK);
        return;
    }
    table_forget(filter->table, work->request->block, work->request->count);
    if (status == BLOCK_STATUS_OK)
        give_up(work, disk);
    else
        work_finish(work, status);
}

static void sample_done(struct filter_work *work)
{
    unsigned disk = leg_used(work);
    enum block_status status = work->leg[disk].status;

    if (status != BLOCK_STATUS_OK) {
        sample_failed(work, disk, status);
        return;
    }
    if (work_compare(work, disk, work_sums(work, disk))) {
        work_finish(work, status);
        return;
    }
    work->accused |= 1u << disk;
    if (!work_repeat(work, write_begin))
        sample_failed(work, disk, status);
}

static void sample_read(struct filter_work *work)
{
    const struct filter *filter = work->session->filter;
    unsigned disk = disk_choose(filter, filter->random >> 4);

    work_spoil(work, disk, disk);
    step_begin(work, sample_done);
    step_leg_data(work, disk, BLOCK_READ);
    step_end(work);
}

/* What was found wrong once is looked at again. */
static bool is_sampled(struct filter_work *work)
{
    struct filter *filter = work->session->filter;

    if (work->repeats > 0)
        return true;
    if (filter->options.sample == 0)
        return false;
    filter->random = filter->random * 1664525 + 1013904223;
    return (filter->random >> 16) % filter->options.sample == 0;
}

static void bare_begin(struct filter_work *work);

static void write_done(struct filter_work *work)
{
    const struct block_request *request = work->request;

    if (disks_there(work->session->filter) == 2 &&
        legs_repeat(work, request->operation == BLOCK_WRITE ? write_begin : bare_begin))
        return;
    enum block_status status = legs_judge(work, "a write");

    if (status != BLOCK_STATUS_OK)
        table_forget(work->session->filter->table, request->block, request->count);
    if (status == BLOCK_STATUS_OK && request->operation == BLOCK_WRITE && is_sampled(work))
        sample_read(work);
    else
        work_finish(work, status);
}

/* Nobody reads these blocks before it is done, so that what they will be can be noted now. What is
 * repeated is fetched again: the device may have written over it. */
static void write_begin(struct filter_work *work)
{
    rotten_forget(&work->session->filter->rotten, work->request->block, work->request->count);
    sums_learn(work, work_fetch(work));
    step_begin(work, write_done);
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        if (disk_is_there(work->session->filter, disk))
            step_leg_data(work, disk, BLOCK_WRITE);
    }
    step_end(work);
}

/* The same of what has no data. */
static void bare_note(struct filter_work *work)
{
    static unsigned char zeroes[65536];
    struct filter *filter = work->session->filter;
    const struct block_request *request = work->request;
    uint32_t sum;

    rotten_forget(&filter->rotten, request->block, request->count);
    if (request->operation == BLOCK_WRITE_ZEROES) {
        checksum_blocks(zeroes, filter->block_size, 1, &sum);
        table_set_all(filter->table, request->block, request->count, sum);
    } else {
        table_forget(filter->table, request->block, request->count);
    }
}

static void flush_done(struct filter_work *work)
{
    work_finish(work, legs_judge(work, "a flush"));
}

/* All that has no data: to every disk. */
static void bare_begin(struct filter_work *work)
{
    const struct block_request *request = work->request;

    step_begin(work, request->operation == BLOCK_FLUSH ? flush_done : write_done);
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        if (disk_is_there(work->session->filter, disk))
            step_leg(work, disk, request->operation, 0, 0);
    }
    step_end(work);
}

/* Whether one that is under way touches the same blocks, and one of the two writes. A flush touches
 * none. */
static bool is_in_the_way(const struct filter *filter, const struct block_request *request)
{
    bool writes = request->operation != BLOCK_READ;

    if (!writes && filter->writing == 0)
        return false;
    for (const struct filter_work *work = filter->under_way; work; work = work->following) {
        const struct block_request *other = work->request;
        if ((writes || other->operation != BLOCK_READ) &&
            other->block < request->block + request->count &&
            request->block < other->block + other->count)
            return true;
    }
    return false;
}

bool filter_is_writing(void *context, uint64_t first, uint64_t count)
{
    const struct filter *filter = context;

    for (const struct filter_work *work = filter->under_way; work; work = work->following) {
        const struct block_request *request = work->request;
        if (request->operation != BLOCK_READ && request->block < first + count &&
            first < request->block + request->count)
            return true;
    }
    return false;
}

uint64_t filter_oldest(const struct filter *filter)
{
    const struct filter_work *work = filter->under_way; /* the newest */

    while (work && work->following)
        work = work->following;
    return work ? work->number : 0;
}

static struct filter_work *work_make(struct filter *filter, struct block_request *request)
{
    struct filter_session *session = request->session->server;
    struct filter_work *work = &session->work[request->slot];

    work->request = request;
    work->session = session;
    work->number = ++filter->started;
    work->repeats = work->accused = work->wrong = 0;
    work->following = filter->under_way;
    work->at = &filter->under_way;
    if (work->following)
        work->following->at = &work->following;
    filter->under_way = work;
    filter->writing += request->operation != BLOCK_READ;
    return work;
}

/* Who waits for room waits for requests of his own. */
static bool place_take(const struct block_request *request)
{
    struct filter_session *session = request->session->server;
    struct filter_work *work = &session->work[request->slot];
    unsigned pages = (unsigned)((request->length + PAGES_SIZE - 1) / PAGES_SIZE);
    int place = pages > 0 ? pages_take(&session->pages, pages) : 0;

    work->place = (unsigned)place;
    work->pages = pages;
    return place >= 0;
}

static bool ledger_allows(struct ledger *ledger, const struct block_request *request)
{
    if (request->operation == BLOCK_READ)
        ledger_load(ledger, request->block, request->count);
    return request->operation == BLOCK_READ || request->operation == BLOCK_FLUSH ||
           ledger_admit(ledger, request->block, request->count);
}

bool filter_start(void *context, struct block_request *request)
{
    struct filter *filter = context;

    if (is_in_the_way(filter, request) || !place_take(request))
        return false;
    struct filter_work *work = work_make(filter, request);
    if (filter->ledger && !ledger_allows(filter->ledger, request)) {
        work_finish(work, BLOCK_STATUS_MEDIUM);
    } else if (request->operation == BLOCK_READ) {
        read_begin(work);
    } else if (request->operation == BLOCK_WRITE) {
        write_begin(work);
    } else {
        if (request->operation != BLOCK_FLUSH)
            bare_note(work);
        bare_begin(work);
    }
    return true;
}

/* A driver that was replaced since has been judged for it. */
static void accuse(struct filter_work *work, unsigned disk)
{
    struct block_client *client = work->session->client[disk];
    const char *reason = work->leg[disk].used && work->leg[disk].status != BLOCK_STATUS_OK
                             ? "it fails where the other disk does not"
                         : work->request->operation == BLOCK_READ
                             ? "it returns wrong data"
                             : "it does not write what it says";

    if (block_client_counts(client).recoveries == work->leg[disk].recoveries)
        block_client_accuse(client, reason);
}

bool filter_turn(struct filter *filter)
{
    bool ended = filter->ended;

    filter->ended = false;
    while (filter->later) {
        struct filter_work *work = filter->later;
        filter->later = work->queued;
        if (!filter->later)
            filter->later_end = &filter->later;
        for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
            if (work->accused & 1u << disk)
                accuse(work, disk);
        }
        work->accused = 0;
        work->next(work);
    }
    return ended;
}
