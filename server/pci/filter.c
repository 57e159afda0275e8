/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/pci/filter.h>

#include <server/pci/capability.h>

/* PCI 6.7 and appendix H; PCIe 7.9.5. */
enum {
    VENDOR_LENGTH = 2,
    VENDOR_BODY = 3,
    EXTENDED_VENDOR_HEADER = 4,
    EXTENDED_VENDOR_BODY = 8,
};

/* Virtio 1.2, 4.1.2 and 4.1.4.9: one of a virtio device's capabilities is a way to all of its
 * memory, to the interrupt table too, and which one comes first is the device's choice. Its drivers
 * write none of them. */
enum { VENDOR_VIRTIO = 0x1af4 };

static bool is_inside(unsigned offset, unsigned width, unsigned first, unsigned end)
{
    return first < end && offset >= first && offset < end && width <= end - offset;
}

/* A length that reaches into the next capability, or whatever else the function knows of there,
 * makes the whole capability read-only. */
static bool is_clean(const struct pci_config *config, uint32_t address, unsigned first,
                     unsigned end, unsigned space)
{
    if (end > space)
        return false;
    for (unsigned id = 0; id <= UINT8_MAX; id++) {
        unsigned other = pci_capability_find(config, address, (uint8_t)id);
        if (other > first && other < end)
            return false;
    }
    return true;
}

bool pci_filter_allows(const struct pci_config *config, const struct pci_function *function,
                       unsigned offset, unsigned width)
{
    uint32_t address = pci_function_address(function);

    if (is_inside(offset, width, PCI_CACHE_LINE, PCI_HEADER_TYPE))
        return true;
    if (function->info.vendor == VENDOR_VIRTIO)
        return false;
    unsigned vendor = pci_capability_find(config, address, PCI_CAPABILITY_VENDOR);
    if (vendor != 0) {
        unsigned end = vendor + pci_read8(config, address, vendor + VENDOR_LENGTH);
        if (is_inside(offset, width, vendor + VENDOR_BODY, end) &&
            is_clean(config, address, vendor, end, PCI_SPACE_SIZE))
            return true;
    }
    vendor = function->info.express_offset != 0
                 ? pci_extended_find(config, address, PCI_EXTENDED_VENDOR)
                 : 0;
    if (vendor == 0)
        return false;
    unsigned end = vendor + (pci_read32(config, address, vendor + EXTENDED_VENDOR_HEADER) >> 20);
    unsigned next = pci_read32(config, address, vendor) >> 20 & 0xffc;
    return (next == 0 || next >= end || next < vendor) && end <= PCI_EXTENDED_SPACE_SIZE &&
           is_inside(offset, width, vendor + EXTENDED_VENDOR_BODY, end);
}
