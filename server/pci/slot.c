/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/pci/slot.h>

#include <string.h>

#include <kit/clock.h>

/* PCIe 7.5.3.2, 7.5.3.6, 7.5.3.8 to 7.5.3.11 */
enum {
    EXPRESS_FLAGS = 2,
    EXPRESS_HAS_SLOT = 1u << 8,
    LINK_CAPABILITIES = 0x0c,
    LINK_REPORTS_ACTIVE = 1u << 20,
    LINK_STATUS = 0x12,
    LINK_ACTIVE = 1u << 13,
    SLOT_CAPABILITIES = 0x14,
    SLOT_HOT_PLUG = 1u << 6,
    SLOT_NO_COMPLETION = 1u << 18,
    SLOT_CONTROL = 0x18,
    SLOT_POWER_INDICATOR = 3u << 8,
    SLOT_INDICATOR_ON = 1u << 8,
    SLOT_INDICATOR_OFF = 3u << 8,
    SLOT_POWER_OFF = 1u << 10,
    SLOT_STATUS = 0x1a,
    SLOT_PRESSED = 1u << 0,
    SLOT_CHANGED = 1u << 3,
    SLOT_COMPLETED = 1u << 4,
    SLOT_PRESENT = 1u << 6,
};

#define COMMAND_LIMIT CLOCK_SECOND              /* 6.7.3.2 */
#define LINK_LIMIT    CLOCK_SECOND              /* 6.7.3.3 */
#define LINK_TIME     (100 * CLOCK_MILLISECOND) /* 6.6.1: before the first configuration request */
#define INTERVAL      CLOCK_MILLISECOND

bool pci_slot_exists(const struct pci_config *config, const struct pci_function *port)
{
    uint32_t address = pci_function_address(port);
    unsigned express = port->info.express_offset;

    return pci_function_is_bridge(port) && express != 0 && port->info.secondary_bus != 0 &&
           (pci_read16(config, address, express + EXPRESS_FLAGS) & EXPRESS_HAS_SLOT) &&
           (pci_read32(config, address, express + SLOT_CAPABILITIES) & SLOT_HOT_PLUG);
}

enum pci_slot_change pci_slot_look(const struct pci_config *config, const struct pci_function *port)
{
    uint32_t address = pci_function_address(port);
    unsigned express = port->info.express_offset;
    uint16_t status = pci_read16(config, address, express + SLOT_STATUS);
    uint16_t events = status & (SLOT_PRESSED | SLOT_CHANGED);

    if (events == 0 || status == UINT16_MAX)
        return PCI_SLOT_NOTHING;
    pci_write16(config, address, express + SLOT_STATUS, events); /* ones clear */
    if (!(status & SLOT_PRESENT))
        return events & SLOT_CHANGED ? PCI_SLOT_EMPTIED : PCI_SLOT_NOTHING;
    if (events & SLOT_CHANGED)
        return PCI_SLOT_OCCUPIED;
    bool off = pci_read16(config, address, express + SLOT_CONTROL) & SLOT_POWER_OFF;
    return off ? PCI_SLOT_OCCUPIED : PCI_SLOT_PRESSED;
}

static void bits_wait(const struct pci_config *config, uint32_t address, unsigned offset,
                      unsigned bits, uint64_t limit)
{
    uint64_t begun = clock_now();

    while (!(pci_read16(config, address, offset) & bits) && clock_now() - begun < limit)
        clock_sleep(INTERVAL);
}

void pci_slot_power(const struct pci_config *config, const struct pci_function *port, bool on)
{
    uint32_t address = pci_function_address(port);
    unsigned express = port->info.express_offset;

    pci_write16(config, address, express + SLOT_STATUS, SLOT_COMPLETED);
    pci_change16(config, address, express + SLOT_CONTROL, SLOT_POWER_INDICATOR | SLOT_POWER_OFF,
                 on ? SLOT_INDICATOR_ON : SLOT_INDICATOR_OFF | SLOT_POWER_OFF);
    if (!(pci_read32(config, address, express + SLOT_CAPABILITIES) & SLOT_NO_COMPLETION))
        bits_wait(config, address, express + SLOT_STATUS, SLOT_COMPLETED, COMMAND_LIMIT);
    if (!on)
        return;
    if (pci_read32(config, address, express + LINK_CAPABILITIES) & LINK_REPORTS_ACTIVE)
        bits_wait(config, address, express + LINK_STATUS, LINK_ACTIVE, LINK_LIMIT);
    clock_sleep(LINK_TIME);
}

void pci_slot_forget(struct pci_tree *tree, const struct pci_function *port)
{
    for (size_t i = 0; i < tree->count; i++) {
        struct pci_function *function = &tree->functions[i];
        struct pci_function_info info = function->info;
        if (!pci_function_is_present(function) || info.segment != port->info.segment ||
            info.bus != port->info.secondary_bus)
            continue;
        memset(function, 0, sizeof(*function));
        function->info.segment = info.segment;
        function->info.bus = info.bus;
        function->info.parent_bus = info.parent_bus;
        function->info.device = info.device;
        function->info.function = info.function;
        function->info.vendor = PCI_VENDOR_NONE;
    }
}

int pci_slot_scan(struct pci_tree *tree, const struct pci_function *port)
{
    return pci_tree_scan_device(tree, port->info.segment, port->info.secondary_bus, 0,
                                port->info.bus);
}
