/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Access to a range of x86 I/O ports, by their offset into it. As for kit/regs.h: each call is
 * exactly one access of that width, in program order, and offsets come from the driver's own
 * layout.
 */
#ifndef KIT_PORTS_H
#define KIT_PORTS_H

#include <stddef.h>
#include <stdint.h>

/* The host says what a range is and makes these inline. */
struct ports;
static inline uint8_t ports_read8(const struct ports *ports, size_t offset);
static inline void ports_write8(const struct ports *ports, size_t offset, uint8_t value);

/* As device_window_open (kit/device.h): range `index`, for PCI the BAR number, for a fixed device
 * that of its manifest. */
struct device;
int device_ports_open(struct device *device, unsigned index, size_t size, struct ports *ports);

#include <host/ports.h>

#endif
