/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/pci/mcfg.h>

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include <kit/log.h>

struct mcfg_header {
    char signature[4];
    uint32_t length; /* of the whole table */
    uint8_t acpi[28];
    uint8_t reserved[8];
};
static_assert(sizeof(struct mcfg_header) == 44, "PCI Firmware 3.2, table 4-2");

struct mcfg_entry {
    uint64_t base;
    uint16_t segment;
    uint8_t first_bus, last_bus;
    uint32_t reserved;
};
static_assert(sizeof(struct mcfg_entry) == 16, "PCI Firmware 3.2, table 4-3");

/* 1 MiB of memory per bus (PCIe 7.2.2). */
#define BUS_SIZE UINT64_C(0x100000)

static bool region_is_sane(const struct mcfg_region *region)
{
    return region->base != 0 && region->base % BUS_SIZE == 0 &&
           region->base <= UINT64_MAX - 256 * BUS_SIZE && region->first_bus <= region->last_bus;
}

/* Two regions may share a segment if they divide its buses. */
static bool region_is_new(const struct mcfg_region *region, const struct mcfg_region *others,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (others[i].segment == region->segment && others[i].first_bus <= region->last_bus &&
            region->first_bus <= others[i].last_bus)
            return false;
    }
    return true;
}

int mcfg_parse(const void *table, size_t size, struct mcfg_region *regions, size_t max,
               size_t *count)
{
    const unsigned char *bytes = table;
    struct mcfg_header header;

    *count = 0;
    if (size < sizeof(header))
        return EBADMSG;
    memcpy(&header, bytes, sizeof(header));
    if (memcmp(header.signature, "MCFG", 4) != 0 || header.length < sizeof(header) ||
        header.length > size)
        return EBADMSG;

    for (size_t offset = sizeof(header); sizeof(struct mcfg_entry) <= header.length - offset;
         offset += sizeof(struct mcfg_entry)) {
        struct mcfg_entry entry;
        memcpy(&entry, bytes + offset, sizeof(entry));
        struct mcfg_region region = {entry.base, entry.segment, entry.first_bus, entry.last_bus};
        if (!region_is_sane(&region) || !region_is_new(&region, regions, *count)) {
            log_warning("pci: MCFG entry for segment %u, buses %u-%u at 0x%" PRIx64
                        " makes no sense: left out",
                        region.segment, region.first_bus, region.last_bus, region.base);
            continue;
        }
        if (*count == max) {
            log_warning("pci: MCFG table has more than %zu entries: the rest is left out", max);
            break;
        }
        regions[(*count)++] = region;
    }
    return 0;
}
