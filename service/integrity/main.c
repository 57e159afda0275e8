/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The integrity filter on GNU Mach: offers a block device that checks another one, or two (filter.h
 * says how). argv: program, instance, the disks' names and options, as in supervisor.conf's
 * [integrity]: "nvme0n1 nvme1n1 sample=8". The disks are granted as disk0 and disk1.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <host/mach/block_client.h>
#include <host/mach/block_server.h>
#include <host/mach/memory.h>
#include <host/mach/orphan.h>
#include <host/mach/port.h>
#include <host/mach/shared.h>
#include <host/mach/startup.h>
#include <kit/core/block.h>
#include <kit/core/block_client.h>
#include <kit/core/setting.h>
#include <kit/log.h>

#include "filter.h"
#include "work.h"

enum { SESSIONS_MAX = 6, MEBIBYTE = 1 << 20, PIECE_SIZE = TABLE_PIECE_BLOCKS * 4 + 128 };
enum { SAMPLE_DEFAULT = 64, REPEATS_DEFAULT = 2, MEMORY_DEFAULT = 16 };

struct session {
    struct filter_session filter; /* first */
    struct session *next;         /* to be closed */
};

static struct filter filter;
static struct block_info infos[FILTER_DISKS];
static unsigned session_count;
static struct session *closing;

static const char *grant_name(unsigned disk)
{
    return disk == 0 ? "disk0" : "disk1";
}

static void session_free(struct session *session)
{
    struct filter_session *own = &session->filter;

    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        if (own->client[disk])
            block_client_close(own->client[disk]);
    }
    for (unsigned i = 0; i < own->buffer_count; i++)
        memory_pages_free(own->buffer[i].memory, own->buffer[i].size);
    free(session);
    session_count--;
}

/* For writing wherever that is possible: a read may have to repair. */
static int disk_open(unsigned disk, struct block_client **client)
{
    int error = block_client_open(grant_name(disk), true, client);

    return error == EROFS ? block_client_open(grant_name(disk), false, client) : error;
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

/* Another disk under the old name would get what is meant for the one that was checked. Its driver
 * may be to blame, unless others were asked and said the same. */
static int disk_open_same(unsigned disk, struct block_client **client)
{
    enum { REFUSED_MOST = 2 };
    static unsigned refused[FILTER_DISKS];
    int error;

    while ((error = disk_open(disk, client)) == 0) {
        if (memcmp(block_client_info(*client), &infos[disk], sizeof(infos[disk])) == 0) {
            refused[disk] = 0;
            return 0;
        }
        if (refused[disk] == REFUSED_MOST) {
            log_error("%s: it is not the disk that was there at the start", filter.disk[disk].name);
            return ENODEV;
        }
        refused[disk]++;
        block_client_refuse(*client, "it offers another disk than at the start");
        *client = NULL;
    }
    return error;
}

static int disk_open_again(struct filter_session *session, unsigned disk)
{
    struct block_client **client = &session->client[disk];
    void *memory;
    int error = disk_open_same(disk, client);

    if (error == 0 && filter.options.sample != 0)
        error = disk_doubt(*client);
    if (error == 0)
        error = block_client_buffer(*client, FILTER_MEMORY, &memory, &session->memory_id[disk]);
    if (error == 0)
        error = block_client_join_loop(*client);
    if (error != 0)
        return error;
    block_client_send_at_once(*client);
    session->memory[disk] = memory;
    return 0;
}

static bool turn(void *context)
{
    (void)context;
    while (closing) {
        struct session *session = closing;
        closing = session->next;
        session_free(session);
    }
    if (filter_turn(&filter))
        block_turn();
    return filter.submitted; /* to a disk that has had its turn */
}

/* Between the hooks of our clients' sessions and of the disks': what was submitted so far is sent
 * by the latter. */
static bool turn_middle(void *context)
{
    (void)context;
    filter.submitted = false;
    return false;
}

/* After the hook of the disks' clients, whose completions it goes on with. */
static int turn_hook(void)
{
    static bool hooked;

    if (!hooked)
        hooked = loop_at_turn_end(turn, NULL);
    return hooked ? 0 : ENOSPC;
}

/* Of a mirror one disk does. */
static int disks_open(struct filter_session *session)
{
    int error = 0;

    for (unsigned disk = 0; disk < filter.disk_count && error == 0; disk++) {
        if (!disk_is_there(&filter, disk))
            continue;
        error = disk_open_again(session, disk);
        if ((error != ENOENT && error != ENODEV) || disks_there(&filter) == 1)
            continue;
        disk_drop(&filter, disk, "it cannot be opened");
        if (session->client[disk])
            block_client_close(session->client[disk]);
        session->client[disk] = NULL;
        error = 0;
    }
    return error;
}

static int session_open(void *context, void **result)
{
    struct session *session = session_count < SESSIONS_MAX ? calloc(1, sizeof(*session)) : NULL;
    int error = 0;

    (void)context;
    if (!session)
        return session_count < SESSIONS_MAX ? ENOMEM : EMFILE;
    session_count++;
    filter_session_init(&session->filter, &filter);
    error = disks_open(&session->filter);
    if (error == 0)
        error = turn_hook();
    if (error != 0) {
        log_error("a client gets no session: %s", strerror(error));
        session_free(session);
        return error;
    }
    *result = session;
    return 0;
}

static int session_attach(void *context, mach_port_t lease, uint64_t *address, uint64_t *size)
{
    struct filter_session *session = context;
    void *memory;
    size_t length;

    if (session->buffer_count == BLOCK_BUFFERS)
        return ENOSPC;
    struct filter_buffer *buffer = &session->buffer[session->buffer_count];
    int error = shared_memory_open_writable(lease, &memory, &length);
    if (error != 0)
        return error;
    if (length > UINT32_MAX) {
        memory_pages_free(memory, length);
        return EINVAL;
    }
    buffer->memory = memory;
    buffer->size = *size = length;
    *address = filter_buffer_address(session->buffer_count++);
    return 0;
}

/* Not at once: this may be where one of its own completions is being taken. */
static void session_close(void *context)
{
    struct session *session = context;

    session->next = closing;
    closing = session;
}

static void options_parse(const char *text)
{
    filter.options = (struct filter_options){SAMPLE_DEFAULT, REPEATS_DEFAULT, FILTER_DISKS};
    setting_find(text, "sample", &filter.options.sample);
    setting_find(text, "repeats", &filter.options.repeats);
    setting_find(text, "prefer", &filter.options.prefer);
    if (filter.options.prefer > FILTER_DISKS)
        filter.options.prefer = FILTER_DISKS;
}

static void disks_parse(const char *text)
{
    while (filter.disk_count < FILTER_DISKS &&
           setting_word(text, filter.disk_count, filter.disk[filter.disk_count].name,
                        sizeof(filter.disk[0].name)))
        filter.disk_count++;
}

static int disks_look(void)
{
    int error = 0;

    for (unsigned disk = 0; disk < filter.disk_count && error == 0; disk++) {
        struct block_client *client;
        error = disk_open(disk, &client);
        if (error != 0)
            return error;
        infos[disk] = *block_client_info(client);
        block_client_close(client);
    }
    filter.block_size = infos[0].block_size;
    return error;
}

static int filter_open(const char *text)
{
    static const struct block_server server = {session_open, session_attach, session_close};
    static const struct block_device_ops ops = {.start = filter_start};
    struct block_device_limits limits;
    unsigned memory = MEMORY_DEFAULT;

    options_parse(text);
    disks_parse(text);
    int error = filter.disk_count > 0 ? disks_look() : EINVAL;
    if (error != 0)
        return error;
    error = filter_limits(&filter, infos, &limits);
    if (error != 0) {
        log_error("%s and %s do not make a mirror: their sizes differ", filter.disk[0].name,
                  filter.disk[1].name);
        return error;
    }
    setting_find(text, "memory", &memory);
    error =
        filter_init(&filter, memory < 1 || memory > 1024 ? MEMORY_DEFAULT * (MEBIBYTE / PIECE_SIZE)
                                                         : memory * (MEBIBYTE / PIECE_SIZE));
    if (error == 0)
        error = block_server_publish(&server, "", &limits, &ops, &filter);
    if (error == 0 && !loop_at_turn_end(turn_middle, NULL))
        error = ENOSPC;
    return error;
}

int main(int argc, char **argv)
{
    int error = filter_open(argc > 2 ? argv[2] : "");

    if (error != 0)
        log_error("cannot check anything: %s", strerror(error));
    else
        log_info("checks %s%s%s", filter.disk[0].name, filter.disk_count > 1 ? " and " : "",
                 filter.disk_count > 1 ? filter.disk[1].name : "");
    return orphan_serve(error, loop_stop);
}
