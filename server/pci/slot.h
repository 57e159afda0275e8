/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Slots from which devices are taken, and into which they are put, while the machine runs (PCIe
 * 6.7). What is in a slot are the functions of device 0 of the bus behind its port. Portable.
 */
#ifndef SERVER_PCI_SLOT_H
#define SERVER_PCI_SLOT_H

#include <stdbool.h>

#include <server/pci/tree.h>

enum pci_slot_change {
    PCI_SLOT_NOTHING,
    PCI_SLOT_PRESSED,  /* somebody wants to take out what is there */
    PCI_SLOT_OCCUPIED, /* something is there that was not, perhaps in the place of something else */
    PCI_SLOT_EMPTIED,  /* nothing is there any more */
};

/* Whether the port has a slot whose contents may change. */
bool pci_slot_exists(const struct pci_config *config, const struct pci_function *port);

/* What happened since it was looked at last. */
enum pci_slot_change pci_slot_look(const struct pci_config *config,
                                   const struct pci_function *port);

/* Give it power and wait until what is there may be asked for its registers, or take the power
 * away. */
void pci_slot_power(const struct pci_config *config, const struct pci_function *port, bool on);

/* What is behind the port is not there any more; add to the tree what is there now. */
void pci_slot_forget(struct pci_tree *tree, const struct pci_function *port);
int pci_slot_scan(struct pci_tree *tree, const struct pci_function *port);

#endif
