/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The MSI-X table (PCI Local Bus 3.0, 6.8.2.6 to 6.8.2.9): only the authority writes it.
 */
#ifndef SERVER_IO_MSIX_H
#define SERVER_IO_MSIX_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

struct msix_entry {
    uint32_t address_low, address_high, data;
    uint32_t control; /* bit 0: masked */
};
static_assert(sizeof(struct msix_entry) == 16, "6.8.2");

static inline void io_msix_mask(volatile struct msix_entry *entry, bool masked)
{
    entry->control = masked;
}

static inline void io_msix_write(volatile struct msix_entry *entry, uint64_t address, uint32_t data)
{
    io_msix_mask(entry, true);
    entry->address_low = (uint32_t)address;
    entry->address_high = (uint32_t)(address >> 32);
    entry->data = data;
}

#endif
