/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The stream class's transport in a driver: the session is a port, data goes through a queue in
 * shared memory, messages only wake.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <interface/stream_class_server.h>
#include <interface/stream_session_server.h>
#include <interface/types.h>

#include <host/mach/port.h>
#include <host/mach/session_end.h>
#include <host/mach/startup.h>
#include <kit/log.h>
#include <kit/stream_core.h>

struct link {
    struct stream_session *session;
    struct session_end end;
    struct link *next;
};

static struct link *links; /* with a queue and a session */

static const struct session_shape shape = {STREAM_SLOTS, sizeof(struct stream_submission),
                                           sizeof(struct stream_completion)};

static void session_no_senders(void *context);

static const struct port_type class_type = {.name = "stream class", .serve = stream_class_server};
static const struct port_type session_type = {
    .name = "stream session",
    .serve = stream_session_server,
    .no_senders = session_no_senders,
};

/* There is always room: no more can be undelivered than there are slots. */
static bool link_deliver(void *context, struct stream_completion *completions, unsigned count)
{
    struct link *link = context;
    struct session_end *end = &link->end;

    if (!end->submissions)
        return false;
    for (unsigned i = 0; i < count; i++) {
        completions[i].epoch = end->epoch;
        queue_put(&end->queue, &completions[i], sizeof(completions[i]));
    }
    if (queue_publish(&end->queue))
        session_end_wake(end);
    return true;
}

static const struct stream_transport transport = {link_deliver};

/* The client is gone or is cut off. */
static void link_end(struct link *link)
{
    for (struct link **at = &links; *at; at = &(*at)->next) {
        if (*at == link) {
            *at = link->next;
            break;
        }
    }
    session_end_close(&link->end);
    stream_session_end(link->session);
    session_end_free(&link->end);
    free(link);
}

static void session_no_senders(void *context)
{
    link_end(context);
}

static void client_died(void *context, mach_port_t name)
{
    (void)name;
    link_end(context);
}

/* Give the core what the client submitted. */
static void link_take(struct link *link)
{
    struct stream_submission submission;
    const char *problem = NULL;
    int taken;

    while (!problem &&
           (taken = queue_take(&link->end.queue, &submission, sizeof(submission))) != 0) {
        if (taken < 0)
            problem = "more submissions than there is room for";
        else if (stream_session_submit(link->session, &submission) != 0)
            problem = "a slot that is out of range or in flight already";
    }
    if (problem) {
        log_warning("a client broke the protocol and is cut off: %s", problem);
        link_end(link);
    }
}

/* After each turn of the loop: carry what there is in both directions, and sleep when all clients'
 * queues are dry. */
static bool turn(void *context)
{
    bool more = false;

    (void)context;
    for (struct link *link = links, *next; link; link = next) {
        next = link->next;
        queue_awake(&link->end.queue);
        link_take(link);
    }
    stream_turn();
    for (struct link *link = links; link; link = link->next)
        more |= !queue_sleep(&link->end.queue);
    return more;
}

int stream_device_publish(struct device *device, const char *suffix, const char *class,
                          const struct stream_info *info, const struct stream_device_ops *ops,
                          void *context, struct stream_device **result)
{
    static bool hooked;
    mach_port_t port;
    int error = stream_device_create(info, ops, context, result);

    (void)device; /* a task has one */
    if (error != 0)
        return error;
    if (!hooked)
        hooked = loop_at_turn_end(turn, NULL);
    error = port_create(&class_type, *result, &port);
    return error == 0 ? startup_offer(suffix, class, port) : error;
}

kern_return_t serve_stream_class_open(mach_port_t port, mach_port_t completions,
                                      mach_port_t *session_right, record_t record,
                                      mach_msg_type_number_t *size)
{
    struct stream_device *device = port_context(port, &class_type);
    struct link *link = device ? calloc(1, sizeof(*link)) : NULL;

    if (!link)
        return outboard_error_make(device ? ENOMEM : EOPNOTSUPP);
    int error = stream_session_create(device, &transport, link, &link->session);
    if (error == 0) {
        error = session_end_open(&link->end, &shape, &session_type, link, completions, client_died,
                                 session_right);
        if (error != 0)
            stream_session_end(link->session);
    }
    if (error != 0) {
        free(link);
        return outboard_error_make(error);
    }
    memcpy(record, &device->info, sizeof(device->info));
    *size = sizeof(device->info);
    return 0;
}

kern_return_t serve_stream_link_queue(mach_port_t port, mach_port_t lease, unsigned epoch,
                                      mach_port_t *completions)
{
    struct link *link = port_context(port, &session_type);
    int error = link ? session_end_queue(&link->end, lease, epoch, completions) : EOPNOTSUPP;

    if (error != 0)
        return outboard_error_make(error);
    port_release(lease);
    link->next = links;
    links = link;
    return 0;
}

kern_return_t serve_stream_link_wake(mach_port_t port, mach_port_t waiter)
{
    struct link *link = port_context(port, &session_type);

    /* The turn's end looks at every queue: what matters here is only who waits. */
    if (link)
        session_end_awaited(&link->end, waiter);
    else
        port_release(waiter);
    return MIG_NO_REPLY;
}
