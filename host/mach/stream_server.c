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
#include <kit/core/stream.h>
#include <kit/log.h>

static void end_ended(void *context, void *session);

static const struct port_type class_type = {.name = "stream class", .serve = stream_class_server};
static const struct port_type session_type = {
    .name = "stream session",
    .serve = stream_session_server,
    .no_senders = session_end_no_senders,
};

static struct session_ends sessions = {
    .type = &session_type,
    .slots = STREAM_SLOTS,
    .submission_size = sizeof(struct stream_submission),
    .completion_size = sizeof(struct stream_completion),
    .ended = end_ended,
};

/* There is always room: no more can be undelivered than there are slots. */
static bool end_deliver(void *context, struct stream_completion *completions, unsigned count)
{
    struct session_end *end = context;

    if (!end->submissions)
        return false;
    for (unsigned i = 0; i < count; i++)
        completions[i].epoch = end->epoch;
    queue_put_all(&end->queue, completions, count, sizeof(*completions));
    if (queue_publish(&end->queue))
        session_end_wake(end);
    return true;
}

static const struct stream_transport transport = {end_deliver};

static void end_ended(void *context, void *session)
{
    struct session_end *end = context;

    stream_session_end(session);
    session_end_free(end);
    free(end);
}

static bool end_submit(void *session, const volatile void *entry)
{
    struct stream_submission submission;

    __builtin_memcpy(&submission, (const void *)entry, sizeof(submission));
    return stream_session_submit(session, &submission) == 0;
}

/* After each turn of the loop: carry what there is in both directions, and sleep when all clients'
 * queues are dry. */
static bool turn(void *context)
{
    (void)context;
    session_ends_take(&sessions, sizeof(struct stream_submission), end_submit);
    stream_turn();
    return session_ends_sleep(&sessions);
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
    struct session_end *end = device ? calloc(1, sizeof(*end)) : NULL;
    struct stream_session *session;

    if (!end)
        return outboard_error_make(device ? ENOMEM : EOPNOTSUPP);
    int error = stream_session_create(device, &transport, end, &session);
    if (error == 0) {
        *end = (struct session_end){
            .all = &sessions, .name = device->info.model, .link = end, .session = session};
        error = session_end_open(end, completions, session_right);
        if (error != 0)
            stream_session_end(session);
    }
    if (error != 0) {
        free(end);
        return outboard_error_make(error);
    }
    memcpy(record, &device->info, sizeof(device->info));
    *size = sizeof(device->info);
    return 0;
}

kern_return_t serve_stream_link_queue(mach_port_t port, mach_port_t lease, unsigned epoch,
                                      mach_port_t *completions)
{
    return session_end_serve_queue(&sessions, port, lease, epoch, completions);
}

kern_return_t serve_stream_link_wake(mach_port_t port, mach_port_t waiter)
{
    return session_end_serve_wake(&sessions, port, waiter);
}
