/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Expansion ROMs (PCI 6.2.5.2). A function may have one decoder for its ROM and its registers, so
 * that a ROM is shown only while nobody uses the function.
 */
#ifndef SERVER_PCI_ROM_H
#define SERVER_PCI_ROM_H

#include <server/pci/tree.h>

/* Find base and size, with decoding off. A ROM that the firmware left switched on is switched off.
 */
void pci_rom_probe(const struct pci_config *config, struct pci_function *function);

/* The whole pages that the ROM is on. ENXIO: there is none, or it has no address at which it could
 * be read; EBUSY: somebody's registers are on them. */
int pci_rom_place(struct pci_tree *tree, const struct pci_function *function,
                  struct pci_range *pages);

/* Have the ROM answer where pci_rom_place says. `command` is what pci_rom_hide puts back. EIO: it
 * is not there any more. */
int pci_rom_show(struct pci_tree *tree, const struct pci_function *function, uint16_t *command);
void pci_rom_hide(const struct pci_config *config, const struct pci_function *function,
                  uint16_t command);

#endif
