/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Base address registers (PCI 6.2.5.1) and bridge windows (bridge 3.2.5).
 */
#ifndef SERVER_PCI_BAR_H
#define SERVER_PCI_BAR_H

#include <server/pci/tree.h>

/* Find base and size of every BAR, and of the ROM. Sizes are found by writing ones with decoding
 * off; everything is put back. Registers that make no sense are reported in the log and left out.
 */
void pci_bars_probe(const struct pci_config *config, struct pci_function *function);

/* Give BAR `index` an address. EIO: the register does not take it (it is then without one). */
int pci_bar_assign(const struct pci_config *config, struct pci_function *function, unsigned index,
                   uint64_t base);

/* Whether BAR `index` is registers in memory that have an address. */
bool pci_bar_is_in_memory(const struct pci_function *function, unsigned index);

/* Another function with registers on the pages of memory BAR `index`, whether it has a driver or
 * not; null: none. */
const struct pci_function *pci_bar_neighbour(const struct pci_tree *tree,
                                             const struct pci_function *function, unsigned index);

/* What the bridge passes down now. */
void pci_windows_read(const struct pci_config *config, struct pci_function *bridge);

/* Close them all: what a reset leaves in the registers is a window at 0, in front of memory and of
 * the old ports. */
void pci_windows_close(const struct pci_config *config, struct pci_function *bridge);

/* Open an I/O or memory window; base and size are multiples of 4 KiB or 1 MiB. EIO: the bridge has
 * no such window or cannot reach there. */
int pci_window_open(const struct pci_config *config, struct pci_function *bridge,
                    enum pci_window_kind kind, uint64_t base, uint64_t size);

#endif
