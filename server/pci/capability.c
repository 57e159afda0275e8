/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/pci/capability.h>

#include <kit/log.h>

enum {
    LIST_BEGIN = 0x40, /* what is below is the header */
    LIST_MAX = (PCI_SPACE_SIZE - LIST_BEGIN) / 4,
    EXTENDED_BEGIN = 0x100,
    EXTENDED_MAX = (PCI_EXTENDED_SPACE_SIZE - EXTENDED_BEGIN) / 4,

    MSIX_CONTROL = 2,
    MSIX_TABLE = 4,
    MSIX_ENTRIES = 0x7ff, /* of control: their number less one */
    MSIX_BAR = 0x7,       /* of the table register: which BAR */
    MSIX_ENTRY_SIZE = 16,
};

uint16_t pci_capability_find(const struct pci_config *config, uint32_t address, uint8_t id)
{
    if (!(pci_read16(config, address, PCI_STATUS) & PCI_STATUS_CAPABILITIES))
        return 0;

    /* A list without a loop has no more entries than fit, at 4 bytes each. */
    unsigned offset = pci_read8(config, address, PCI_CAPABILITIES) & 0xfc;
    for (unsigned i = 0; i < LIST_MAX && offset >= LIST_BEGIN; i++) {
        uint16_t header = pci_read16(config, address, offset);
        if (header == UINT16_MAX)
            return 0;
        if ((header & 0xff) == id)
            return (uint16_t)offset;
        offset = header >> 8 & 0xfc;
    }
    return 0;
}

uint16_t pci_extended_find(const struct pci_config *config, uint32_t address, uint16_t id)
{
    unsigned offset = EXTENDED_BEGIN;

    for (unsigned i = 0; i < EXTENDED_MAX && offset >= EXTENDED_BEGIN; i++) {
        uint32_t header = pci_read32(config, address, offset);
        /* All zeroes: an empty list; all ones: no extended space. */
        if (header == 0 || header == UINT32_MAX)
            return 0;
        if ((header & 0xffff) == id)
            return (uint16_t)offset;
        offset = header >> 20 & 0xffc;
    }
    return 0;
}

static void msix_probe(const struct pci_config *config, struct pci_function *function)
{
    uint32_t address = pci_function_address(function);
    uint16_t offset = pci_capability_find(config, address, PCI_CAPABILITY_MSIX);

    if (offset == 0)
        return;
    unsigned vectors = (pci_read16(config, address, offset + MSIX_CONTROL) & MSIX_ENTRIES) + 1u;
    uint32_t table = pci_read32(config, address, offset + MSIX_TABLE);
    unsigned bar = table & MSIX_BAR;
    uint64_t size = 0;

    table &= ~(uint32_t)MSIX_BAR;
    if (bar < PCI_BARS && !(function->info.bar[bar].flags & PCI_BAR_PORTS))
        size = function->info.bar[bar].size;
    if (table > size || vectors * MSIX_ENTRY_SIZE > size - table) {
        log_warning("pci " PCI_ADDRESS_FORMAT ": MSI-X table of %u entries at BAR %u + 0x%x is "
                    "outside the BAR: MSI-X not used",
                    pci_address_arguments(address), vectors, bar, (unsigned)table);
        return;
    }
    function->info.msix_offset = offset;
    function->info.msix_vectors = (uint16_t)vectors;
    function->msix_bar = (uint8_t)bar;
    function->msix_table = table;
}

void pci_capabilities_probe(const struct pci_config *config, struct pci_function *function)
{
    uint32_t address = pci_function_address(function);

    function->info.msi_offset = pci_capability_find(config, address, PCI_CAPABILITY_MSI);
    function->info.express_offset = pci_capability_find(config, address, PCI_CAPABILITY_EXPRESS);
    function->power_offset = pci_capability_find(config, address, PCI_CAPABILITY_POWER);
    function->advanced_offset = pci_capability_find(config, address, PCI_CAPABILITY_ADVANCED);
    if (function->info.express_offset != 0)
        function->ats_offset = pci_extended_find(config, address, PCI_EXTENDED_ATS);
    msix_probe(config, function);
}
