/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver's end of a session, of whatever class: its port, the queue in shared memory, wakeups.
 */
#ifndef HOST_MACH_SESSION_END_H
#define HOST_MACH_SESSION_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mach/port.h>

#include <host/mach/port.h>
#include <host/mach/shared.h>
#include <kit/queue.h>

struct device;

/* How many entries of which size each side has. */
struct session_shape {
    unsigned slots;
    size_t submission_size, completion_size;
};

struct session_end {
    const struct session_shape *shape;
    mach_port_t port;   /* the session's */
    mach_port_t client; /* who is woken; null: the session has ended */
    mach_port_t waiter; /* the send-once right to use for that, or null */
    struct queue queue;
    const void *submissions; /* the client's memory, null: no queue yet */
    struct shared_memory completions;
    uint32_t epoch;
};

/* A port of that type for a client that is woken at `client` (a send right, which is ours from now
 * on), and a right to it for the client. `died` is called when the client's port is dead. */
int session_end_open(struct session_end *end, const struct session_shape *shape,
                     const struct port_type *type, void *context, mach_port_t client,
                     void (*died)(void *context, mach_port_t name), mach_port_t *right);

/* No more messages to the client, nor from it. The queue's memory stays. */
void session_end_close(struct session_end *end);
/* That too: nobody uses it any more. */
void session_end_free(struct session_end *end);

/* The client sent a lease on its memory; one on ours goes back. EBUSY: there is a queue already. */
int session_end_queue(struct session_end *end, mach_port_t lease, uint32_t epoch,
                      mach_port_t *completions);

/* Let the device reach what the client leased: where it sees it, and how much there is. */
int session_end_map(struct device *device, mach_port_t lease, uint64_t *address, uint64_t *size);
void session_end_unmap(struct device *device, uint64_t address);

/* The client sleeps and there is something for it. */
void session_end_wake(struct session_end *end);

/* The client waits for the answer with this right. */
void session_end_awaited(struct session_end *end, mach_port_t waiter);

#endif
