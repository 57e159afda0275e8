/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A stream client's transport.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <interface/startup_user.h>
#include <interface/stream_class_user.h>
#include <interface/stream_session_user.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/session_link.h>
#include <host/mach/startup.h>
#include <kit/clock.h>
#include <kit/core/stream_client.h>

#define BUSY_LIMIT (200 * CLOCK_MILLISECOND)

struct stream_client_link {
    struct session_link session;
    struct stream_client *client;
};

struct opened {
    struct stream_client client;
    struct stream_client_link link;
};

static const struct session_class stream_sessions = {
    .slots = STREAM_SLOTS,
    .submission_size = sizeof(struct stream_submission),
    .completion_size = sizeof(struct stream_completion),
    .buffers_max = 0, /* data is in the queue */
    .wake_id = 71871, /* stream_link_wake: the second routine of subsystem 71870 */
    .queue = stream_link_queue,
};

/* 0; EAGAIN: its driver is being started again; or why not. */
static int session_open(struct stream_client_link *link, struct stream_info *info)
{
    struct session_link *session = &link->session;
    char record[2048];
    mach_msg_type_number_t size = sizeof(record);
    int error = session_link_find(session, link->client->called);

    if (error == 0)
        error = session_link_answer(session, stream_class_open(session->offered, session->wakeups,
                                                               &session->session, record, &size));
    if (error == 0)
        error = size == sizeof(*info) ? session_link_begin(session) : EPROTO;
    if (error == 0)
        memcpy(info, record, sizeof(*info));
    else
        session_link_end(session);
    return error == ENODEV ? EAGAIN : error; /* it died while we spoke to it */
}

/* Wait for a driver, and for the session that another client had. */
static int session_await(struct stream_client_link *link)
{
    uint64_t start = clock_now();
    struct stream_info info;
    int error;

    for (;;) {
        error = session_open(link, &info);
        if (error == EAGAIN) {
            session_link_await_request(&link->session);
            session_link_await(&link->session);
        } else if (error == EBUSY && clock_now() - start < BUSY_LIMIT) {
            clock_sleep(CLOCK_MILLISECOND);
            session_link_forget(&link->session);
        } else {
            break;
        }
    }
    if (error == 0)
        stream_client_begin(link->client, &info);
    return error;
}

static void link_close(struct stream_client_link *link)
{
    session_link_close(&link->session);
    session_link_wakeups_drop(&link->session);
}

int stream_client_open(const char *name, struct stream_client **result)
{
    struct opened *opened = calloc(1, sizeof(*opened));

    if (!opened)
        return ENOMEM;
    opened->link.client = &opened->client;
    opened->client.link = &opened->link;
    int error = session_link_init(&opened->link.session, &stream_sessions, name);
    if (error == 0)
        error = session_await(&opened->link);
    if (error != 0) {
        link_close(&opened->link);
        free(opened);
        return error;
    }
    *result = &opened->client;
    return 0;
}

void stream_client_close(struct stream_client *client)
{
    struct stream_client_link *link = client->link;

    if (client->recoveries | client->rejected)
        startup_recovered(startup_bootstrap_port(), link->session.name, client->recoveries, 0, 0, 0,
                          client->rejected);
    link_close(link);
    free(client); /* the first member of struct opened */
}

void stream_client_link_put(struct stream_client_link *link,
                            const struct stream_submission *submission)
{
    if (link->session.completions)
        queue_put(&link->session.queue, submission, sizeof(*submission));
}

void stream_client_link_publish(struct stream_client_link *link)
{
    if (link->session.completions)
        session_link_publish(&link->session);
}

static int driver_lost(struct stream_client_link *link)
{
    struct stream_client *client = link->client;

    stream_client_lost(client);
    if (session_await(link) != 0)
        client->is_gone = true;
    return client->is_gone ? ENODEV : 0;
}

/* How many; -ENODEV: the driver broke the protocol, nothing that it says counts any more. */
static int completions_take(struct stream_client_link *link)
{
    struct stream_completion completion;
    int taken, count = 0;

    while ((taken = queue_take(&link->session.queue, &completion, sizeof(completion))) > 0) {
        if (completion.epoch != link->session.epoch)
            continue;
        stream_client_take(link->client, &completion);
        count++;
    }
    if (taken == 0)
        return count;
    session_link_complain(&link->session, link->client->called,
                          "more completions than there is room for");
    return -ENODEV;
}

void stream_client_link_complain(struct stream_client_link *link, const char *reason)
{
    session_link_complain(&link->session, link->client->called, reason);
}

int stream_client_link_wait(struct stream_client_link *link, unsigned milliseconds)
{
    struct session_link *session = &link->session;
    mach_msg_id_t number;

    if (link->client->is_gone)
        return ENODEV;
    int count = completions_take(link);
    if (count < 0)
        return driver_lost(link);
    if (count > 0 || !queue_sleep(&session->queue)) {
        if (session_link_driver_waits(session))
            session_link_driver_wake(session);
        return 0;
    }
    int error = session_link_wait(session, (int)milliseconds, &number);
    queue_awake(&session->queue);
    if (error == ENODEV || completions_take(link) < 0)
        return driver_lost(link);
    return error;
}
