/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * With remapping on, the unit blocks interrupt requests in the old format, which is what keeps a
 * device from forging one by DMA. The kernel's own IO-APIC entries are in the old format, so they
 * are rewritten here, once, before any driver runs. The kernel does not mind: from then on it only
 * toggles the mask bit, which it reads and writes back with the rest untouched (gnumach,
 * i386/i386at/ioapic.c, ioapic_toggle_entry), and ends interrupts by vector, which stays where it
 * was.
 *
 * The index register is shared with the kernel. The kernel uses it when it masks or unmasks a pin
 * on behalf of a user-space driver, and there is none yet.
 */
#include <server/io/ioapic.h>

#include <errno.h>

#include <server/io/io.h>

/* Intel 82093AA, 3.1 and 3.2. */
enum { INDEX = 0x00 / 4, DATA = 0x10 / 4, REGISTER_VERSION = 1, REGISTER_ENTRY = 0x10 };

#define ENTRY_VECTOR  0x000000ffu
#define ENTRY_LEVEL   0x00008000u
#define ENTRY_MASKED  0x00010000u
#define ENTRY_KEPT    (ENTRY_VECTOR | 0x00002000u /* polarity */ | ENTRY_LEVEL)
#define HIGH_REMAPPED 0x00010000u /* VT-d 5.1.5.1: bit 48 of the entry */

static uint32_t register_read(volatile uint32_t *ioapic, unsigned number)
{
    ioapic[INDEX] = number;
    return ioapic[DATA];
}

static void register_write(volatile uint32_t *ioapic, unsigned number, uint32_t value)
{
    ioapic[INDEX] = number;
    ioapic[DATA] = value;
}

static void pin_remap(volatile uint32_t *ioapic, unsigned pin, uint16_t source,
                      struct vtd_unit *unit)
{
    unsigned low_register = REGISTER_ENTRY + 2 * pin;
    uint32_t low = register_read(ioapic, low_register);
    uint32_t high = register_read(ioapic, low_register + 1);

    if (high & HIGH_REMAPPED)
        return;
    vtd_unit_remap_set(unit, pin, low & ENTRY_VECTOR, low & ENTRY_LEVEL, (uint8_t)(high >> 24),
                       source);
    register_write(ioapic, low_register, low | ENTRY_MASKED);
    register_write(ioapic, low_register + 1, (uint32_t)pin << 17 | HIGH_REMAPPED);
    register_write(ioapic, low_register, (low & ENTRY_KEPT) | (low & ENTRY_MASKED));
}

int ioapic_remap(uint32_t registers, uint16_t source, struct vtd_unit *unit)
{
    void *window;
    int error = io_physical_map(registers, 0x20, true, &window);

    if (error != 0)
        return error;
    volatile uint32_t *ioapic = window;
    unsigned pins = ((register_read(ioapic, REGISTER_VERSION) >> 16) & 0xff) + 1;

    if (pins > IO_LINE_FIRST_MESSAGE)
        error = ENOTSUP; /* the remapping entries above belong to message lines */
    for (unsigned pin = 0; error == 0 && pin < pins; pin++)
        pin_remap(ioapic, pin, source, unit);
    io_physical_unmap(window, 0x20);
    return error;
}

int ioapic_route(uint32_t registers, unsigned pin, uint8_t vector)
{
    unsigned low_register = REGISTER_ENTRY + 2 * pin;
    void *window;
    int error = io_physical_map(registers, 0x20, true, &window);

    if (error != 0)
        return error;
    uint32_t low = register_read(window, low_register) & ~(ENTRY_KEPT | ENTRY_MASKED);
    register_write(window, low_register, low | vector);
    io_physical_unmap(window, 0x20);
    return 0;
}
