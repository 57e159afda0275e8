/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/pci/assign.h>

#include <inttypes.h>

#include <kit/log.h>
#include <server/pci/bar.h>

#define PAGE_UNIT   UINT64_C(0x1000)
#define IO_UNIT     UINT64_C(0x1000)   /* bridge 3.2.5.6 */
#define MEMORY_UNIT UINT64_C(0x100000) /* bridge 3.2.5.8 */
#define FOUR_GIB    UINT64_C(0x100000000)

/* Below: what the firmware used. Chipsets put the IO-APIC here and the local APICs, the HPET and
 * the flash above it, and firmware ends its PCI addresses there. */
#define IO_APIC_BASE UINT64_C(0xfec00000)
/* Ports below this are ISA's and the chipset's. */
#define IO_FLOOR UINT64_C(0x1000)
/* Host bridges open memory in large steps: the addresses just below what is in use are PCI's too.
 */
#define APERTURE_STEP UINT64_C(0x10000000)

/* Place by place, so often; then, as whoever is in the way has much, twice as far each time. */
enum { APERTURES_MAX = 3, REFUSALS_NEAR = 32, REFUSALS_MAX = 48 };

struct place {
    struct pci_tree *tree;
    const struct pci_assign_limits *limits;
    uint16_t segment;
    uint8_t bus;
    struct pci_function *bridge; /* above; null on a root bus */
};

/* A BAR or a bridge's window that wants an address. */
struct item {
    struct pci_function *function;
    unsigned index; /* of the BAR, or enum pci_window_kind */
    bool window, ports, prefetchable, wide;
    uint64_t size, align;
};

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

/* Whole pages each, so that no driver's page shows another device's registers. */
static uint64_t bar_room(const struct pci_function *function, unsigned index)
{
    uint64_t size = function->info.bar[index].size;

    if (function->info.bar[index].flags & PCI_BAR_PORTS)
        return size;
    return size < PAGE_UNIT ? PAGE_UNIT : size;
}

static bool bar_is_for(const struct pci_function *function, unsigned index,
                       enum pci_window_kind kind)
{
    bool ports = function->info.bar[index].flags & PCI_BAR_PORTS;

    return (function->bars_without_base & 1u << index) && ports == (kind == PCI_WINDOW_IO);
}

/* How much a closed window of the bridge would have to pass down: every part rounded to its
 * alignment, so that placing the largest first fits exactly. Bus numbers grow on the way down, so
 * this ends. */
static uint64_t window_need(const struct pci_tree *tree, const struct pci_function *bridge,
                            enum pci_window_kind kind, uint64_t *align)
{
    uint64_t unit = kind == PCI_WINDOW_IO ? IO_UNIT : MEMORY_UNIT;
    uint64_t need = 0;

    *align = unit;
    for (size_t i = 0; i < tree->count; i++) {
        const struct pci_function *function = &tree->functions[i];
        uint64_t part_align = unit;

        if (function->info.segment != bridge->info.segment ||
            function->info.bus != bridge->info.secondary_bus)
            continue;
        for (unsigned index = 0; index < PCI_BARS; index++) {
            uint64_t room = bar_room(function, index);
            if (!bar_is_for(function, index, kind) || room >= FOUR_GIB)
                continue;
            if ((function->info.bar[index].flags & PCI_BAR_PREFETCHABLE) &&
                bridge->window[PCI_WINDOW_PREFETCH].size != 0)
                continue;
            need += room;
            *align = room > *align ? room : *align;
        }
        if (!pci_function_is_bridge(function) || function->info.secondary_bus == 0 ||
            function->window[kind].size != 0)
            continue;
        uint64_t part = window_need(tree, function, kind, &part_align);
        need += round_up(part, part_align);
        *align = part_align > *align ? part_align : *align;
    }
    return round_up(need, unit);
}

static bool overlaps(const struct pci_range *range, uint64_t base, uint64_t size)
{
    return range->size != 0 && base < range->base + range->size && range->base < base + size;
}

static bool bridge_leads_to(const struct pci_function *bridge, uint16_t segment, uint8_t bus)
{
    return bridge->info.segment == segment && bridge->info.secondary_bus <= bus &&
           bus <= bridge->subordinate_bus;
}

/* The first thing found in the way of [base, base + size); false if it is free. The windows of the
 * bridges above are what we allocate from, all others belong to what is behind them. */
static bool obstacle_find(const struct place *place, bool ports, uint64_t base, uint64_t size,
                          struct pci_range *obstacle)
{
    for (size_t i = 0; !ports && i < place->limits->reserved_count; i++) {
        *obstacle = place->limits->reserved[i];
        if (overlaps(obstacle, base, size))
            return true;
    }
    for (size_t i = 0; i < place->tree->count; i++) {
        const struct pci_function *function = &place->tree->functions[i];

        for (unsigned index = 0; index < PCI_BARS; index++) {
            if (ports != (bool)(function->info.bar[index].flags & PCI_BAR_PORTS) ||
                (function->bars_without_base & 1u << index))
                continue;
            obstacle->base = function->info.bar[index].base;
            obstacle->size = function->info.bar[index].size;
            if (overlaps(obstacle, base, size))
                return true;
        }
        if (!pci_function_is_bridge(function) ||
            bridge_leads_to(function, place->segment, place->bus))
            continue;
        for (unsigned kind = 0; kind < PCI_WINDOWS; kind++) {
            *obstacle = function->window[kind];
            if (ports == (kind == PCI_WINDOW_IO) && overlaps(obstacle, base, size))
                return true;
        }
    }
    return false;
}

static bool gap_find(const struct place *place, const struct item *item,
                     const struct pci_range *aperture, uint64_t *result)
{
    uint64_t end = aperture->base + aperture->size;
    uint64_t base = round_up(aperture->base, item->align);
    unsigned refusals = 0;

    if (!item->ports && !item->wide && end > FOUR_GIB)
        end = FOUR_GIB;
    while (base >= aperture->base && base < end && item->size <= end - base) {
        struct pci_range obstacle;
        if (obstacle_find(place, item->ports, base, item->size, &obstacle)) {
            base = round_up(obstacle.base + obstacle.size, item->align);
        } else if (!place->limits->usable(place->limits->context, item->function, item->ports, base,
                                          item->size)) {
            if (++refusals == REFUSALS_MAX)
                return false;
            base += item->align << (refusals > REFUSALS_NEAR ? refusals - REFUSALS_NEAR : 0);
        } else {
            *result = base;
            return true;
        }
    }
    return false;
}

/* Widen `used` so that it covers the range too, if the range is inside [floor, ceiling). */
static void range_cover(struct pci_range *used, uint64_t base, uint64_t size, uint64_t floor,
                        uint64_t ceiling)
{
    if (size == 0 || base < floor || base >= ceiling || size > ceiling - base)
        return;
    if (used->size == 0) {
        *used = (struct pci_range){base, size};
        return;
    }
    uint64_t end = used->base + used->size;
    if (base + size > end)
        end = base + size;
    if (base < used->base)
        used->base = base;
    used->size = end - used->base;
}

/* What the firmware has in use on the segment's root buses, between floor and ceiling. A BAR that
 * is not decoded proves nothing. */
static struct pci_range root_used(const struct place *place, bool ports, uint64_t floor,
                                  uint64_t ceiling)
{
    const struct pci_config *config = place->tree->config;
    struct pci_range used = {0, 0};

    for (size_t i = 0; i < place->tree->count; i++) {
        const struct pci_function *function = &place->tree->functions[i];
        const struct pci_function_info *info = &function->info;
        uint16_t decode = ports ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;

        if (info->segment != place->segment || info->bus != info->parent_bus)
            continue;
        if (!(pci_read16(config, pci_function_address(function), PCI_COMMAND) & decode))
            continue;
        for (unsigned index = 0; index < PCI_BARS; index++) {
            if (ports == (bool)(info->bar[index].flags & PCI_BAR_PORTS))
                range_cover(&used, info->bar[index].base, info->bar[index].size, floor, ceiling);
        }
        for (unsigned kind = 0; kind < PCI_WINDOWS; kind++) {
            if (ports == (kind == PCI_WINDOW_IO))
                range_cover(&used, function->window[kind].base, function->window[kind].size, floor,
                            ceiling);
        }
    }
    return used;
}

static unsigned root_apertures(const struct place *place, bool ports, struct pci_range *apertures)
{
    unsigned count = 0;

    if (ports) {
        struct pci_range used = root_used(place, true, IO_FLOOR, UINT16_MAX + 1);
        if (used.size != 0)
            apertures[count++] = (struct pci_range){used.base, UINT16_MAX + 1 - used.base};
        return count;
    }

    struct pci_range used = root_used(place, false, APERTURE_STEP, IO_APIC_BASE);
    if (used.size != 0) {
        uint64_t below = used.base & ~(APERTURE_STEP - 1);
        /* In the firmware's own range first. */
        apertures[count++] = (struct pci_range){used.base, IO_APIC_BASE - used.base};
        apertures[count++] = (struct pci_range){below, used.base - below};
    }
    used = root_used(place, false, FOUR_GIB, UINT64_C(1) << 52);
    if (used.size != 0)
        apertures[count++] = (struct pci_range){
            used.base, round_up(used.base + used.size, APERTURE_STEP) - used.base};
    return count;
}

static unsigned bridge_apertures(const struct place *place, const struct item *item,
                                 struct pci_range *apertures)
{
    const struct pci_range *window = place->bridge->window;
    unsigned count = 0;

    if (item->ports) {
        apertures[count++] = window[PCI_WINDOW_IO];
        return count;
    }
    /* Prefetchable memory may lie in the other window too, not the other way round
     * (bridge 3.2.5.9). */
    if (item->prefetchable)
        apertures[count++] = window[PCI_WINDOW_PREFETCH];
    apertures[count++] = window[PCI_WINDOW_MEMORY];
    return count;
}

static void item_place(const struct place *place, const struct item *item)
{
    const struct pci_config *config = place->tree->config;
    struct pci_range apertures[APERTURES_MAX];
    unsigned count = place->bridge ? bridge_apertures(place, item, apertures)
                                   : root_apertures(place, item->ports, apertures);
    const char *what = item->window ? "window" : "BAR";
    uint64_t base;

    for (unsigned i = 0; i < count; i++) {
        if (apertures[i].size == 0 || !gap_find(place, item, &apertures[i], &base))
            continue;
        int error = item->window
                        ? pci_window_open(config, item->function, (enum pci_window_kind)item->index,
                                          base, item->size)
                        : pci_bar_assign(config, item->function, item->index, base);
        if (error == 0) {
            log_info("pci " PCI_ADDRESS_FORMAT ": %s %u assigned at 0x%" PRIx64,
                     pci_address_arguments(pci_function_address(item->function)), what, item->index,
                     base);
            return;
        }
    }
    log_warning("pci " PCI_ADDRESS_FORMAT ": %s %u of 0x%" PRIx64
                " bytes has no address and none is free where its bus can reach",
                pci_address_arguments(pci_function_address(item->function)), what, item->index,
                item->size);
}

/* The one with the strictest alignment that is still to be tried on this bus; marks it tried. */
static bool item_next(const struct place *place, struct item *best)
{
    bool found = false;

    *best = (struct item){0};
    for (size_t i = 0; i < place->tree->count; i++) {
        struct pci_function *function = &place->tree->functions[i];
        if (function->info.segment != place->segment || function->info.bus != place->bus)
            continue;
        for (unsigned index = 0; index < PCI_BARS + PCI_WINDOWS; index++) {
            struct item item = {.function = function, .index = index};
            if (index < PCI_BARS) {
                uint32_t flags = function->info.bar[index].flags;
                if (!(function->bars_wanted & 1u << index))
                    continue;
                item.ports = flags & PCI_BAR_PORTS;
                item.prefetchable = flags & PCI_BAR_PREFETCHABLE;
                item.wide = flags & PCI_BAR_64;
                item.size = item.align = bar_room(function, index);
            } else {
                item.index = index - PCI_BARS;
                if (!(function->windows_wanted & 1u << item.index))
                    continue;
                item.window = true;
                item.ports = item.index == PCI_WINDOW_IO;
                item.size = window_need(place->tree, function, (enum pci_window_kind)item.index,
                                        &item.align);
            }
            if (!found || item.align > best->align)
                *best = item;
            found = true;
        }
    }
    if (found && best->window)
        best->function->windows_wanted &= (uint8_t) ~(1u << best->index);
    else if (found)
        best->function->bars_wanted &= (uint8_t) ~(1u << best->index);
    return found;
}

static void bus_assign(const struct place *place)
{
    struct item item;

    for (size_t i = 0; i < place->tree->count; i++) {
        struct pci_function *function = &place->tree->functions[i];
        uint64_t align;

        if (function->info.segment != place->segment || function->info.bus != place->bus)
            continue;
        function->bars_wanted = function->bars_without_base;
        if (!pci_function_is_bridge(function) || function->info.secondary_bus == 0)
            continue;
        for (unsigned kind = PCI_WINDOW_IO; kind <= PCI_WINDOW_MEMORY; kind++) {
            if (function->window[kind].size == 0 &&
                window_need(place->tree, function, (enum pci_window_kind)kind, &align) != 0)
                function->windows_wanted |= (uint8_t)(1u << kind);
        }
    }
    while (item_next(place, &item))
        item_place(place, &item);
}

void pci_assign(struct pci_tree *tree, const struct pci_assign_limits *limits)
{
    struct place place = {.tree = tree, .limits = limits};

    /* The tree has a bridge before what is behind it, so windows are open before they are used. */
    for (size_t i = 0; i < tree->count; i++) {
        struct pci_function *function = &tree->functions[i];
        const struct pci_function_info *info = &function->info;
        const struct pci_function_info *before = i == 0 ? NULL : &tree->functions[i - 1].info;
        bool first = !before || info->segment != before->segment || info->bus != before->bus;

        if (info->bus == info->parent_bus && first) {
            place.segment = info->segment;
            place.bus = info->bus;
            place.bridge = NULL;
            bus_assign(&place);
        }
        if (pci_function_is_bridge(function) && info->secondary_bus != 0) {
            place.segment = info->segment;
            place.bus = info->secondary_bus;
            place.bridge = function;
            bus_assign(&place);
        }
    }
}
