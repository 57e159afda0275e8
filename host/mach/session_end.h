/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver's end of a session, of whatever class: its port, the queue in shared memory, wakeups.
 * Messages only wake; what the client submitted is taken after each turn of the loop.
 */
#ifndef HOST_MACH_SESSION_END_H
#define HOST_MACH_SESSION_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mach/port.h>

#include <host/mach/port.h>
#include <host/mach/shared.h>
#include <kit/core/queue.h>

struct device;

/* What the sessions of a class have in common, and those of them that this task serves. */
struct session_ends {
    const struct port_type *type; /* of their ports; its no_senders is session_end_no_senders */
    unsigned slots;               /* how many entries of which size each side has */
    size_t submission_size, completion_size;

    /* The client is gone or was cut off, and its end is closed. */
    void (*ended)(void *link, void *session);

    struct session_end *first; /* those with a queue */
};

struct session_end {
    struct session_ends *all;
    const char *name;   /* the device's, for the log */
    void *link;         /* whoever's end it is */
    void *session;      /* the core's; null: it is over */
    mach_port_t port;   /* the session's */
    mach_port_t client; /* who is woken */
    mach_port_t waiter; /* the send-once right to use for that, or null */
    struct queue queue;
    const void *submissions; /* the client's memory, null: no queue yet */
    struct shared_memory completions;
    uint32_t epoch;
    struct session_end *next;
};

/* Open an end of which `all`, name, link and session are set, with a port for a client that is
 * woken at `client` (a send right, which is ours from now on), and a right to it for the client. On
 * an error nothing has happened. */
int session_end_open(struct session_end *end, mach_port_t client, mach_port_t *right);

/* The session is over. No more messages to the client, nor from it; then `ended` of them all. The
 * queue's memory stays. */
void session_end_close(struct session_end *end);
/* That too: nobody uses it any more. */
void session_end_free(struct session_end *end);

/* For the class's type of port. */
void session_end_no_senders(void *end);

/* The end whose port that is; null: none, or its session is over. */
struct session_end *session_end_lookup(struct session_ends *all, mach_port_t port);

/* What the classes' interfaces have in common: exchange leases on memory for the queue (EBUSY: it
 * is there already), and take a wakeup, with the right at which the client waits for the answer. */
kern_return_t session_end_serve_queue(struct session_ends *all, mach_port_t port, mach_port_t lease,
                                      unsigned epoch, mach_port_t *completions);
kern_return_t session_end_serve_wake(struct session_ends *all, mach_port_t port,
                                     mach_port_t waiter);

/* Let the device reach what the client leased: where it sees it, and how much there is. */
int session_end_map(struct device *device, mach_port_t lease, uint64_t *address, uint64_t *size);
void session_end_unmap(struct device *device, uint64_t address);

/* The client sleeps and there is something for it. */
void session_end_wake(struct session_end *end);

/* The client broke the protocol and is cut off. */
void session_end_break(struct session_end *end, const char *problem);

/* Say that all clients' queues are dry and that we sleep. True: one of them is not. */
bool session_ends_sleep(struct session_ends *all);

/* Give the core what the clients submitted. `submit` is given an entry where it lies, which may
 * change, and returns whether the client kept to the protocol. Inlined, as both are constants and
 * this is done for every request. */
static inline __attribute__((always_inline)) void
session_ends_take(struct session_ends *all, size_t size,
                  bool (*submit)(void *session, const volatile void *submission))
{
    for (struct session_end *end = all->first, *next; end; end = next) {
        const volatile void *submission;
        const char *problem = NULL;
        int taken;

        next = end->next;
        queue_awake(&end->queue);
        while (!problem && (taken = queue_next(&end->queue, &submission, size)) != 0) {
            if (taken < 0)
                problem = "more submissions than there is room for";
            else if (!submit(end->session, submission))
                problem = "a slot that is out of range or in flight already";
        }
        if (problem)
            session_end_break(end, problem);
    }
}

#endif
