/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device behind kit/device.h: its handle at the authority and at its bus.
 */
#ifndef HOST_MACH_DEVICE_H
#define HOST_MACH_DEVICE_H

#include <mach/port.h>

struct device;

/* Get this task's device from its starter; `settings` is what the operator set for it and stays
 * where it is. 0 or an errno value. */
int device_get(const char *name, const char *settings, struct device **device);

/* The authority's handle (interface/io_device.defs). */
mach_port_t device_io_port(const struct device *device);

#endif
