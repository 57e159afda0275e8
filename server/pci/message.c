/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/pci/message.h>

#include <errno.h>

/* PCI 6.8.1. Data and mask lie 4 bytes further where addresses are 64 bits wide. */
enum {
    MSI_CONTROL = 2,
    MSI_ADDRESS = 4,
    MSI_ADDRESS_HIGH = 8,
    MSI_DATA = 8,
    MSI_MASK = 12,
    MSI_WIDE_MORE = 4,
    MSI_ENABLE = 1u << 0,
    MSI_MULTIPLE = 7u << 4,
    MSI_WIDE = 1u << 7,
    MSI_MASKABLE = 1u << 8,
};

/* PCI 6.8.2. */
enum {
    MSIX_CONTROL = 2,
    MSIX_MASK_ALL = 1u << 14,
    MSIX_ENABLE = 1u << 15,
};

int pci_msi_enable(const struct pci_config *config, const struct pci_function *function,
                   uint64_t target, uint32_t data)
{
    uint32_t address = pci_function_address(function);
    unsigned offset = function->info.msi_offset;

    if (offset == 0)
        return ENOTSUP;
    uint16_t control = pci_read16(config, address, offset + MSI_CONTROL);
    unsigned more = control & MSI_WIDE ? MSI_WIDE_MORE : 0;
    if ((more == 0 && target > UINT32_MAX) || data > UINT16_MAX)
        return ENOTSUP;

    pci_write32(config, address, offset + MSI_ADDRESS, (uint32_t)target);
    if (more != 0)
        pci_write32(config, address, offset + MSI_ADDRESS_HIGH, (uint32_t)(target >> 32));
    pci_write16(config, address, offset + MSI_DATA + more, (uint16_t)data);
    if (control & MSI_MASKABLE)
        pci_write32(config, address, offset + MSI_MASK + more, ~1u);
    pci_write16(config, address, offset + MSI_CONTROL,
                (uint16_t)((control & ~MSI_MULTIPLE) | MSI_ENABLE));
    return 0;
}

int pci_msi_mask(const struct pci_config *config, const struct pci_function *function, bool masked)
{
    uint32_t address = pci_function_address(function);
    unsigned offset = function->info.msi_offset;
    uint16_t control = pci_read16(config, address, offset + MSI_CONTROL);

    if (!(control & MSI_MASKABLE))
        return ENOTSUP;
    pci_write32(config, address, offset + MSI_MASK + (control & MSI_WIDE ? MSI_WIDE_MORE : 0),
                masked ? ~0u : ~1u);
    return 0;
}

void pci_msi_disable(const struct pci_config *config, const struct pci_function *function)
{
    if (function->info.msi_offset != 0)
        pci_change16(config, pci_function_address(function),
                     function->info.msi_offset + MSI_CONTROL, MSI_ENABLE, 0);
}

void pci_msix_enable(const struct pci_config *config, const struct pci_function *function)
{
    if (function->info.msix_offset != 0)
        pci_change16(config, pci_function_address(function),
                     function->info.msix_offset + MSIX_CONTROL, MSIX_MASK_ALL, MSIX_ENABLE);
}

void pci_msix_hold(const struct pci_config *config, const struct pci_function *function)
{
    if (function->info.msix_offset != 0)
        pci_change16(config, pci_function_address(function),
                     function->info.msix_offset + MSIX_CONTROL, 0, MSIX_MASK_ALL);
}

void pci_msix_disable(const struct pci_config *config, const struct pci_function *function)
{
    if (function->info.msix_offset != 0)
        pci_change16(config, pci_function_address(function),
                     function->info.msix_offset + MSIX_CONTROL, MSIX_ENABLE, MSIX_MASK_ALL);
}
