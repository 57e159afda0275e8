/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a function answers to, and whether it may speak (PCI 6.2.2).
 */
#ifndef SERVER_PCI_COMMAND_H
#define SERVER_PCI_COMMAND_H

#include <server/pci/tree.h>

/* Let the function answer at those BARs that have addresses, or at none. Opens the bridges above.
 */
void pci_function_decode(struct pci_tree *tree, const struct pci_function *function, bool on);

/* Set these bits of the command register of all bridges above. */
void pci_path_open(struct pci_tree *tree, const struct pci_function *function, unsigned set);

/* Let it master the bus, and the bridges above forward what it says. */
void pci_function_master(struct pci_tree *tree, const struct pci_function *function, bool on);

/* Whether it may raise its interrupt pin. */
void pci_function_line(const struct pci_config *config, const struct pci_function *function,
                       bool on);

/* Not a word any more: no bus mastering, no messages, no line, and no address translation of its
 * own, with which it would get past an IOMMU (PCIe 10.1.1). */
void pci_function_silence(const struct pci_config *config, const struct pci_function *function);

#endif
