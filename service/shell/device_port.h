/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Devices of the kernel's device interface, by name.
 */
#ifndef SERVICE_SHELL_DEVICE_PORT_H
#define SERVICE_SHELL_DEVICE_PORT_H

#include <mach/port.h>

#include <device/device_types.h>

/* The kernel has no words for its codes. */
const char *device_code_name(kern_return_t code);

/* A send right to the opened device; null, and it was said why. */
mach_port_t device_port(const char *command, const char *name, dev_mode_t mode);

#endif
