/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/pci/rom.h>

#include <errno.h>
#include <inttypes.h>

#include <kit/log.h>
#include <server/pci/bar.h>
#include <server/pci/command.h>

/* PCI 6.2.5.2; of a bridge: bridge 3.2.5.14. */
#define ROM_ENABLE  UINT32_C(1)
#define ROM_ADDRESS UINT32_C(0xfffff800)
enum { ROM_SIZE_MAX = 16 << 20, PAGE = 4096 };

static unsigned rom_offset(const struct pci_function *function)
{
    return pci_function_is_bridge(function) ? PCI_BRIDGE_ROM : PCI_ROM;
}

void pci_rom_probe(const struct pci_config *config, struct pci_function *function)
{
    uint32_t address = pci_function_address(function);
    unsigned offset = rom_offset(function);
    uint32_t before = pci_read32(config, address, offset);

    pci_write32(config, address, offset, ROM_ADDRESS);
    uint32_t mask = pci_read32(config, address, offset) & ROM_ADDRESS;
    pci_write32(config, address, offset, before & ROM_ADDRESS);
    if (mask == 0)
        return;
    /* One run of ones, up to the top: there are no ROMs of fewer address bits. */
    if ((mask | (mask - 1)) != UINT32_MAX || (mask & -mask) > ROM_SIZE_MAX) {
        log_warning("pci " PCI_ADDRESS_FORMAT ": its ROM makes no sense (%08" PRIx32
                    " after writing ones): left out",
                    pci_address_arguments(address), mask);
        return;
    }
    function->info.rom_base = before & mask;
    function->info.rom_size = mask & -mask;
}

static bool overlaps(const struct pci_range *range, uint64_t base, uint64_t size)
{
    return base < range->base + range->size && range->base < base + size;
}

static bool is_registers(const struct pci_tree *tree, const struct pci_range *range)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct pci_function *function = &tree->functions[i];

        for (unsigned index = 0; index < PCI_BARS; index++) {
            if (pci_bar_is_in_memory(function, index) &&
                overlaps(range, function->info.bar[index].base, function->info.bar[index].size))
                return true;
        }
    }
    return false;
}

/* Whether every bridge above passes it down. */
static bool is_reached(struct pci_tree *tree, const struct pci_function *function,
                       const struct pci_range *range)
{
    const struct pci_function *bridge;

    while ((bridge = pci_tree_bridge(tree, function->info.segment, function->info.bus)) != NULL) {
        bool passed = false;
        for (unsigned kind = PCI_WINDOW_MEMORY; kind <= PCI_WINDOW_PREFETCH; kind++) {
            const struct pci_range *window = &bridge->window[kind];
            passed |= range->base >= window->base && range->size <= window->size &&
                      range->base - window->base <= window->size - range->size;
        }
        if (!passed)
            return false;
        function = bridge;
    }
    return true;
}

/* Memory that is decoded is decoded for all BARs (PCI 6.2.2): each must have an address. */
static bool may_decode(const struct pci_function *function)
{
    for (unsigned index = 0; index < PCI_BARS; index++) {
        if (function->info.bar[index].size != 0 &&
            !(function->info.bar[index].flags & PCI_BAR_PORTS) &&
            (function->bars_without_base & 1u << index))
            return false;
    }
    return true;
}

int pci_rom_place(struct pci_tree *tree, const struct pci_function *function,
                  struct pci_range *pages)
{
    uint64_t base = function->info.rom_base, size = function->info.rom_size;

    if (size == 0 || base == 0 || !may_decode(function))
        return ENXIO;
    pages->base = base & ~(uint64_t)(PAGE - 1);
    pages->size = ((base + size + PAGE - 1) & ~(uint64_t)(PAGE - 1)) - pages->base;
    if (!is_reached(tree, function, &(struct pci_range){base, size}))
        return ENXIO;
    return is_registers(tree, pages) ? EBUSY : 0;
}

int pci_rom_show(struct pci_tree *tree, const struct pci_function *function, uint16_t *command)
{
    uint32_t address = pci_function_address(function);
    uint32_t base = (uint32_t)function->info.rom_base;

    /* A reset loses it, and what was taken out of its slot is all ones. */
    if (pci_read32(tree->config, address, rom_offset(function)) != base)
        return EIO;
    *command = pci_read16(tree->config, address, PCI_COMMAND);
    /* Nothing else is switched off: what is behind a bridge goes on while its ROM is read. */
    pci_path_open(tree, function, PCI_COMMAND_MEMORY);
    pci_change16(tree->config, address, PCI_COMMAND, 0, PCI_COMMAND_MEMORY);
    pci_write32(tree->config, address, rom_offset(function), base | ROM_ENABLE);
    return 0;
}

void pci_rom_hide(const struct pci_config *config, const struct pci_function *function,
                  uint16_t command)
{
    uint32_t address = pci_function_address(function);

    pci_write32(config, address, rom_offset(function), (uint32_t)function->info.rom_base);
    pci_write16(config, address, PCI_COMMAND, command);
}
