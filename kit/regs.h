/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Access to a window of device registers.
 *
 * Describe the registers as a struct with _Static_assert on its offsets, and name a register by
 * offsetof. Values are in the machine's byte order; PCI devices are little-endian, as x86 is. Each
 * call is exactly one access of that width, in program order with other register accesses. Offsets
 * must lie inside the window that was opened: they come from the driver's own layout, never from
 * the device.
 *
 * regs_write32 is also the barrier that a doorbell needs: whatever was stored to memory before it
 * is visible to the device before the register changes.
 */
#ifndef KIT_REGS_H
#define KIT_REGS_H

#include <stddef.h>
#include <stdint.h>

/* The host says what a window is and makes these inline. */
struct regs;
static inline uint8_t regs_read8(const struct regs *regs, size_t offset);
static inline uint16_t regs_read16(const struct regs *regs, size_t offset);
static inline uint32_t regs_read32(const struct regs *regs, size_t offset);
static inline uint64_t regs_read64(const struct regs *regs, size_t offset);
static inline void regs_write8(const struct regs *regs, size_t offset, uint8_t value);
static inline void regs_write16(const struct regs *regs, size_t offset, uint16_t value);
static inline void regs_write32(const struct regs *regs, size_t offset, uint32_t value);
static inline void regs_write64(const struct regs *regs, size_t offset, uint64_t value);

#include <host/regs.h>

#endif
