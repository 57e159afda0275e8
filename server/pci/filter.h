/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which of its function's configuration registers a driver may write.
 */
#ifndef SERVER_PCI_FILTER_H
#define SERVER_PCI_FILTER_H

#include <server/pci/tree.h>

/* Whether every byte of [offset, offset + width) may be written: the cache line size and latency
 * timer, and the body of vendor-specific capabilities, but for virtio's, which no other
 * specification gives power over anything else. All other registers decide where a function
 * appears, what it reaches, whom it interrupts or what others see of it; what of that a driver
 * needs has a call of its own. */
bool pci_filter_allows(const struct pci_config *config, const struct pci_function *function,
                       unsigned offset, unsigned width);

#endif
