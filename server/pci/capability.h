/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Capability lists: PCI 6.7, and in extended configuration space PCIe 7.6.3.
 */
#ifndef SERVER_PCI_CAPABILITY_H
#define SERVER_PCI_CAPABILITY_H

#include <server/pci/tree.h>

enum pci_capability_id {
    PCI_CAPABILITY_POWER = 0x01,
    PCI_CAPABILITY_MSI = 0x05,
    PCI_CAPABILITY_VENDOR = 0x09,
    PCI_CAPABILITY_EXPRESS = 0x10,
    PCI_CAPABILITY_MSIX = 0x11,
    PCI_CAPABILITY_ADVANCED = 0x13, /* Advanced Features ECN: reset for conventional functions */
};

enum pci_extended_id {
    PCI_EXTENDED_VENDOR = 0x000b,
    PCI_EXTENDED_ATS = 0x000f, /* PCIe 10.5.1: address translation services */
};

/* Offset of the first capability with that id, 0 if there is none. Lists that leave the space or
 * loop end there. */
uint16_t pci_capability_find(const struct pci_config *config, uint32_t address, uint8_t id);
uint16_t pci_extended_find(const struct pci_config *config, uint32_t address, uint16_t id);

/* Fill in what the server uses of the function's capabilities. After pci_bars_probe: an MSI-X table
 * that is not inside a memory BAR counts as none. */
void pci_capabilities_probe(const struct pci_config *config, struct pci_function *function);

#endif
