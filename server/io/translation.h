/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Second-level page tables: which device address means which memory (Intel VT-d 4.1, 3.7 and 9.8).
 * Portable: the pages come from whoever creates a table.
 */
#ifndef SERVER_IO_TRANSLATION_H
#define SERVER_IO_TRANSLATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where table pages come from. A page is 4 KiB, zeroed, and stays where it is. */
struct translation_memory {
    void *(*allocate)(uint64_t *physical);
    void (*release)(void *page);
    /* Make `size` bytes visible to a unit that does not snoop the caches; null: it does. */
    void (*flush)(const void *start, size_t size);
};

struct translation;

/* `levels` is 3 (39 bits of device address) or 4 (48 bits); `large`: the unit takes 2 MiB pages. */
int translation_create(const struct translation_memory *memory, unsigned levels, bool large,
                       struct translation **result);
void translation_destroy(struct translation *translation);

uint64_t translation_root(const struct translation *translation);
unsigned translation_levels(const struct translation *translation);

/* Map whole pages, readable and writable. EINVAL: not whole pages or outside the table's reach;
 * EEXIST: something is mapped there; ENOMEM. On an error nothing of it is mapped. */
int translation_map(struct translation *translation, uint64_t address, uint64_t physical,
                    uint64_t size);

/* Unmap what translation_map mapped, exactly. The caller invalidates the unit's caches. */
void translation_unmap(struct translation *translation, uint64_t address, uint64_t size);

#endif
