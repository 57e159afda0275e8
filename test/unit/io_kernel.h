/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the authority's parts stand on in unit tests: a kernel of interrupt lines and receive
 * rights, time that tests let pass, and the last lines of the log.
 */
#ifndef TEST_UNIT_IO_KERNEL_H
#define TEST_UNIT_IO_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mach/port.h>

/* A port of the authority's. Its receive right is here, or with a driver or whoever that gave it
 * to. */
struct kernel_port {
    bool exists, is_here, is_registered;
    unsigned line, outstanding, acknowledged;
    const struct port_type *type;
    void *context;
};

extern bool kernel_refuses_lines; /* to register another one */
extern unsigned kernel_destroyed; /* messages, with all that was in them */

void kernel_begin(void);
struct kernel_port *kernel_port(mach_port_t name);

/* So many interrupts come where the line's right is. */
void kernel_raise(mach_port_t name, unsigned count);

/* The task that has the receive right is gone: the authority is told. */
void kernel_come_home(mach_port_t name);

/* Somebody says that it has come home, with a right of his own in the message, or none. */
void kernel_forge_home(mach_port_t name);

/* Somebody sends it home himself, with so many bytes more in the message. */
void kernel_come_home_with(mach_port_t name, size_t more);

/* Time passes, and timers expire. */
void kernel_run(uint64_t nanoseconds);

/* How many lines of the log have that in them. */
unsigned kernel_logged(const char *text);

#endif
