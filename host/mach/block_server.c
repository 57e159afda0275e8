/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The block class's transport in a driver: sessions are ports, requests and completions go through
 * queues in shared memory, messages only wake.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <interface/block_class_server.h>
#include <interface/block_session_server.h>
#include <interface/types.h>

#include <host/mach/block_server.h>
#include <host/mach/device.h>
#include <host/mach/orphan.h>
#include <host/mach/port.h>
#include <host/mach/processor.h>
#include <host/mach/session_end.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <kit/core/block.h>
#include <kit/device.h>
#include <kit/log.h>

/* A port at which sessions with a device, or with a part of it, are opened. */
struct class
{
    struct offer *offer;
    struct block_range range;
    mach_port_t port;
};

enum { BOUNDED_MAX = 512 };

/* A device as it is published. */
struct offer {
    struct device *device;
    struct block_device *block;
    const struct block_server *server; /* null: a device's driver */
    char suffix[32];
    struct class whole;
    unsigned bounded_count;
    struct link *links;
    unsigned link_count;
    bool withdrawn; /* freed when nothing refers to it */
    struct offer *next;
};

struct link {
    struct offer *offer;
    struct link *sibling; /* of the same offer, with a session */
    struct session_end end;
};

static struct offer *offers;
static bool woken; /* a client, by a message that may go with the loop's next wait */
static bool apart; /* this task has a processor of its own, and never sleeps while it has clients */

static void link_end(void *context, void *session);
static void bounded_no_senders(void *context);

static const struct port_type class_type = {.name = "block class", .serve = block_class_server};
static const struct port_type bounded_type = {
    .name = "bounded block class",
    .serve = block_class_server,
    .no_senders = bounded_no_senders,
};
static const struct port_type session_type = {
    .name = "block session",
    .serve = block_session_server,
    .no_senders = session_end_no_senders,
};

static struct session_ends sessions = {
    .type = &session_type,
    .slots = BLOCK_SLOTS,
    .submission_size = sizeof(struct block_submission),
    .completion_size = sizeof(struct block_completion),
    .ended = link_end,
};

/* They are put where they belong by the class core, or by who wraps us are not. There is always
 * room: no more can be undelivered than there are slots. */
static unsigned link_deliver(void *context, struct block_completion *completions, unsigned count)
{
    struct session_end *end = &((struct link *)context)->end;

    if (completions == queue_place(&end->queue, sizeof(*completions)))
        queue_put_in_place(&end->queue, count);
    else
        queue_put_all(&end->queue, completions, count, sizeof(*completions));
    if (queue_publish(&end->queue)) {
        woken = true;
        session_end_wake(end);
    }
    return count;
}

static void offer_tidy(struct offer *offer)
{
    if (!offer->withdrawn || offer->link_count > 0 || offer->bounded_count > 0)
        return;
    for (struct offer **at = &offers; *at; at = &(*at)->next) {
        if (*at == offer) {
            *at = offer->next;
            free(offer);
            return;
        }
    }
}

static void link_ended(void *context, struct block_session *session)
{
    struct link *link = context;

    if (link->offer->server && session->server)
        link->offer->server->close(session->server);
    for (unsigned i = 0; i < BLOCK_BUFFERS && !link->offer->server; i++) {
        if (session->buffer[i].size != 0)
            session_end_unmap(link->offer->device, session->buffer[i].address);
    }
    session_end_free(&link->end);
    link->offer->link_count--;
    offer_tidy(link->offer);
    free(link);
}

static const struct block_transport transport = {link_deliver, link_ended};

static void link_end(void *context, void *session)
{
    struct link *link = context;
    struct link **sibling = &link->offer->links;

    while (*sibling != link)
        sibling = &(*sibling)->sibling;
    *sibling = link->sibling;
    block_session_end(session); /* frees the link, now or later */
}

static void looked_again(void *context)
{
    (void)context; /* the turn's end does */
}

/* Wait for a submission or a completion, on a processor of our own; how many looks are left of so
 * many, 0: nothing has come. Not inlined: as block_spin. */
unsigned block_server_spin(unsigned looks);

__attribute__((noinline)) unsigned block_server_spin(unsigned looks)
{
    for (; looks > 0; looks--) {
        for (const struct session_end *end = sessions.first; end; end = end->next) {
            if (!queue_is_dry(&end->queue))
                return looks;
        }
        if (block_is_ready())
            return looks;
        __builtin_ia32_pause();
    }
    return 0;
}

/* Carry what there is in both directions. As block_turn. */
static inline __attribute__((always_inline)) uint64_t carry(void)
{
    for (struct session_end *end = sessions.first, *next; end; end = next) {
        const char *problem;
        next = end->next;
        queue_awake(&end->queue);
        if (!queue_is_dry(&end->queue) &&
            block_session_take(end->session, &end->queue, &problem) != 0)
            session_end_break(end, problem);
    }
    return block_turn();
}

/* On a processor of our own we do not sleep, and look for messages only now and then. */
static bool turn_apart(void)
{
    enum { ROUNDS = 256, LOOKS = 50000 };
    unsigned looks = LOOKS;

    for (unsigned i = 0; i < ROUNDS && looks > 0; i++) {
        carry();
        looks = block_server_spin(looks);
    }
    return true;
}

static bool all_are_dry(void)
{
    for (const struct session_end *end = sessions.first; end; end = end->next) {
        if (!queue_is_dry(&end->queue))
            return false;
    }
    return true;
}

/* Let others have the processor; now and then those, too, that computed more than we of late, or
 * the supervisor would wait for up to a second. Who has it for so long, a tenth of a quantum, while
 * we are about to poll computes, and does not wait for us. */
static void processor_give(bool polls)
{
    enum { ALL = 256 };
    static unsigned turns;
    uint64_t before = polls ? processor_ticks() : 0;

    if (++turns % ALL == 0)
        processor_yield_to_all();
    else
        swtch();
    if (polls && processor_ticks_are_long(processor_ticks() - before, 10 * CLOCK_MILLISECOND))
        block_poll_less();
}

/* Carry, and let clients that were woken, or wait without sleeping, have the processor in between,
 * until there is nothing to do, or messages are to be sent or looked at. As carry. */
static uint64_t carry_on(void)
{
    enum { ROUNDS = 32, LINGER = 2 };
    static uint64_t again = BLOCK_TURN_NEVER;
    static unsigned idle = LINGER; /* looks in vain, after something was polled */

    woken = false;
    for (unsigned round = 0; round < ROUNDS && !woken; round++) {
        if (again == 0 || idle < LINGER)
            processor_give(again == 0);
        if (again == 0 || round == 0 || !all_are_dry()) {
            again = carry();
            if (block_was_polled())
                idle = 0;
        } else {
            idle++;
        }
        if (again != 0 && idle >= LINGER)
            return again;
    }
    return 0;
}

/* After each turn of the loop: carry what there is in both directions, and sleep when all clients'
 * queues are dry. */
static bool turn(void *context)
{
    static struct clock_timer later;

    (void)context;
    if (apart && sessions.first)
        return turn_apart();
    uint64_t again = carry_on();
    if (again == 0)
        return true;
    if (again != BLOCK_TURN_NEVER && !later.running)
        clock_timer_start(&later, again, looked_again, NULL);
    return session_ends_sleep(&sessions);
}

static bool has_clients(void)
{
    return sessions.first != NULL;
}

static int offer_publish(struct device *device, const struct block_server *server,
                         const char *suffix, const struct block_device_limits *limits,
                         const struct block_device_ops *ops, void *context,
                         struct block_device **result)
{
    static bool hooked;
    struct offer *offer = calloc(1, sizeof(*offer));
    int error = offer ? block_device_create(limits, ops, context, result) : ENOMEM;

    if (error != 0) {
        free(offer);
        return error;
    }
    offer->device = device;
    offer->server = server;
    offer->block = *result;
    apart = device && device_setting(device, "apart", 0) != 0 && host_is_apart();
    offer->block->apart = apart;
    snprintf(offer->suffix, sizeof(offer->suffix), "%s", suffix);
    offer->whole = (struct class){.offer = offer};
    if (!hooked)
        hooked = loop_at_turn_end(turn, NULL);
    orphan_stays_while(has_clients);
    error = port_create(&class_type, &offer->whole, &offer->whole.port);
    if (error == 0)
        error = startup_offer(suffix, "block", offer->whole.port);
    if (error != 0) {
        port_destroy(offer->whole.port);
        block_device_end(*result);
        free(offer);
        return error;
    }
    offer->next = offers;
    offers = offer;
    return 0;
}

/* The supervisor first: whoever finds that his session has ended asks it what the name stands for.
 */
void block_device_withdraw(struct block_device *device)
{
    struct offer *offer = offers;

    while (offer->block != device)
        offer = offer->next;
    startup_retract(offer->suffix, "block");
    offer->withdrawn = true;
    offer->link_count++; /* ourselves */
    while (offer->links)
        session_end_close(&offer->links->end);
    port_destroy(offer->whole.port);
    block_device_end(device);
    offer->link_count--;
    offer_tidy(offer);
}

int block_host_publish(struct device *device, const char *suffix,
                       const struct block_device_limits *limits, const struct block_device_ops *ops,
                       void *context, struct block_device **result)
{
    return offer_publish(device, NULL, suffix, limits, ops, context, result);
}

int block_server_publish(const struct block_server *server, const char *suffix,
                         const struct block_device_limits *limits,
                         const struct block_device_ops *ops, void *context)
{
    struct block_device *device;

    return offer_publish(NULL, server, suffix, limits, ops, context, &device);
}

/* Null: no class, or its device was withdrawn. All of a device is what it has now. */
static struct class *class_lookup(mach_port_t port)
{
    struct class *class = port_context(port, &class_type);

    if (class)
        class->range = block_device_range(class->offer->block);
    else
        class = port_context(port, &bounded_type);
    return class && !class->offer->withdrawn ? class : NULL;
}

/* Sessions go on: they have a copy of its range. */
static void bounded_no_senders(void *context)
{
    struct class *bounded = context;

    bounded->offer->bounded_count--;
    offer_tidy(bounded->offer);
    port_destroy(bounded->port);
    free(bounded);
}

static int bounded_create(const struct class *class, const struct block_range *range,
                          mach_port_t *right)
{
    struct offer *offer = class->offer;

    if (offer->bounded_count == BOUNDED_MAX)
        return ENOSPC;
    struct class *bounded = calloc(1, sizeof(*bounded));
    if (!bounded)
        return ENOMEM;
    *bounded = (struct class){.offer = offer, .range = *range};
    int error = port_create(&bounded_type, bounded, &bounded->port);
    if (error == 0) {
        *right = port_make_send(bounded->port);
        error = *right == MACH_PORT_NULL ? ENOMEM : 0;
        if (error != 0)
            port_destroy(bounded->port);
    }
    if (error != 0) {
        free(bounded);
        return error;
    }
    offer->bounded_count++;
    return 0;
}

kern_return_t serve_block_class_bound(mach_port_t port, uint64_t first, uint64_t count,
                                      boolean_t write, mach_port_t *right)
{
    const struct class *class = class_lookup(port);
    struct block_range range;
    int error = class ? block_range_bound(&class->range, first, count, write, &range) : EOPNOTSUPP;

    if (error == 0)
        error = bounded_create(class, &range, right);
    return outboard_error_make(error);
}

kern_return_t serve_block_class_open(mach_port_t port, boolean_t write, mach_port_t completions,
                                     mach_port_t *session_right, record_t record,
                                     mach_msg_type_number_t *size)
{
    const struct class *class = class_lookup(port);
    struct link *link = class ? calloc(1, sizeof(*link)) : NULL;
    struct block_session *session;
    struct block_info info;

    if (!link)
        return outboard_error_make(class ? ENOMEM : EOPNOTSUPP);
    struct offer *offer = link->offer = class->offer;
    int error =
        block_session_create(offer->block, &class->range, write, &transport, link, &session);
    if (error != 0) {
        free(link);
        return outboard_error_make(error);
    }
    offer->link_count++;
    link->end = (struct session_end){
        .all = &sessions, .name = offer->suffix, .link = link, .session = session};
    if (offer->server)
        error = offer->server->open(offer->block->context, &session->server);
    if (error == 0)
        error = session_end_open(&link->end, completions, session_right);
    if (error != 0) {
        block_session_end(session);
        return outboard_error_make(error);
    }
    link->sibling = offer->links;
    offer->links = link;
    block_session_info(session, &info);
    memcpy(record, &info, sizeof(info));
    *size = sizeof(info);
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
    error = block_session_attach(link->end.session, address, *size, buffer);
    if (error != 0)
        session_end_unmap(link->offer->device, address);
    return error;
}

/* What is there stays until the session ends, even if this session has no number for it. */
static int buffer_serve(struct link *link, mach_port_t lease, unsigned *buffer, uint64_t *size)
{
    uint64_t address;
    struct block_session *session = link->end.session;
    int error = link->offer->server->attach(session->server, lease, &address, size);

    return error == 0 ? block_session_attach(session, address, *size, buffer) : error;
}

kern_return_t serve_block_link_attach(mach_port_t port, mach_port_t lease, unsigned *buffer,
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

kern_return_t serve_block_link_queue(mach_port_t port, mach_port_t lease, unsigned epoch,
                                     mach_port_t *completions)
{
    kern_return_t kr = session_end_serve_queue(&sessions, port, lease, epoch, completions);

    if (kr == 0) {
        struct session_end *end = &link_lookup(port)->end;
        end->queue.own->apart = apart;
        block_session_place(end->session, queue_place(&end->queue, sizeof(struct block_completion)),
                            epoch);
    }
    return kr;
}

kern_return_t serve_block_link_wake(mach_port_t port, mach_port_t waiter)
{
    return session_end_serve_wake(&sessions, port, waiter);
}
