/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Addresses for BARs that the firmware left empty.
 *
 * Which addresses the host bridge passes to PCI stands in ACPI's AML, which nothing here reads. So
 * the choice is conservative: inside the windows of the bridge above, if there is one; on a root
 * bus close to what the firmware itself assigned and switched on there. Nothing that has an address
 * is moved.
 */
#ifndef SERVER_PCI_ASSIGN_H
#define SERVER_PCI_ASSIGN_H

#include <server/pci/tree.h>

/* What else is not free, and who knows better: `usable` is asked about every choice. `function` is
 * the one that would get the address. */
struct pci_assign_limits {
    const struct pci_range *reserved; /* in memory space */
    size_t reserved_count;
    bool (*usable)(void *context, const struct pci_function *function, bool ports, uint64_t base,
                   uint64_t size);
    void *context;
};

/* Every BAR that stays without an address keeps its bit in bars_without_base and a line in the
 * log. */
void pci_assign(struct pci_tree *tree, const struct pci_assign_limits *limits);

#endif
