/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The MADT, for the IO-APICs in it (ACPI 6.5, 5.2.12). Portable.
 */
#ifndef SERVER_IO_MADT_H
#define SERVER_IO_MADT_H

#include <stddef.h>
#include <stdint.h>

enum { MADT_IOAPICS_MAX = 8 };

struct madt {
    unsigned ioapic_count;
    struct madt_ioapic {
        uint8_t id;
        uint32_t address; /* of its registers */
    } ioapic[MADT_IOAPICS_MAX];
};

/* EBADMSG: malformed; EOVERFLOW: more IO-APICs than there is room for. */
int madt_parse(const uint8_t *table, size_t size, struct madt *madt);

#endif
