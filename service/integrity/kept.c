/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kept.h"

#include <errno.h>
#include <string.h>

#include <host/mach/processor.h>
#include <kit/clock.h>
#include <kit/log.h>

#include "sessions.h"
#include "work.h"

/* How long a piece of the disk is left alone before its checksums are written. */
#define REST (5 * CLOCK_SECOND)

/* Between some of them and the next the clients have their turn. */
#define PAUSE (20 * CLOCK_MILLISECOND)

static struct {
    struct block_client *client;
    unsigned char *page; /* that its device reaches */
    uint32_t page_id;
    uint32_t blocks; /* of a page */
    struct filter *filter;
    struct flusher { /* sessions with the filter's disks, for nothing else */
        struct block_client *client;
        unsigned recoveries;
    } flusher[FILTER_DISKS];
    struct clock_timer timer;
    uint64_t oldest; /* request, when it was looked last */
} kept;

static int page_move(enum block_operation operation, uint64_t page)
{
    return block_client_transfer(kept.client, operation, page * kept.blocks, kept.blocks,
                                 kept.page_id, 0);
}

static int page_read(uint64_t page, void *data)
{
    int error = page_move(BLOCK_READ, page);

    memcpy(data, kept.page, LEDGER_PAGE);
    return error;
}

static int page_write(uint64_t page, const void *data)
{
    memcpy(kept.page, data, LEDGER_PAGE);
    return page_move(BLOCK_WRITE, page);
}

static int pages_flush(void)
{
    return block_client_transfer(kept.client, BLOCK_FLUSH, 0, 0, 0, 0);
}

/* Of a driver that took another's place the sessions that had written may not yet have repeated
 * what its device has forgotten. The next one is not waited for here: the other disk goes on. */
static int disks_settle(void)
{
    int result = 0;

    if (sessions_lack_driver())
        return EAGAIN;
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        struct flusher *flusher = &kept.flusher[disk];
        if (!disk_is_there(kept.filter, disk))
            continue;
        int error = block_client_transfer(flusher->client, BLOCK_FLUSH, 0, 0, 0, 0);
        unsigned recoveries = block_client_counts(flusher->client).recoveries;
        if (recoveries != flusher->recoveries)
            error = EAGAIN;
        flusher->recoveries = recoveries;
        result = error ? error : result;
    }
    return result;
}

static struct ledger_disk ledger_disk = {
    .read = page_read,
    .write = page_write,
    .flush = pages_flush,
    .settle = disks_settle,
};
static struct ledger ledger = {.disk = &ledger_disk};

static bool is_writing(void *context, uint64_t first, uint64_t count)
{
    return filter_is_writing(context, first, count) ||
           sessions_may_repeat(first, count, ledger.table);
}

/* Without time for the sessions to hear that a driver has died. */
static bool may_be_writing(void *context, uint64_t first, uint64_t count)
{
    return filter_is_writing(context, first, count) || sessions_may_repeat(first, count, NULL);
}

/* Of a driver that completes nothing who waits complains. The task's alarm rings where it was
 * waited for last, and that is here. As disks_settle. */
static int hung_look(const struct filter *filter)
{
    uint64_t oldest = filter_oldest(filter);
    bool hangs = oldest != 0 && oldest == kept.oldest;

    kept.oldest = oldest;
    return hangs ? disks_settle() : 0;
}

static void rest(void *context)
{
    static bool pauses;
    bool may_save = pauses || hung_look(context) == 0;

    pauses = may_save && !ledger_save(&ledger, true, is_writing, context);
    clock_timer_start(&kept.timer, pauses ? PAUSE : REST, rest, context);
}

/* Not for writing: then they need no memory for copies. */
static int flushers_open(const struct filter *filter)
{
    static const char *const names[FILTER_DISKS] = {"disk0", "disk1"};
    int error = 0;

    for (unsigned disk = 0; disk < filter->disk_count && error == 0; disk++)
        error = block_client_open(names[disk], false, &kept.flusher[disk].client);
    return error;
}

static int disk_open(struct filter *filter)
{
    void *memory;
    int error = block_client_open("sums", true, &kept.client);

    if (error != 0)
        return error;
    const struct block_info *info = block_client_info(kept.client);
    if (info->block_size > LEDGER_PAGE)
        return EINVAL;
    kept.filter = filter;
    kept.blocks = LEDGER_PAGE / info->block_size;
    ledger_disk.pages = info->blocks / kept.blocks;
    error = block_client_buffer(kept.client, LEDGER_PAGE, &memory, &kept.page_id);
    kept.page = memory;
    return error != 0 ? error : flushers_open(filter);
}

int kept_open(struct filter *filter, const char *name, const struct block_info *info)
{
    int error = disk_open(filter);

    if (error != 0) {
        log_error("%s: checksums cannot be kept there: %s", name, strerror(error));
        return error;
    }
    ledger.name = name;
    ledger.table = filter->table;
    error = ledger_open(&ledger, info, filter->disk_count, processor_ticks());
    if (error != 0)
        return error;
    filter->ledger = &ledger;
    clock_timer_start(&kept.timer, REST, rest, filter);
    return 0;
}

void kept_close(struct filter *filter)
{
    enum { TRIES = 2 }; /* a driver may just have been replaced */

    ledger.at = 0;
    for (unsigned i = 0; filter->ledger && i < TRIES; i++)
        ledger_save(&ledger, false, may_be_writing, filter);
}
