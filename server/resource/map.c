/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/resource/map.h>

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* The last address of a range; size is not zero. */
static uint64_t range_last(uint64_t base, uint64_t size)
{
    return size - 1 > UINT64_MAX - base ? UINT64_MAX : base + (size - 1);
}

const struct resource_range *resource_map_find(const struct resource_map *map, uint64_t base,
                                               uint64_t size, const void *owner)
{
    const struct resource_range *range = size == 0 ? NULL : map->first;

    while (range &&
           (range_last(range->base, range->size) < base || (owner && range->owner == owner)))
        range = range->next;
    return range && range->base <= range_last(base, size) ? range : NULL;
}

int resource_map_claim(struct resource_map *map, uint64_t base, uint64_t size, const void *owner,
                       const char *name, const struct resource_range **conflict)
{
    if (size == 0 || size - 1 > UINT64_MAX - base)
        return EINVAL;

    const struct resource_range *other = resource_map_find(map, base, size, NULL);
    if (conflict)
        *conflict = other;
    if (other)
        return EBUSY;

    struct resource_range *range = malloc(sizeof(*range));
    if (!range)
        return ENOMEM;
    range->base = base;
    range->size = size;
    range->owner = owner;
    snprintf(range->name, sizeof(range->name), "%s", name);

    struct resource_range **link = &map->first;
    while (*link && (*link)->base < base)
        link = &(*link)->next;
    range->next = *link;
    *link = range;
    return 0;
}

void resource_map_release(struct resource_map *map, const void *owner)
{
    for (struct resource_range **link = &map->first; *link;) {
        struct resource_range *range = *link;
        if (range->owner == owner) {
            *link = range->next;
            free(range);
        } else {
            link = &range->next;
        }
    }
}

void resource_map_release_range(struct resource_map *map, uint64_t base)
{
    struct resource_range **link = &map->first;

    while (*link && (*link)->base != base)
        link = &(*link)->next;
    struct resource_range *range = *link;
    if (range)
        *link = range->next;
    free(range);
}
