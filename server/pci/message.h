/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Message-signalled interrupts, as far as configuration space has them (PCI 6.8). The MSI-X table
 * is the authority's.
 */
#ifndef SERVER_PCI_MESSAGE_H
#define SERVER_PCI_MESSAGE_H

#include <server/pci/tree.h>

/* One message for the whole function. ENOTSUP: it has no MSI, or cannot reach the address. */
int pci_msi_enable(const struct pci_config *config, const struct pci_function *function,
                   uint64_t address, uint32_t data);

/* Hold it back, or let it go: what came meanwhile comes then. ENOTSUP: it has no mask bits. */
int pci_msi_mask(const struct pci_config *config, const struct pci_function *function, bool masked);
void pci_msi_disable(const struct pci_config *config, const struct pci_function *function);

/* The table's own mask bits decide from now on. */
void pci_msix_enable(const struct pci_config *config, const struct pci_function *function);
/* None of them may come. MSI-X stays the function's way, so that nothing comes by another one, and
 * a device that has just raised one does not find itself without. */
void pci_msix_hold(const struct pci_config *config, const struct pci_function *function);
void pci_msix_disable(const struct pci_config *config, const struct pci_function *function);

#endif
