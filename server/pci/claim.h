/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A function that was taken for a driver, and what the authority holds for it.
 */
#ifndef SERVER_PCI_CLAIM_H
#define SERVER_PCI_CLAIM_H

#include <mach/port.h>

#include <server/pci/tree.h>

struct pci_claim {
    struct pci_tree *tree;
    struct pci_function *function; /* null: this claim is free */
    mach_port_t io_bus, io_device;
    unsigned wanted, vectors; /* interrupts: that the driver can use, that it was granted */
    enum { PCI_CLAIM_NONE, PCI_CLAIM_LINE, PCI_CLAIM_MSI, PCI_CLAIM_MSIX } interrupts;
    char name[OUTBOARD_NAME_SIZE];
};

/* Make a device of the function at the authority: its windows, its ports, its interrupts. Bus
 * mastering is off afterwards. 0, or an errno value with a line in the log: EPERM for what is no
 * driver's (bridges), ENODEV if it does not answer any more, ENOSPC if a BAR has no address, or
 * what the authority said. */
int pci_claim_make(struct pci_claim *claim, struct pci_tree *tree, struct pci_function *function,
                   mach_port_t io_bus, const char *name, unsigned wanted);

/* Hold back a line or an MSI. ENOTSUP: the function cannot; EINVAL: it has MSI-X; ENXIO: nothing.
 */
int pci_claim_interrupt_mask(const struct pci_claim *claim, bool masked);

/* Silence, reset if wanted, take everything back. 0; ENOTSUP: it has no reset; EIO: it does not
 * come back from it. */
int pci_claim_release(struct pci_claim *claim, bool reset);

/* The same where a server before this one made the claim, which the authority still has for a
 * driver that is gone, until another one is made. ENODEV: not reset, or no driver's. */
int pci_claim_forgotten(struct pci_tree *tree, const struct pci_function *function, bool reset);

#endif
