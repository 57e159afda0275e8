/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The MSI-X table (PCI Local Bus 3.0, 6.8.2.6 to 6.8.2.9): only the authority writes it.
 */
#ifndef SERVER_IO_MSIX_H
#define SERVER_IO_MSIX_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

struct msix_entry {
    uint32_t address_low, address_high, data;
    uint32_t control; /* bit 0: masked */
};
static_assert(sizeof(struct msix_entry) == 16, "6.8.2");

#define MSIX_MASKED 1u

enum { MSIX_CONTROL_WORD = offsetof(struct msix_entry, control) / 4 };

static inline void io_msix_mask(volatile uint32_t *entry)
{
    entry[MSIX_CONTROL_WORD] = MSIX_MASKED;
}

static inline void io_msix_unmask(volatile uint32_t *entry)
{
    entry[MSIX_CONTROL_WORD] = 0;
}

static inline void io_msix_write(volatile uint32_t *entry, uint64_t address, uint32_t data)
{
    io_msix_mask(entry);
    entry[0] = (uint32_t)address;
    entry[1] = (uint32_t)(address >> 32);
    entry[2] = data;
}

#endif
