/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel's IO-APIC under interrupt remapping.
 */
#ifndef SERVER_IO_IOAPIC_H
#define SERVER_IO_IOAPIC_H

#include <stdint.h>

#include <server/io/vtd.h>

/* Rewrite each pin's entry so that it goes through the unit's entry of the same number, with the
 * vector, trigger and destination that the kernel gave it. The unit's remapping is on. 0 or an
 * errno value. */
int ioapic_remap(uint32_t registers, uint16_t source, struct vtd_unit *unit);

/* Have a pin raise that vector, unmasked, with each edge upwards. Before ioapic_remap. */
int ioapic_route(uint32_t registers, unsigned pin, uint8_t vector);

#endif
