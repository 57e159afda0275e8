/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver for QEMU's `edu` device that attempts crimes, one after the other, and says in the log
 * what came of each:
 *
 *     crime: NAME: refused      an interface said no
 *     crime: NAME: contained    it was attempted and had no effect
 *     crime: NAME: SUCCEEDED    it had an effect
 *
 * The test (test/machine/hostile_test.py) judges. Crimes use what a driver has: its rights, and
 * messages made by hand.
 */
#ifndef TEST_HOSTILE_HOSTILE_H
#define TEST_HOSTILE_HOSTILE_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/device.h>
#include <kit/dma.h>

enum outcome { REFUSED, CONTAINED, SUCCEEDED };

struct crime {
    const char *name;
    enum outcome (*attempt)(void);
};

/* On the bus, and not ours. Without an IOMMU what is attempted there succeeds: the kernel's text is
 * only read (but for its first pages, which begin at 1000000 and are somebody's memory once it has
 * booted), and what is written is the text buffer of the VGA. */
enum { KERNEL_TEXT = 0x1040000, VGA_TEXT = 0xba000 };

/* Tables, each ended by a null name. */
extern const struct crime crimes_dma[], crimes_rights[], crimes_kernel[], crimes_flood[],
    crimes_last[], crimes_fixed[];

extern struct device *hostile_device;
extern struct regs hostile_regs;

/* From half a second later on every crime of those tables is attempted, one at a time, and the log
 * says what came of it. The list ends with a null. */
void crimes_begin(const struct crime *const *tables);

/* A crime: a page is lent, given back, and read. */
enum outcome crime_after_release(bool (*device_can_read)(uint64_t address));

/* Move bytes between the device's own memory and an address on the bus, and wait. */
void edu_read_bus(uint64_t address, uint32_t size);  /* bus to device */
void edu_write_bus(uint64_t address, uint32_t size); /* device to bus */

#endif
