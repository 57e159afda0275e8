/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The integrity filter on GNU Mach: offers a block device that checks another one, or two (filter.h
 * says how). argv: program, instance, the disks' names and options, as in supervisor.conf's
 * [integrity]: "nvme0n1 nvme1n1 sample=8". The disks are granted as disk0 and disk1, and
 * what `sums=` names as sums.
 */
#include <errno.h>
#include <string.h>

#include <interface/task_control_server.h>

#include <host/mach/block_server.h>
#include <host/mach/memory.h>
#include <host/mach/orphan.h>
#include <host/mach/port.h>
#include <host/mach/shared.h>
#include <host/mach/startup.h>
#include <kit/core/block.h>
#include <kit/core/setting.h>
#include <kit/log.h>

#include "kept.h"
#include "sessions.h"

enum { MEBIBYTE = 1 << 20, PIECE_SIZE = TABLE_PIECE_BLOCKS * 4 + 128 };
enum { SAMPLE_DEFAULT = 64, REPEATS_DEFAULT = 2, MEMORY_DEFAULT = 16 };

static const struct port_type control_type = {.name = "control", .serve = task_control_server};
static struct filter filter;
static struct filter_session *closing;

static void session_free(struct filter_session *session)
{
    for (unsigned i = 0; i < session->buffer_count; i++)
        memory_pages_free(session->buffer[i].memory, session->buffer[i].size);
    sessions_give(session);
}

/* After the hook of the disks' clients, whose completions it goes on with. */
static bool turn(void *context)
{
    (void)context;
    while (closing) {
        struct filter_session *session = closing;
        closing = session->next;
        session_free(session);
    }
    sessions_tidy();
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

static int session_open(void *context, void **result)
{
    struct filter_session *session;
    int error = sessions_take(context, &session);

    if (error != 0)
        log_error("a client gets no session: %s", strerror(error));
    else
        *result = session;
    return error;
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
    struct filter_session *session = context;

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

static int control_offer(void)
{
    mach_port_t control;
    int error = port_create(&control_type, NULL, &control);

    return error == 0 ? startup_offer("", "control", control) : error;
}

/* In the order in which their hooks are called. */
static int filter_publish(const struct block_device_limits *limits)
{
    static const struct block_server server = {session_open, session_attach, session_close};
    static const struct block_device_ops ops = {.start = filter_start};
    int error = block_server_publish(&server, "", limits, &ops, &filter);

    if (error == 0 && !loop_at_turn_end(turn_middle, NULL))
        error = ENOSPC;
    if (error == 0)
        error = sessions_join(&filter);
    if (error == 0 && !loop_at_turn_end(turn, NULL))
        error = ENOSPC;
    return error == 0 ? control_offer() : error;
}

static int filter_open(const char *text)
{
    static char sums[64];
    struct block_info info[FILTER_DISKS];
    struct block_device_limits limits;
    unsigned memory = MEMORY_DEFAULT;

    options_parse(text);
    disks_parse(text);
    int error = filter.disk_count > 0 ? sessions_begin(&filter, info) : EINVAL;
    if (error != 0)
        return error;
    filter.block_size = info[0].block_size;
    error = filter_limits(&filter, info, &limits);
    if (error != 0) {
        log_error("%s and %s do not make a mirror: their sizes differ", filter.disk[0].name,
                  filter.disk[1].name);
        return error;
    }
    setting_find(text, "memory", &memory);
    error =
        filter_init(&filter, memory < 1 || memory > 1024 ? MEMORY_DEFAULT * (MEBIBYTE / PIECE_SIZE)
                                                         : memory * (MEBIBYTE / PIECE_SIZE));
    if (error == 0 && setting_text(text, "sums", sums, sizeof(sums)))
        error = kept_open(&filter, sums, info);
    return error == 0 ? filter_publish(&limits) : error;
}

static void leave(void)
{
    kept_close(&filter);
    loop_stop();
}

kern_return_t serve_task_control_stop(mach_port_t control)
{
    (void)control;
    leave();
    return 0;
}

int main(int argc, char **argv)
{
    int error = filter_open(argc > 2 ? argv[2] : "");

    if (error != 0)
        log_error("cannot check anything: %s", strerror(error));
    else
        log_info("checks %s%s%s", filter.disk[0].name, filter.disk_count > 1 ? " and " : "",
                 filter.disk_count > 1 ? filter.disk[1].name : "");
    return orphan_serve(error, leave);
}
