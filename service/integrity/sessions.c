/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sessions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <host/mach/block_client.h>
#include <kit/core/block_client.h>
#include <kit/log.h>

#include "checksum.h"
#include "work.h"

static struct block_info infos[FILTER_DISKS]; /* at the start */
static struct filter_session *all[SESSIONS_MAX];
static unsigned session_count;       /* of them */
static struct filter_session *spare; /* or null */

static void session_free(struct filter_session *session)
{
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        if (session->client[disk])
            block_client_close(session->client[disk]);
    }
    for (unsigned i = 0; i < session_count; i++) {
        if (all[i] == session)
            all[i] = all[session_count - 1];
    }
    session_count--;
    free(session);
}

static struct filter_session *session_make(struct filter *filter)
{
    struct filter_session *session = calloc(1, sizeof(*session));

    if (session) {
        filter_session_init(session, filter);
        all[session_count++] = session;
    }
    return session;
}

/* For writing wherever that is possible: a read may have to repair. */
static int disk_open(struct filter_session *session, unsigned disk)
{
    struct block_client **client = &session->client[disk];
    const char *name = disk == 0 ? "disk0" : "disk1"; /* as it was granted */
    int error = block_client_open(name, true, client);

    return error == EROFS ? block_client_open(name, false, client) : error;
}

/* What is written again after a driver's death is not seen here: the client looks at it. */
static int disk_doubt(struct block_client *client)
{
    void *memory;
    uint32_t buffer;

    if (!block_client_must_keep(client))
        return 0;
    static_assert((size_t)FILTER_TRANSFER <= BLOCK_DOUBT_SIZE, "the longest write");
    int error = block_client_buffer(client, BLOCK_DOUBT_SIZE, &memory, &buffer);
    if (error == 0)
        block_client_doubt(client, buffer);
    return error;
}

static int disk_join(struct filter_session *session, unsigned disk)
{
    struct block_client *client = session->client[disk];
    void *memory;
    int error = session->filter->options.sample != 0 ? disk_doubt(client) : 0;

    if (error == 0)
        error = block_client_buffer(client, FILTER_MEMORY, &memory, &session->memory_id[disk]);
    if (error == 0)
        error = block_client_join_loop(client);
    if (error != 0)
        return error;
    block_client_send_at_once(client);
    session->memory[disk] = memory;
    return 0;
}

/* Another disk under the old name would get what is meant for the one that was checked. Its driver
 * may be to blame, unless others were asked and said the same. */
static int disk_open_same(struct filter_session *session, unsigned disk)
{
    enum { REFUSED_MOST = 2 };
    static unsigned refused[FILTER_DISKS];
    struct block_client **client = &session->client[disk];
    int error;

    while ((error = disk_open(session, disk)) == 0) {
        if (memcmp(block_client_info(*client), &infos[disk], sizeof(infos[disk])) == 0) {
            refused[disk] = 0;
            return 0;
        }
        if (refused[disk] == REFUSED_MOST) {
            log_error("%s: it is not the disk that was there at the start",
                      session->filter->disk[disk].name);
            return ENODEV;
        }
        refused[disk]++;
        block_client_refuse(*client, "it offers another disk than at the start");
        *client = NULL;
    }
    return error;
}

/* Of a mirror one disk does. */
static int disks_open(struct filter_session *session)
{
    struct filter *filter = session->filter;
    int error = 0;

    for (unsigned disk = 0; disk < filter->disk_count && error == 0; disk++) {
        if (!disk_is_there(filter, disk))
            continue;
        error = disk_open_same(session, disk);
        if (error == 0)
            error = disk_join(session, disk);
        if ((error != ENOENT && error != ENODEV) || disks_there(filter) == 1)
            continue;
        disk_drop(filter, disk, "it cannot be opened");
        if (session->client[disk])
            block_client_close(session->client[disk]);
        session->client[disk] = NULL;
        error = 0;
    }
    return error;
}

int sessions_begin(struct filter *filter, struct block_info info[FILTER_DISKS])
{
    int error = 0;

    spare = session_make(filter);
    if (!spare)
        return ENOMEM;
    for (unsigned disk = 0; disk < filter->disk_count && error == 0; disk++) {
        error = disk_open(spare, disk);
        if (error == 0)
            info[disk] = infos[disk] = *block_client_info(spare->client[disk]);
    }
    return error;
}

int sessions_join(struct filter *filter)
{
    int error = 0;

    for (unsigned disk = 0; disk < filter->disk_count && error == 0; disk++)
        error = disk_join(spare, disk);
    return error;
}

/* Whether it has the disks that are there, and they are. A driver that has died is waited for, as
 * in any session, and another disk in the place of one of them is none of them. */
static bool is_of_use(const struct filter_session *session)
{
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        const struct block_client *client = session->client[disk];
        if (disk_is_there(session->filter, disk) != (client != NULL) ||
            (client && block_client_is_gone(client)))
            return false;
    }
    return true;
}

void sessions_tidy(void)
{
    if (spare && !is_of_use(spare)) {
        session_free(spare);
        spare = NULL;
    }
}

int sessions_take(struct filter *filter, struct filter_session **result)
{
    sessions_tidy();
    if (spare) {
        *result = spare;
        spare = NULL;
        return 0;
    }
    if (session_count == SESSIONS_MAX)
        return EMFILE;
    struct filter_session *session = session_make(filter);
    int error = session ? disks_open(session) : ENOMEM;
    if (error == 0)
        *result = session;
    else if (session)
        session_free(session);
    return error;
}

/* What was written and not flushed would be written again by the next driver, over what the next
 * client wrote: it goes with its session. */
static bool is_at_rest(const struct filter_session *session)
{
    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        if (session->client[disk] && !block_client_is_at_rest(session->client[disk]))
            return false;
    }
    return true;
}

/* Whether it is what was written last, as far as anything is known. */
static bool is_last(const struct block_client *client, const struct block_kept *kept,
                    struct table *table)
{
    static uint32_t sums[FILTER_SUMS];

    if (kept->count > FILTER_SUMS)
        return false;
    checksum_blocks(client->keep.memory + kept->offset, client->info.block_size, kept->count, sums);
    return table_mismatch(table, kept->block, kept->count, sums) == kept->count;
}

static bool may_repeat(const struct block_client *client, uint64_t first, uint64_t count,
                       struct table *table)
{
    const struct block_keep *keep = &client->keep;
    bool all_are = client->state != BLOCK_CLIENT_RUNNING || !table;

    for (uint32_t number = keep->first; number != keep->end; number++) {
        const struct block_kept *kept = block_keep_get(keep, number);
        if (kept->block < first + count && first < kept->block + kept->count &&
            (all_are || !is_last(client, kept, table)))
            return true;
    }
    return false;
}

bool sessions_may_repeat(uint64_t first, uint64_t count, struct table *table)
{
    for (unsigned i = 0; i < session_count; i++) {
        for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
            const struct block_client *client = all[i]->client[disk];
            if (client && disk_is_there(all[i]->filter, disk) &&
                may_repeat(client, first, count, table))
                return true;
        }
    }
    return false;
}

bool sessions_lack_driver(void)
{
    for (unsigned i = 0; i < session_count; i++) {
        for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
            const struct block_client *client = all[i]->client[disk];
            if (client && disk_is_there(all[i]->filter, disk) && client->state == BLOCK_CLIENT_LOST)
                return true;
        }
    }
    return false;
}

/* A driver that says to have read and has not would hand it to the next client. */
static void memory_clear(struct filter_session *session)
{
    for (unsigned page = 0; page < PAGES_COUNT; page++) {
        for (unsigned disk = 0; disk < FILTER_DISKS && pages_was_used(&session->pages, page);
             disk++) {
            if (session->client[disk])
                memset(session->memory[disk] + (size_t)page * PAGES_SIZE, 0, PAGES_SIZE);
        }
    }
    pages_init(&session->pages);
}

void sessions_give(struct filter_session *session)
{
    if (spare || !is_of_use(session) || !is_at_rest(session)) {
        session_free(session);
        return;
    }
    memory_clear(session);
    memset(session->buffer, 0, sizeof(session->buffer));
    session->buffer_count = 0;
    spare = session;
}
