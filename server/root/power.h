/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Stopping the machine.
 */
#ifndef SERVER_ROOT_POWER_H
#define SERVER_ROOT_POWER_H

#include <stdbool.h>

#include <mach/port.h>

struct power_rights {
    mach_port_t host, device_master; /* the kernel's */
    mach_port_t io;                  /* io's control port, for the firmware's tables; null: no io */
};

/* Power the machine off, or reboot it. Returns only if that fails. */
void power_stop(const struct power_rights *rights, bool off);

#endif
