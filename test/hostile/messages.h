/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Messages that no client sends: of random length, number and contents.
 */
#ifndef TEST_HOSTILE_MESSAGES_H
#define TEST_HOSTILE_MESSAGES_H

#include <mach/port.h>

/* So many, to the ports in turn, mostly with numbers near those that interfaces use; what comes
 * back is thrown away. */
void messages_send(const mach_port_t *targets, unsigned target_count, unsigned messages);

#include <mach/message.h>

/* A receive right that somebody gives away. */
struct given_line {
    mach_msg_header_t header;
    mach_msg_type_t type;
    mach_port_name_inlined_t right;
};

#endif
