/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The block class's transport in a driver: sessions are ports, submissions and completions
 * messages.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <interface/block_class_server.h>
#include <interface/block_completions_user.h>
#include <interface/block_session_server.h>
#include <interface/io_device_user.h>
#include <interface/types.h>

#include <host/mach/device.h>
#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <kit/block_core.h>
#include <kit/clock.h>
#include <kit/device.h>
#include <kit/log.h>

/* A device as it is published. */
struct offer {
    struct device *device;
    struct block_device *block;
    char suffix[32];
};

struct link {
    struct offer *offer;
    struct block_session *session; /* null once it is ending */
    mach_port_t port;              /* the session's */
    mach_port_t client;            /* where completions go */
};

static void session_no_senders(void *context);

static const struct port_type class_type = {.name = "block class", .serve = block_class_server};
static const struct port_type session_type = {
    .name = "block session",
    .serve = block_session_server,
    .no_senders = session_no_senders,
};

static unsigned link_deliver(void *context, const struct block_completion *completions,
                             unsigned count)
{
    enum { MESSAGE_MAX = 2048 / sizeof(struct block_completion) };
    struct link *link = context;
    struct block_completion copy[MESSAGE_MAX];

    if (count > MESSAGE_MAX)
        count = MESSAGE_MAX;
    memcpy(copy, completions, count * sizeof(copy[0]));
    kern_return_t code = block_completions_deliver(link->client, MACH_SEND_TIMEOUT, (record_t)copy,
                                                   count * sizeof(copy[0]));
    /* A dead client's completions go nowhere; its death is told separately. */
    return code == MACH_SEND_TIMED_OUT ? 0 : count;
}

static void link_ended(void *context, struct block_session *session)
{
    struct link *link = context;

    for (unsigned i = 0; i < BLOCK_BUFFERS; i++) {
        if (session->buffer[i].size != 0)
            io_device_dma_unmap(device_io_port(link->offer->device), session->buffer[i].address);
    }
    free(link);
}

static const struct block_transport transport = {link_deliver, link_ended};

/* The client is gone or is cut off. */
static void link_end(struct link *link)
{
    struct block_session *session = link->session;

    if (!session)
        return;
    link->session = NULL;
    port_unwatch(link->client);
    port_release(link->client);
    port_destroy(link->port);
    block_session_end(session); /* frees the link, now or later */
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

/* Completions that a client had no room for are offered again soon. */
static void turn(void *context)
{
    static struct clock_timer again;

    (void)context;
    if (block_turn() && !again.running)
        clock_timer_start(&again, CLOCK_MILLISECOND, (void (*)(void *))turn, NULL);
}

int block_device_publish(struct device *device, const char *suffix,
                         const struct block_device_limits *limits,
                         const struct block_device_ops *ops, void *context,
                         struct block_device **result)
{
    static bool hooked;
    struct offer *offer = calloc(1, sizeof(*offer));
    mach_port_t port;
    int error = offer ? block_device_create(limits, ops, context, result) : ENOMEM;

    if (error != 0) {
        free(offer);
        return error;
    }
    offer->device = device;
    offer->block = *result;
    snprintf(offer->suffix, sizeof(offer->suffix), "%s", suffix);
    if (!hooked)
        hooked = loop_at_turn_end(turn, NULL);
    error = port_create(&class_type, offer, &port);
    return error == 0 ? startup_offer(suffix, "block", port) : error;
}

kern_return_t serve_block_class_open(mach_port_t class, boolean_t write, mach_port_t completions,
                                     mach_port_t *session_right, record_t record,
                                     mach_msg_type_number_t *size)
{
    struct offer *offer = port_context(class, &class_type);
    struct link *link = offer ? calloc(1, sizeof(*link)) : NULL;
    struct block_info info;

    if (!link)
        return outboard_error_make(offer ? ENOMEM : EOPNOTSUPP);
    link->offer = offer;
    link->client = completions;
    int error = block_session_create(offer->block, write, &transport, link, &link->session);
    if (error != 0) {
        free(link);
        return outboard_error_make(error);
    }
    error = port_create(&session_type, link, &link->port);
    if (error == 0)
        error = port_watch(link->client, client_died, link);
    if (error == 0)
        *session_right = port_make_send(link->port);
    if (error != 0) {
        port_destroy(link->port);
        block_session_end(link->session);
        return outboard_error_make(error);
    }
    block_session_info(link->session, &info);
    memcpy(record, &info, sizeof(info));
    *size = sizeof(info);
    return 0;
}

kern_return_t serve_block_link_attach(mach_port_t port, mach_port_t lease, unsigned *buffer,
                                      uint64_t *size)
{
    struct link *link = port_context(port, &session_type);
    uint64_t address;

    if (!link || !link->session)
        return outboard_error_make(EOPNOTSUPP);
    mach_port_t io = device_io_port(link->offer->device);
    int error = error_from_kernel(io_device_dma_map(io, lease, &address, size));
    if (error != 0)
        return outboard_error_make(error);
    error = block_session_attach(link->session, address, *size, buffer);
    if (error != 0) {
        io_device_dma_unmap(io, address);
        return outboard_error_make(error);
    }
    port_release(lease);
    return 0;
}

kern_return_t serve_block_link_submit(mach_port_t port, record_t submissions,
                                      mach_msg_type_number_t size)
{
    struct link *link = port_context(port, &session_type);
    enum { MESSAGE_MAX = 2048 / sizeof(struct block_submission) };
    struct block_submission copies[MESSAGE_MAX];

    if (!link || !link->session)
        return MIG_NO_REPLY;
    const char *problem = size % sizeof(copies[0]) != 0 || size > sizeof(copies)
                              ? "a submission of odd length"
                              : NULL;
    if (!problem) {
        memcpy(copies, submissions, size);
        if (block_session_submit(link->session, copies, size / sizeof(copies[0])) != 0)
            problem = "a slot that is out of range or in flight already";
    }
    if (problem) {
        log_warning("%s: a client broke the protocol and is cut off: %s", link->offer->suffix,
                    problem);
        link_end(link);
    }
    return MIG_NO_REPLY;
}
