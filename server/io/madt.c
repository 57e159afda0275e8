/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/io/madt.h>

#include <errno.h>
#include <string.h>

#include <server/io/acpi_tables.h>

/* 5.2.12: after the table's header come the local APICs' address and flags, then structures that
 * begin with type and length. */
enum { STRUCTURES = sizeof(struct acpi_header) + 8, TYPE_IOAPIC = 1 };

/* 5.2.12.3 */
struct ioapic_structure {
    uint8_t type, length;
    uint8_t id, reserved;
    uint32_t address;
    uint32_t first_line;
} __attribute__((packed));
static_assert(sizeof(struct ioapic_structure) == 12, "5.2.12.3");

int madt_parse(const uint8_t *table, size_t size, struct madt *madt)
{
    memset(madt, 0, sizeof(*madt));
    if (size < STRUCTURES)
        return EBADMSG;

    for (size_t at = STRUCTURES; at < size;) {
        size_t left = size - at;
        uint8_t length = left >= 2 ? table[at + 1] : 0;

        if (length < 2 || length > left)
            return EBADMSG;
        if (table[at] == TYPE_IOAPIC) {
            struct ioapic_structure raw;
            if (length < sizeof(raw))
                return EBADMSG;
            if (madt->ioapic_count == MADT_IOAPICS_MAX)
                return EOVERFLOW;
            memcpy(&raw, table + at, sizeof(raw));
            madt->ioapic[madt->ioapic_count++] = (struct madt_ioapic){raw.id, raw.address};
        }
        at += length;
    }
    return 0;
}
