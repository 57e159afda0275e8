/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device that this driver was started for: what it is, and the pieces of it that were lent.
 *
 * A driver task has exactly one device. Everything here that returns `int` returns 0 or an errno
 * value. A driver keeps what it opens until it exits; the system takes everything back then.
 */
#ifndef KIT_DEVICE_H
#define KIT_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include <kit/regs.h>

struct device;

struct device_identity {
    uint16_t vendor, device; /* PCI ids, as in the PCI Local Bus specification, 6.2.1 */
    uint16_t subsystem_vendor, subsystem;
    uint8_t class_code, subclass, interface, revision; /* all of these 0: no PCI function */
    unsigned vectors; /* how many interrupt vectors may be attached: 0 to vectors - 1 */
};

/* The instance name that the supervisor gave: "nvme0". */
const char *device_name(const struct device *device);

const struct device_identity *device_identity(const struct device *device);

/* What the operator set under this name for the driver (a whole number), or `otherwise`. */
unsigned device_setting(const struct device *device, const char *name, unsigned otherwise);

/* Map register window `index` (for PCI the BAR number), bytes [0, size).
 *
 * ENXIO: the device has no such window; EINVAL: the window is shorter than `size`, or the range
 * touches a part that no driver may see (the MSI-X table). The registers are mapped uncached. */
int device_window_open(struct device *device, unsigned index, size_t size, struct regs *regs);

/* Length of register window `index` in bytes that device_window_open would grant, 0 if none. */
size_t device_window_size(const struct device *device, unsigned index);

/* Let the device answer to its windows and master the bus. Bus mastering is refused with EPERM
 * while the system cannot vouch for the device's DMA window. */
int device_enable(struct device *device);

/* Read `width` bytes (1, 2 or 4, naturally aligned) of the device's own configuration space. */
int device_config_read(struct device *device, unsigned offset, unsigned width, uint32_t *value);

/* Write one of the few registers there that concern nobody else: vendor-specific capabilities,
 * cache line size, latency timer. EPERM: any other. */
int device_config_write(struct device *device, unsigned offset, unsigned width, uint32_t value);

#endif
