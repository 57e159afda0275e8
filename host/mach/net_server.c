/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The network class's transport in a driver: the session is a port, frames go through a queue in
 * shared memory, messages only wake.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <interface/net_class_server.h>
#include <interface/net_session_server.h>
#include <interface/types.h>

#include <host/mach/net_server.h>
#include <host/mach/port.h>
#include <host/mach/session_end.h>
#include <host/mach/startup.h>
#include <kit/core/net.h>
#include <kit/device.h>
#include <kit/log.h>

/* A device as it is published. */
struct offer {
    struct device *device;
    const struct net_server *server; /* null: a device's driver */
    struct net_device *net;
    mach_port_t port;
};

struct link {
    struct offer *offer;
    struct session_end end;
};

static void link_end(void *context, void *session);

static const struct port_type class_type = {.name = "net class", .serve = net_class_server};
static const struct port_type session_type = {
    .name = "net session",
    .serve = net_session_server,
    .no_senders = session_end_no_senders,
};

static struct session_ends sessions = {
    .type = &session_type,
    .slots = NET_SLOTS,
    .submission_size = sizeof(struct net_submission),
    .completion_size = sizeof(struct net_completion),
    .ended = link_end,
};

/* As for completions: the change first, then the look whether the client sleeps. */
static bool state_publish(struct session_end *end, const struct net_state *state)
{
    struct net_state *shared =
        (struct net_state *)((unsigned char *)end->completions.address + NET_STATE_OFFSET);
    bool is_new = shared->changes != state->changes;

    shared->link = state->link;
    shared->speed = state->speed;
    shared->full_duplex = state->full_duplex;
    shared->statistics = state->statistics;
    if (is_new)
        __atomic_store_n(&shared->changes, state->changes, __ATOMIC_SEQ_CST);
    return is_new && queue_other_sleeps(&end->queue);
}

/* There is always room: no more can be undelivered than there are slots. */
static bool link_deliver(void *context, struct net_completion *completions, unsigned count,
                         const struct net_state *state)
{
    struct link *link = context;
    struct session_end *end = &link->end;

    if (!end->submissions)
        return false;
    bool sleeps = state_publish(end, state);
    for (unsigned i = 0; i < count; i++)
        completions[i].epoch = end->epoch;
    queue_put_all(&end->queue, completions, count, sizeof(*completions));
    sleeps |= queue_publish(&end->queue);
    if (sleeps)
        session_end_wake(end);
    return true;
}

static void link_ended(void *context, struct net_session *session)
{
    struct link *link = context;

    if (link->offer->server)
        link->offer->server->close(link->offer->net->context);
    for (unsigned i = 0; i < NET_BUFFERS && !link->offer->server; i++) {
        if (session->buffer[i].size != 0)
            session_end_unmap(link->offer->device, session->buffer[i].address);
    }
    session_end_free(&link->end);
    free(link);
}

static const struct net_transport transport = {link_deliver, link_ended};

static void link_end(void *context, void *session)
{
    (void)context;
    net_session_end(session); /* frees the link, now or later */
}

static bool link_submit(void *session, const volatile void *entry)
{
    struct net_submission submission;

    __builtin_memcpy(&submission, (const void *)entry, sizeof(submission));
    return net_session_submit(session, &submission) == 0;
}

/* After each turn of the loop: carry what there is in both directions, and sleep when all clients'
 * queues are dry. */
static bool turn(void *context)
{
    (void)context;
    session_ends_take(&sessions, sizeof(struct net_submission), link_submit);
    net_turn();
    return session_ends_sleep(&sessions);
}

static int offer_publish(struct device *device, const struct net_server *server, const char *suffix,
                         const struct net_info *info, const struct net_device_ops *ops,
                         void *context, struct net_device **result)
{
    static bool hooked;
    struct offer *offer = calloc(1, sizeof(*offer));
    int error = offer ? net_device_create(info, ops, context, result) : ENOMEM;

    if (error != 0) {
        free(offer);
        return error;
    }
    offer->device = device;
    offer->server = server;
    offer->net = *result;
    if (!hooked)
        hooked = loop_at_turn_end(turn, NULL);
    error = port_create(&class_type, offer, &offer->port);
    return error == 0 ? startup_offer(suffix, "net", offer->port) : error;
}

int net_host_publish(struct device *device, const char *suffix, const struct net_info *info,
                     const struct net_device_ops *ops, void *context, struct net_device **result)
{
    return offer_publish(device, NULL, suffix, info, ops, context, result);
}

int net_server_publish(const struct net_server *server, const char *suffix,
                       const struct net_info *info, const struct net_device_ops *ops, void *context,
                       struct net_device **result)
{
    return offer_publish(NULL, server, suffix, info, ops, context, result);
}

kern_return_t serve_net_class_open(mach_port_t port, mach_port_t completions,
                                   mach_port_t *session_right, record_t record,
                                   mach_msg_type_number_t *size)
{
    struct offer *offer = port_context(port, &class_type);
    struct link *link = offer ? calloc(1, sizeof(*link)) : NULL;
    struct net_session *session;

    if (!link)
        return outboard_error_make(offer ? ENOMEM : EOPNOTSUPP);
    link->offer = offer;
    int error = net_session_create(offer->net, &transport, link, &session);
    if (error != 0) {
        free(link);
        return outboard_error_make(error);
    }
    link->end = (struct session_end){
        .all = &sessions, .name = offer->net->info.model, .link = link, .session = session};
    error = session_end_open(&link->end, completions, session_right);
    if (error != 0) {
        link_end(link, session);
        return outboard_error_make(error);
    }
    memcpy(record, &offer->net->info, sizeof(offer->net->info));
    *size = sizeof(offer->net->info);
    return 0;
}

kern_return_t serve_net_class_describe(mach_port_t port, record_t record,
                                       mach_msg_type_number_t *size)
{
    const struct offer *offer = port_context(port, &class_type);

    if (!offer)
        return outboard_error_make(EOPNOTSUPP);
    const struct net_description description = {
        .info = offer->net->info,
        .state = offer->net->state,
        .in_use = offer->net->session != NULL,
    };
    memcpy(record, &description, sizeof(description));
    *size = sizeof(description);
    return 0;
}

static struct link *link_lookup(mach_port_t port)
{
    struct session_end *end = session_end_lookup(&sessions, port);

    return end ? end->link : NULL;
}

static int buffer_attach(struct link *link, mach_port_t lease, unsigned *buffer, uint64_t *size)
{
    uint64_t address;
    int error = session_end_map(link->offer->device, lease, &address, size);

    if (error != 0)
        return error;
    error = net_session_attach(link->end.session, address, *size, buffer);
    if (error != 0)
        session_end_unmap(link->offer->device, address);
    return error;
}

/* What is there stays until the session ends. */
static int buffer_serve(struct link *link, mach_port_t lease, unsigned *buffer, uint64_t *size)
{
    uint64_t address;
    int error = link->offer->server->attach(link->offer->net->context, lease, &address, size);

    return error == 0 ? net_session_attach(link->end.session, address, *size, buffer) : error;
}

kern_return_t serve_net_link_attach(mach_port_t port, mach_port_t lease, unsigned *buffer,
                                    uint64_t *size)
{
    struct link *link = link_lookup(port);

    if (!link)
        return outboard_error_make(EOPNOTSUPP);
    int error = link->offer->server ? buffer_serve(link, lease, buffer, size)
                                    : buffer_attach(link, lease, buffer, size);
    if (error == 0)
        port_release(lease);
    return outboard_error_make(error);
}

kern_return_t serve_net_link_queue(mach_port_t port, mach_port_t lease, unsigned epoch,
                                   mach_port_t *completions)
{
    return session_end_serve_queue(&sessions, port, lease, epoch, completions);
}

kern_return_t serve_net_link_wake(mach_port_t port, mach_port_t waiter)
{
    return session_end_serve_wake(&sessions, port, waiter);
}

kern_return_t serve_net_link_filter(mach_port_t port, record_t record, mach_msg_type_number_t size)
{
    struct link *link = link_lookup(port);
    struct net_filter filter;

    if (!link)
        return outboard_error_make(EOPNOTSUPP);
    if (size != sizeof(filter))
        return outboard_error_make(EINVAL);
    memcpy(&filter, record, sizeof(filter));
    return outboard_error_make(net_session_filter(link->end.session, &filter));
}
