/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A client's end of a session with a driver, of whatever class: the session's right, the queue in
 * shared memory, buffers that the device reaches, wakeups. It outlives drivers: the death of one is
 * told at the port for wakeups, and that another one may be had.
 */
#ifndef HOST_MACH_SESSION_LINK_H
#define HOST_MACH_SESSION_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mach/message.h>
#include <mach/port.h>

#include <host/mach/shared.h>
#include <interface/types.h>
#include <kit/core/queue.h>

/* What differs from class to class: sizes, and the calls of its session interface. */
struct session_class {
    unsigned slots;
    size_t submission_size, completion_size;
    unsigned buffers_max;
    mach_msg_id_t wake_id;
    kern_return_t (*queue)(mach_port_t session, mach_port_t lease, unsigned epoch,
                           mach_port_t *completions);
    kern_return_t (*attach)(mach_port_t session, mach_port_t lease, unsigned *buffer,
                            uint64_t *size);
};

enum { SESSION_BUFFERS_MAX = 64 };

struct session_link {
    const struct session_class *class;
    char name[OUTBOARD_NAME_SIZE];
    mach_port_t offered; /* where the session was opened; null: nowhere yet */
    uint32_t life;    /* of who serves us: the one that had our last session (struct lives) ... */
    bool was_excused; /* ... and whether it was ended for nothing that it did */
    uint32_t found_life; /* the one that is there now */
    unsigned violations; /* complaints in a row, with nothing done in between */
    int answer;          /* to the last call, an errno value */
    unsigned done;       /* what the owner had done when it last said so ... */
    unsigned done_then;  /* ... and at the last complaint */
    mach_port_t session; /* send right */
    bool death_is_told;  /* of it */
    mach_port_t wakeups; /* receive right; the driver's death is told there too */
    struct queue queue;
    struct shared_memory submissions;
    const void *completions; /* the driver's memory; null: no session */
    uint32_t epoch;
    struct shared_memory buffer[SESSION_BUFFERS_MAX];
    unsigned buffer_count;
    enum memory_access access; /* of who serves the session to the buffers */
    bool wake_driver;          /* it slept when there was something for it */
};

/* A link to who offers `name`, not open yet. 0; ENOENT: the name cannot be; or why there is no
 * port. */
int session_link_init(struct session_link *link, const struct session_class *class,
                      const char *name);

/* Everything but the port for wakeups, which is in the event loop's set or not. */
void session_link_close(struct session_link *link);
void session_link_wakeups_drop(struct session_link *link);

/* End the session, and find who offers the name now. `done`: how much the owner has got done, ever.
 * 0; EAGAIN: nobody does, or it is who has just ended our session; EPROTO: that happened too often;
 * ENOENT. */
int session_link_find(struct session_link *link, unsigned done);

/* Nothing was opened there after all: it may be found again. */
void session_link_forget(struct session_link *link);

/* The session was opened (link->session): exchange the queue's memory and attach all buffers. */
int session_link_begin(struct session_link *link);
void session_link_end(struct session_link *link);

/* Ask for a message at the port for wakeups when what the name stands for can be had, or never
 * will be; wait for it. */
void session_link_await_request(const struct session_link *link);
void session_link_await(struct session_link *link);

/* A buffer more, attached as number link->buffer_count - 1. ENODEV: the driver died meanwhile, the
 * next one is given it with all others. */
int session_link_buffer(struct session_link *link, size_t size, struct shared_memory **buffer);
void session_link_buffer_drop(struct session_link *link);

/* Say what a driver did that it must not. */
void session_link_complain(struct session_link *link, unsigned done, const char *reason);

/* Likewise, unless it was said too often: false. */
bool session_link_refuse(struct session_link *link, unsigned done, const char *reason);

/* What a call of the driver came to, as an errno value; one that gets no answer is complained of
 * and as good as dead: ENODEV. */
int session_link_answer(struct session_link *link, kern_return_t code);

/* Make what was put into the queue visible. */
static inline void session_link_publish(struct session_link *link)
{
    link->wake_driver |= queue_publish(&link->queue);
}

/* The driver slept when there was something for it, and sleeps still: had it woken meanwhile, it
 * would look before it sleeps again. Asked once. */
static inline bool session_link_driver_waits(struct session_link *link)
{
    bool waits = link->wake_driver && queue_other_sleeps(&link->queue);

    link->wake_driver = false;
    return waits;
}
void session_link_driver_wake(struct session_link *link);
/* A wakeup that is sent together with the wait for its answer. */
mach_msg_header_t session_link_wakeup(const struct session_link *link, mach_port_t waiter);

/* Whether a message at the port for wakeups tells of the driver's end; destroys any other. */
bool session_link_is_death(const struct session_link *link, mach_msg_header_t *message);

/* Wait there for a message until `milliseconds` are over (0: only look; SESSION_FOREVER), and wake
 * the driver first if it has to be. 0, with the message's number; ENODEV: the driver is gone;
 * ETIMEDOUT. */
enum { SESSION_FOREVER = -1 };
int session_link_wait(struct session_link *link, int milliseconds, mach_msg_id_t *number);

#endif
