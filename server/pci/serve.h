/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The server's interfaces: the bus, and one port per claimed function.
 */
#ifndef SERVER_PCI_SERVE_H
#define SERVER_PCI_SERVE_H

#include <mach/port.h>

#include <server/pci/tree.h>

/* Make the ports for the bus and for this task's own control, and publish them. The tree stays the
 * caller's and must live on. 0 or an errno value. */
int serve_start(struct pci_tree *tree, mach_port_t io_bus);

/* Whether a driver has it. */
bool serve_is_lent(const struct pci_function *function);

/* It is not there any more, and its driver has nothing left. */
void serve_withdraw(const struct pci_function *function);

/* Tell who watches the bus. */
void serve_changed(void);

#endif
