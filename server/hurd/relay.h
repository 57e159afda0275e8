/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Passing a request on, so that whoever gets it answers the caller directly: nobody waits here.
 */
#ifndef SERVER_HURD_RELAY_H
#define SERVER_HURD_RELAY_H

#include <mach/message.h>

/* All take the message and all its rights. What cannot be passed on is answered with an error. */
void relay_pass(mach_msg_header_t *message, mach_port_t to);
void relay_answer(mach_msg_header_t *message, kern_return_t code);

/* Serve it here, with a MIG server routine. */
void relay_serve(mach_msg_header_t *message,
                 boolean_t (*serve)(mach_msg_header_t *request, mach_msg_header_t *reply));

#endif
