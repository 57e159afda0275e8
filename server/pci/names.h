/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What PCI ids are called. The data is the archive's file `pci.names`, which make-names writes:
 * lines "KEY NAME" in ascending byte order, where KEY is
 *
 *   C01, C0108, C010802     class, subclass, programming interface
 *   D808610d3               device, after its vendor
 *   V8086                   vendor
 *
 * in lower-case hexadecimal.
 */
#ifndef SERVER_PCI_NAMES_H
#define SERVER_PCI_NAMES_H

#include <stddef.h>
#include <stdint.h>

/* "Intel Corporation 82574L Gigabit Network Connection". 0, or ENOENT if vendor or device has no
 * name; the text then has its number: "Intel Corporation device 1234". Cut off at `out_size`. */
int pci_names_find(const char *data, size_t size, uint16_t vendor, uint16_t device, char *out,
                   size_t out_size);

/* "Non-Volatile memory controller, NVM Express". ENOENT if neither class nor subclass has a name.
 */
int pci_names_class(const char *data, size_t size, uint8_t class_code, uint8_t subclass,
                    uint8_t interface, char *out, size_t out_size);

#endif
