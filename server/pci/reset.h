/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Power state and function reset.
 */
#ifndef SERVER_PCI_RESET_H
#define SERVER_PCI_RESET_H

#include <server/pci/tree.h>

/* Bring the function to D0 if it sleeps; its header is as it was. Waits 10 ms if it slept. */
void pci_function_wake(const struct pci_config *config, const struct pci_function *function);

/* Reset the function, which has been silenced, and put its header back, decoding off. By function
 * level reset (PCIe 6.6.2), the same of Advanced Features, a round through D3hot, or a reset of its
 * bus if nothing else is on it. Waits 100 ms, longer while transactions are pending. ENOTSUP: none
 * of these is possible, and only decoding is off; EIO: it does not come back. */
int pci_function_reset(struct pci_tree *tree, const struct pci_function *function);

#endif
