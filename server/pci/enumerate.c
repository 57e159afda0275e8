/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Walking the buses. A bus is entered only from a lower number and only once, so that no wiring and
 * no lie of a bridge makes the walk endless.
 */
#include <server/pci/tree.h>

#include <errno.h>
#include <string.h>

#include <kit/log.h>
#include <server/pci/bar.h>
#include <server/pci/capability.h>

/* Each level of a real hierarchy is a switch or a bridge: eight would be unusual. */
enum { DEPTH_MAX = 32 };

struct scan {
    struct pci_tree *tree;
    uint16_t segment;
    bool full;
    bool entered[256];
};

static void bus_scan(struct scan *scan, uint8_t bus, uint8_t parent_bus, uint8_t limit,
                     unsigned depth);

struct pci_function *pci_tree_find(struct pci_tree *tree, uint32_t address)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (pci_function_address(&tree->functions[i]) == address &&
            pci_function_is_present(&tree->functions[i]))
            return &tree->functions[i];
    }
    return NULL;
}

/* Where a function that was at that address had been, or a new place; null: the tree is full. */
static struct pci_function *place_get(struct pci_tree *tree, uint32_t address)
{
    size_t i = 0;

    while (i < tree->count && (pci_function_address(&tree->functions[i]) != address ||
                               pci_function_is_present(&tree->functions[i])))
        i++;
    if (i == PCI_FUNCTIONS_MAX)
        return NULL;
    tree->count += i == tree->count;
    memset(&tree->functions[i], 0, sizeof(tree->functions[i]));
    return &tree->functions[i];
}

struct pci_function *pci_tree_bridge(struct pci_tree *tree, uint16_t segment, uint8_t bus)
{
    for (size_t i = 0; i < tree->count; i++) {
        struct pci_function *function = &tree->functions[i];
        if (function->info.segment == segment && function->info.secondary_bus == bus &&
            function->info.secondary_bus != 0)
            return function;
    }
    return NULL;
}

/* Device/port type in the Express capabilities register (PCIe 7.5.3.2). */
enum { EXPRESS_TYPE = 2, EXPRESS_TYPE_SHIFT = 4, EXPRESS_TO_PCI = 7 };

uint32_t pci_tree_requester(struct pci_tree *tree, const struct pci_function *function)
{
    uint32_t requester = pci_function_address(function);
    const struct pci_function *bridge;

    while ((bridge = pci_tree_bridge(tree, function->info.segment, function->info.bus)) != NULL) {
        uint32_t address = pci_function_address(bridge);
        uint16_t express = bridge->info.express_offset;

        if (express == 0)
            requester = address;
        else if ((pci_read16(tree->config, address, express + EXPRESS_TYPE) >> EXPRESS_TYPE_SHIFT &
                  0xf) == EXPRESS_TO_PCI)
            requester = pci_address(bridge->info.segment, bridge->info.secondary_bus, 0, 0);
        function = bridge;
    }
    return requester;
}

uint32_t pci_tree_ancestor(struct pci_tree *tree, const struct pci_function *function)
{
    const struct pci_function *bridge;

    while ((bridge = pci_tree_bridge(tree, function->info.segment, function->info.bus)) != NULL)
        function = bridge;
    return pci_function_address(function);
}

/* PCI 6.2.1: all ones where nothing answers; vendor 0 is nobody's, and what broken functions say.
 */
static bool function_exists(const struct pci_config *config, uint32_t address)
{
    uint16_t vendor = pci_read16(config, address, PCI_VENDOR);

    return vendor != PCI_VENDOR_NONE && vendor != 0;
}

static void function_describe(const struct pci_config *config, struct pci_function *function,
                              uint32_t address, uint8_t parent_bus)
{
    struct pci_function_info *info = &function->info;

    info->segment = pci_address_segment(address);
    info->bus = pci_address_bus(address);
    info->device = pci_address_device(address);
    info->function = pci_address_function(address);
    info->header_type = pci_read8(config, address, PCI_HEADER_TYPE);
    info->parent_bus = parent_bus;
    info->interrupt_pin = pci_read8(config, address, PCI_INTERRUPT_PIN);
    info->interrupt_line = pci_read8(config, address, PCI_INTERRUPT_LINE);
    info->vendor = pci_read16(config, address, PCI_VENDOR);
    info->device_id = pci_read16(config, address, PCI_DEVICE);
    info->class_code = pci_read8(config, address, PCI_CLASS);
    info->subclass = pci_read8(config, address, PCI_SUBCLASS);
    info->interface = pci_read8(config, address, PCI_INTERFACE);
    info->revision = pci_read8(config, address, PCI_REVISION);

    switch (info->header_type & PCI_HEADER_LAYOUT) {
    case PCI_HEADER_NORMAL:
        info->subsystem_vendor = pci_read16(config, address, PCI_SUBSYSTEM_VENDOR);
        info->subsystem_id = pci_read16(config, address, PCI_SUBSYSTEM);
        break;
    case PCI_HEADER_BRIDGE:
        pci_windows_read(config, function);
        break;
    default:
        log_warning("pci " PCI_ADDRESS_FORMAT ": header layout %u is unknown: listed, not used",
                    pci_address_arguments(address), info->header_type & PCI_HEADER_LAYOUT);
        return;
    }
    pci_bars_probe(config, function);
    pci_capabilities_probe(config, function);
}

static void device_scan(struct scan *scan, uint8_t bus, uint8_t device, uint8_t parent_bus)
{
    struct pci_tree *tree = scan->tree;
    unsigned functions = 1;

    for (unsigned number = 0; number < functions; number++) {
        uint32_t address = pci_address(scan->segment, bus, device, number);
        if (!function_exists(tree->config, address)) {
            if (number == 0)
                return;
            continue;
        }
        /* PCI 3.2.2.3.4: function 0 says whether to look for the others. */
        if (number == 0 &&
            (pci_read8(tree->config, address, PCI_HEADER_TYPE) & PCI_HEADER_MULTIFUNCTION))
            functions = PCI_FUNCTIONS_PER_DEVICE;
        struct pci_function *function = place_get(tree, address);
        if (!function) {
            scan->full = true;
            return;
        }
        function_describe(tree->config, function, address, parent_bus);
    }
}

/* Follow a bridge that the firmware numbered. */
static void bridge_follow(struct scan *scan, struct pci_function *bridge, uint8_t limit,
                          unsigned depth)
{
    uint32_t address = pci_function_address(bridge);
    uint8_t secondary = pci_read8(scan->tree->config, address, PCI_BRIDGE_SECONDARY);
    uint8_t subordinate = pci_read8(scan->tree->config, address, PCI_BRIDGE_SUBORDINATE);
    const char *wrong = NULL;

    if (secondary == 0)
        return; /* bridge_number's */
    if (secondary <= bridge->info.bus)
        wrong = "does not lead down";
    else if (subordinate < secondary || subordinate > limit)
        wrong = "is not inside its parent's range";
    else if (scan->entered[secondary])
        wrong = "is another bridge's too";
    else if (depth == DEPTH_MAX)
        wrong = "is too deep";
    if (wrong) {
        log_warning("pci " PCI_ADDRESS_FORMAT ": bridge to buses %u-%u %s: not followed",
                    pci_address_arguments(address), secondary, subordinate, wrong);
        return;
    }
    bridge->info.secondary_bus = secondary;
    bridge->subordinate_bus = subordinate;
    bus_scan(scan, secondary, bridge->info.bus, subordinate, depth + 1);
}

/* The longest run of bus numbers in (bus, limit] that no bridge on this bus has. */
static bool numbers_find(const struct scan *scan, uint8_t bus, uint8_t limit, uint8_t *first,
                         uint8_t *last)
{
    bool taken[256] = {false};
    unsigned best = 0, run = 0;

    for (size_t i = 0; i < scan->tree->count; i++) {
        const struct pci_function *function = &scan->tree->functions[i];
        if (function->info.segment != scan->segment || function->info.secondary_bus == 0)
            continue;
        if (function->info.bus != bus)
            continue;
        for (unsigned n = function->info.secondary_bus; n <= function->subordinate_bus; n++)
            taken[n] = true;
    }
    for (unsigned n = bus + 1u; n <= limit; n++) {
        run = taken[n] || scan->entered[n] ? 0 : run + 1;
        if (run > best) {
            best = run;
            *first = (uint8_t)(n - run + 1);
            *last = (uint8_t)n;
        }
    }
    return best > 0;
}

static void bridge_write_numbers(const struct pci_config *config, struct pci_function *bridge,
                                 uint8_t secondary, uint8_t subordinate)
{
    uint32_t address = pci_function_address(bridge);

    pci_write8(config, address, PCI_BRIDGE_PRIMARY, bridge->info.bus);
    pci_write8(config, address, PCI_BRIDGE_SECONDARY, secondary);
    pci_write8(config, address, PCI_BRIDGE_SUBORDINATE, subordinate);
    bridge->info.secondary_bus = secondary;
    bridge->subordinate_bus = subordinate;
}

/* Number what is behind a bridge that the firmware left at zero. It gets a whole free run first and
 * keeps what turned out to be used: what is behind it is not known before it is numbered. */
static void bridge_number(struct scan *scan, struct pci_function *bridge, uint8_t limit,
                          unsigned depth)
{
    const struct pci_config *config = scan->tree->config;
    uint32_t address = pci_function_address(bridge);
    uint8_t first, last;

    if (pci_read8(config, address, PCI_BRIDGE_SECONDARY) != 0)
        return;
    if (depth == DEPTH_MAX || !numbers_find(scan, bridge->info.bus, limit, &first, &last)) {
        log_warning("pci " PCI_ADDRESS_FORMAT ": no bus number is left for what is behind it",
                    pci_address_arguments(address));
        return;
    }
    bridge_write_numbers(config, bridge, first, last);
    if (pci_read8(config, address, PCI_BRIDGE_SECONDARY) != first) {
        log_warning("pci " PCI_ADDRESS_FORMAT ": bridge does not take a bus number: not followed",
                    pci_address_arguments(address));
        bridge->info.secondary_bus = 0;
        bridge->subordinate_bus = 0;
        return;
    }
    pci_windows_close(config, bridge);
    bus_scan(scan, first, bridge->info.bus, last, depth + 1);

    while (last > first && !scan->entered[last])
        last--;
    bridge_write_numbers(config, bridge, first, last);
}

static void bus_scan(struct scan *scan, uint8_t bus, uint8_t parent_bus, uint8_t limit,
                     unsigned depth)
{
    struct pci_tree *tree = scan->tree;
    size_t begin = tree->count;

    scan->entered[bus] = true;
    for (unsigned device = 0; device < PCI_DEVICES_PER_BUS; device++)
        device_scan(scan, bus, (uint8_t)device, parent_bus);

    /* The firmware's numbers first, so that what is free is known for the rest. */
    size_t end = tree->count;
    for (size_t i = begin; i < end; i++) {
        if (pci_function_is_bridge(&tree->functions[i]))
            bridge_follow(scan, &tree->functions[i], limit, depth);
    }
    for (size_t i = begin; i < end; i++) {
        if (pci_function_is_bridge(&tree->functions[i]))
            bridge_number(scan, &tree->functions[i], limit, depth);
    }
}

int pci_tree_scan_device(struct pci_tree *tree, uint16_t segment, uint8_t bus, uint8_t device,
                         uint8_t parent_bus)
{
    struct scan scan = {.tree = tree, .segment = segment};

    device_scan(&scan, bus, device, parent_bus);
    return scan.full ? ENOSPC : 0;
}

int pci_tree_scan(struct pci_tree *tree, uint16_t segment, uint8_t first_bus, uint8_t last_bus)
{
    struct scan scan = {.tree = tree, .segment = segment};

    if (first_bus > last_bus)
        return EINVAL;
    bus_scan(&scan, first_bus, first_bus, last_bus, 0);
    return scan.full ? ENOSPC : 0;
}
