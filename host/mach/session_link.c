/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <host/mach/session_link.h>

#include <errno.h>
#include <string.h>

#include <mach/notify.h>

#include <interface/startup_user.h>
#include <kernel/mach_port_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>

enum { PAGE = 4096, VIOLATIONS_MAX = 3 };

static size_t submissions_size(const struct session_class *class)
{
    return (queue_memory_size(class->slots, class->submission_size) + PAGE - 1) &
           ~(size_t)(PAGE - 1);
}

static size_t completions_size(const struct session_class *class)
{
    return (queue_memory_size(class->slots, class->completion_size) + PAGE - 1) &
           ~(size_t)(PAGE - 1);
}

int session_link_init(struct session_link *link, const struct session_class *class,
                      const char *name)
{
    if (strlen(name) >= sizeof(link->name))
        return ENOENT;
    *link = (struct session_link){.class = class};
    strcpy(link->name, name);
    int error = error_from_kernel(
        mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &link->wakeups));
    if (error == 0)
        mach_port_set_qlimit(mach_task_self(), link->wakeups, 1); /* one is as good as two */
    return error;
}

/* Have the driver's death told on the port where we wait. */
static int death_request(struct session_link *link)
{
    mach_port_t previous = MACH_PORT_NULL;

    if (!MACH_PORT_VALID(link->session)) /* it died before its answer was read */
        return ENODEV;
    int error = error_from_kernel(
        mach_port_request_notification(mach_task_self(), link->session, MACH_NOTIFY_DEAD_NAME, 1,
                                       link->wakeups, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));

    port_release(previous);
    link->death_is_told = error == 0;
    return error;
}

/* The same memory serves every session, one after the other. Who had it before is dead; or has only
 * withdrawn what it offered, and could keep each lease, of which we may have so many. */
static int queue_open(struct session_link *link)
{
    static uint32_t epochs;
    const struct session_class *class = link->class;
    mach_port_t own, others;
    int error = 0;

    if (link->submissions.address) {
        shared_memory_revoke(&link->submissions);
        memset(link->submissions.address, 0, submissions_size(class));
    } else {
        error = shared_memory_allocate(submissions_size(class), &link->submissions);
    }
    if (error == 0)
        error = shared_memory_lease(&link->submissions, MEMORY_READ, &own);
    if (error != 0)
        return error;
    link->epoch = ++epochs;
    error = session_link_answer(link, class->queue(link->session, own, link->epoch, &others));
    port_release(own);
    if (error != 0)
        return error;
    error = shared_memory_open(others, completions_size(class), &link->completions);
    port_release(others);
    if (error == 0)
        queue_init(&link->queue, link->submissions.address, link->completions, class->slots);
    return error;
}

static int buffer_attach(struct session_link *link, unsigned number)
{
    const struct shared_memory *buffer = &link->buffer[number];
    mach_port_t lease;
    uint64_t attached = 0;
    unsigned given = 0;
    int error = shared_memory_lease(buffer, link->access, &lease);

    if (error != 0)
        return error;
    error = session_link_answer(link, link->class->attach(link->session, lease, &given, &attached));
    port_release(lease);
    return error == 0 && (attached < buffer->size || given != number) ? EPROTO : error;
}

int session_link_begin(struct session_link *link)
{
    int error = death_request(link);

    if (error == 0)
        error = queue_open(link);
    for (unsigned i = 0; i < link->buffer_count && error == 0; i++) {
        shared_memory_revoke(&link->buffer[i]);
        error = buffer_attach(link, i);
    }
    if (error == 0)
        link->life = link->found_life;
    return error;
}

/* What the driver gave as the session may be a right that we have for something else, which keeps
 * its references. The notification of its death brings one. */
static void session_release(struct session_link *link)
{
    mach_port_type_t type = 0;

    if (link->death_is_told && mach_port_type(mach_task_self(), link->session, &type) == 0 &&
        (type & MACH_PORT_TYPE_DEAD_NAME))
        port_release(link->session);
    port_release(link->session);
    link->session = MACH_PORT_NULL;
    link->death_is_told = false;
}

void session_link_end(struct session_link *link)
{
    session_release(link);
    if (link->completions)
        memory_pages_free((void *)link->completions, completions_size(link->class));
    link->completions = NULL;
    link->wake_driver = false;
}

void session_link_wakeups_drop(struct session_link *link)
{
    if (link->wakeups != MACH_PORT_NULL)
        mach_port_mod_refs(mach_task_self(), link->wakeups, MACH_PORT_RIGHT_RECEIVE, -1);
    link->wakeups = MACH_PORT_NULL;
}

void session_link_close(struct session_link *link)
{
    session_link_forget(link);
    session_link_end(link);
    if (link->submissions.address)
        shared_memory_free(&link->submissions);
    while (link->buffer_count > 0)
        session_link_buffer_drop(link);
}

void session_link_complain(struct session_link *link, unsigned done, const char *reason)
{
    link->violations = done == link->done_then ? link->violations + 1 : 1;
    link->done_then = done;
    startup_complain(startup_bootstrap_port(), link->name, link->offered, reason);
}

bool session_link_refuse(struct session_link *link, unsigned done, const char *reason)
{
    if (link->violations > VIOLATIONS_MAX)
        return false;
    session_link_complain(link, done, reason);
    return true;
}

int session_link_answer(struct session_link *link, kern_return_t code)
{
    link->answer = error_from_kernel(code);
    if (code != MACH_RCV_TIMED_OUT)
        return link->answer;
    session_link_complain(link, link->done, "it does not answer a call");
    return ENODEV;
}

int session_link_find(struct session_link *link, unsigned done)
{
    mach_port_t offered;
    struct lives lives;

    link->done = done;
    session_link_end(link);
    int error = startup_capability_lives(link->name, &offered, &lives);
    if (error == 0) {
        link->was_excused = lives_excused(&lives, link->life);
        link->found_life = lives.ended;
        bool same = offered == link->offered;
        if (same)
            session_link_complain(link, done, "it ended a session");
        port_release(link->offered);
        link->offered = offered;
        error = same ? EAGAIN : 0;
    }
    return error == EAGAIN && link->violations > VIOLATIONS_MAX ? EPROTO : error;
}

void session_link_forget(struct session_link *link)
{
    port_release(link->offered);
    link->offered = MACH_PORT_NULL;
}

void session_link_await_request(const struct session_link *link)
{
    startup_await(startup_bootstrap_port(), link->wakeups, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                  link->name);
}

/* Whatever comes there that is no notification is a header, or a stranger's. */
struct wakeup {
    mach_msg_header_t header;
    unsigned char body[256];
};

void session_link_await(struct session_link *link)
{
    struct wakeup message;

    if (mach_msg(&message.header, MACH_RCV_MSG, 0, sizeof(message), link->wakeups, 0,
                 MACH_PORT_NULL) == MACH_MSG_SUCCESS)
        mach_msg_destroy(&message.header); /* whatever it is: the caller looks again */
}

/* Buffers get their numbers in the order of their attachment, here and in every later session. */
int session_link_buffer(struct session_link *link, size_t size, struct shared_memory **buffer)
{
    if (link->buffer_count == link->class->buffers_max)
        return ENOSPC;
    struct shared_memory *added = &link->buffer[link->buffer_count];
    int error = shared_memory_allocate(size, added);
    if (error != 0)
        return error;
    *buffer = added;
    error = link->completions ? buffer_attach(link, link->buffer_count) : ENODEV;
    link->buffer_count++;
    if (error != 0 && error != ENODEV)
        session_link_buffer_drop(link);
    return error;
}

void session_link_buffer_drop(struct session_link *link)
{
    shared_memory_free(&link->buffer[--link->buffer_count]);
}

mach_msg_header_t session_link_wakeup(const struct session_link *link, mach_port_t waiter)
{
    return (mach_msg_header_t){
        .msgh_bits =
            MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, waiter ? MACH_MSG_TYPE_MAKE_SEND_ONCE : 0),
        .msgh_size = sizeof(mach_msg_header_t),
        .msgh_remote_port = link->session,
        .msgh_local_port = waiter,
        .msgh_id = link->class->wake_id,
    };
}

void session_link_driver_wake(struct session_link *link)
{
    mach_msg_header_t message = session_link_wakeup(link, MACH_PORT_NULL);

    /* A wakeup that finds one there already is as good; of a driver that is gone we hear later. */
    mach_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(message), 0, MACH_PORT_NULL, 0,
             MACH_PORT_NULL);
}

bool session_link_is_death(const struct session_link *link, mach_msg_header_t *message)
{
    if (message->msgh_id == MACH_NOTIFY_DEAD_NAME &&
        MACH_MSGH_BITS_LOCAL(message->msgh_bits) == MACH_MSG_TYPE_PORT_SEND_ONCE &&
        !(message->msgh_bits & MACH_MSGH_BITS_COMPLEX) &&
        message->msgh_size >= sizeof(mach_dead_name_notification_t))
        /* Of an earlier session: or the driver made it up, with the right to wake us. */
        return ((const mach_dead_name_notification_t *)message)->not_port == link->session;
    mach_msg_destroy(message); /* a wakeup, and it does not matter what is in it */
    return false;
}

int session_link_wait(struct session_link *link, int milliseconds, mach_msg_id_t *number)
{
    mach_msg_option_t option = MACH_RCV_MSG | (milliseconds >= 0 ? MACH_RCV_TIMEOUT : 0);
    struct wakeup message;

    *number = 0;
    if (session_link_driver_waits(link)) {
        /* The timeout is for sending as well: a wait that has one wakes by a message of its own. */
        if (milliseconds >= 0) {
            session_link_driver_wake(link);
        } else {
            option |= MACH_SEND_MSG;
            message.header = session_link_wakeup(link, link->wakeups);
        }
    }
    mach_msg_return_t code =
        mach_msg(&message.header, option, sizeof(message.header), sizeof(message), link->wakeups,
                 milliseconds >= 0 ? (mach_msg_timeout_t)milliseconds : 0, MACH_PORT_NULL);

    if (code == MACH_RCV_TIMED_OUT)
        return ETIMEDOUT;
    if (code != MACH_MSG_SUCCESS)
        return ENODEV;
    *number = message.header.msgh_id;
    return session_link_is_death(link, &message.header) ? ENODEV : 0;
}
