/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The ACPI MCFG table: where configuration space is in memory (PCI Firmware Specification 3.2,
 * 4.1.2).
 */
#ifndef SERVER_PCI_MCFG_H
#define SERVER_PCI_MCFG_H

#include <stddef.h>
#include <stdint.h>

struct mcfg_region {
    uint64_t base; /* of bus 0, whatever first_bus is */
    uint16_t segment;
    uint8_t first_bus, last_bus;
};

/* Up to `max` regions of the table; those that make no sense are left out, with a line in the log.
 * 0, or EBADMSG if the table is no MCFG table. */
int mcfg_parse(const void *table, size_t size, struct mcfg_region *regions, size_t max,
               size_t *count);

#endif
