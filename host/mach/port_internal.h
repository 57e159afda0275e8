/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between the loop and the ports it waits on.
 */
#ifndef HOST_MACH_PORT_INTERNAL_H
#define HOST_MACH_PORT_INTERNAL_H

#include <mach/message.h>
#include <mach/mig_errors.h>

/* Room for the longest message of any of our interfaces: a record of 2048 bytes and some. A longer
 * one is thrown away by the kernel before we see it. */
union port_message {
    mach_msg_header_t header;
    mig_reply_header_t result;
    unsigned char bytes[4096];
};

/* The set of all receive rights that are served; MACH_PORT_NULL if it cannot be made. */
mach_port_t port_internal_set(void);

void port_internal_dispatch(union port_message *request, union port_message *reply);

#endif
