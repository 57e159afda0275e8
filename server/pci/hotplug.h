/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Functions that come and go while the machine runs (slot.h): the slots are looked at some times a
 * second, as nothing that happens there is urgent.
 */
#ifndef SERVER_PCI_HOTPLUG_H
#define SERVER_PCI_HOTPLUG_H

#include <stdbool.h>

#include <server/pci/tree.h>

/* `assign` gives addresses to what came without. */
void hotplug_start(struct pci_tree *tree, void (*assign)(void));

/* A function that is leaving is lent to nobody any more: with the last one its slot loses its
 * power. False: it has it, as another one is still lent.
 */
bool hotplug_released(const struct pci_function *function);

#endif
