/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Receive rights that the event loop serves, and the loop itself.
 *
 * A server's objects are ports: port_create ties a receive right to a MIG demultiplexer and to the
 * object behind it. A MIG routine gets the port's name and asks port_context for the object; a
 * message that is not of that port's interface never reaches the routine.
 */
#ifndef HOST_MACH_PORT_H
#define HOST_MACH_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/message.h>
#include <mach/port.h>

struct port_type {
    const char *name; /* for the log */

    /* A MIG server routine (foo_server), or null: every message is refused. */
    boolean_t (*serve)(mach_msg_header_t *request, mach_msg_header_t *reply);

    /* Messages that are no RPC (interrupts); called instead of `serve` if not null. */
    void (*message)(void *context, mach_msg_header_t *message);

    /* The last send right is gone. The callee usually ends with port_destroy. May be null. */
    void (*no_senders)(void *context);
};

/* A new receive right, in the loop's port set. 0 or an errno value. Make send rights from the name
 * with MACH_MSG_TYPE_MAKE_SEND. If the type has no_senders, it is called when senders existed and
 * the last is gone. */
int port_create(const struct port_type *type, void *context, mach_port_t *port);

/* The same for a receive right that came from elsewhere. */
int port_adopt(const struct port_type *type, void *context, mach_port_t port);

/* Destroy the receive right; senders find it dead. */
void port_destroy(mach_port_t port);

/* Stop serving a receive right that is about to be moved to another task. */
void port_disown(mach_port_t port);

/* The object behind a port of that type; null if the port is of another type or none of ours. */
void *port_context(mach_port_t port, const struct port_type *type);

/* A send right made from one of our receive rights, held in our own space under the same name: what
 * a MIG out parameter of type capability_t wants. Also asks for no-senders if the type wants it. */
mach_port_t port_make_send(mach_port_t port);

/* Call `died` once when the send right `name` becomes a dead name (its receiver or task is gone).
 * The caller keeps its right and deallocates it. 0 or an errno value. */
int port_watch(mach_port_t name, void (*died)(void *context, mach_port_t name), void *context);
void port_unwatch(mach_port_t name);

/* Drop one user reference on a send, send-once or dead-name right. */
void port_release(mach_port_t name);

/* Serve messages, notifications, interrupts and timers until loop_stop. */
void loop_run(void);
void loop_stop(void);

/* Serve what comes on our ports until `deadline` (clock_now's nanoseconds; 0: only what is waiting,
 * UINT64_MAX: wait for ever); returns after one message or timer. */
void loop_once(uint64_t deadline);

/* Send a message, together with the next wait if possible, and never wait for room: it is dropped
 * then. Rights in it would be lost with it, so it carries none but the one it is sent by; memory in
 * it stays the sender's, who leaves it as it is until the next but one turn has ended. */
void loop_send(mach_msg_header_t *message);

/* Have somebody else ring when a timer is due that is far away: `ask` for it, and call
 * loop_alarm_rang when it rings. */
void loop_alarm_by(void (*ask)(uint64_t milliseconds));
void loop_alarm_rang(void);

/* Call `run` after each message or timer that was handled, to send what was gathered meanwhile. It
 * returns whether it wants to run again without waiting: then the loop only looks whether there is
 * a message or a timer due. False: too many of them. */
bool loop_at_turn_end(bool (*run)(void *context), void *context);

#endif
