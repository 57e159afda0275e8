/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A map of ranges (physical addresses, or I/O ports) and who owns them. Ranges never overlap: what
 * is taken is refused. Portable; shared by the authority and the bus servers.
 */
#ifndef SERVER_RESOURCE_MAP_H
#define SERVER_RESOURCE_MAP_H

#include <stdint.h>

struct resource_range {
    uint64_t base, size;
    const void *owner; /* whose it is; compared, never followed */
    struct resource_range *next;
    char name[48];
};

/* Zero-initialised: empty. Ranges are kept in ascending order. */
struct resource_map {
    struct resource_range *first;
};

/* EINVAL: empty, or it wraps past the end of the space; EBUSY: overlaps (`*conflict`, if not null,
 * says with what); ENOMEM. */
int resource_map_claim(struct resource_map *map, uint64_t base, uint64_t size, const void *owner,
                       const char *name, const struct resource_range **conflict);

/* Give back everything of that owner. */
void resource_map_release(struct resource_map *map, const void *owner);

/* Give back the range that begins at `base`. */
void resource_map_release_range(struct resource_map *map, uint64_t base);

/* The first range that overlaps [base, base + size) and is not `owner`'s; null if there is none or
 * the range is empty. A range that wraps is cut at the end of the space. */
const struct resource_range *resource_map_find(const struct resource_map *map, uint64_t base,
                                               uint64_t size, const void *owner);

#endif
