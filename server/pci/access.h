/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reaching configuration space: mapped where ACPI says that it is (ECAM, PCIe 7.2.2), otherwise by
 * the ports 0xcf8 and 0xcfc (PCI 3.2.2.3.2), which know one segment and 256 bytes per function.
 */
#ifndef SERVER_PCI_ACCESS_H
#define SERVER_PCI_ACCESS_H

#include <stddef.h>

#include <mach/port.h>

#include <server/pci/config.h>
#include <server/pci/mcfg.h>

enum { ACCESS_REGIONS_MAX = 8 };

/* Get hold of configuration space from the authority. 0, or an errno value with a line in the log.
 */
int access_start(mach_port_t io_bus, struct pci_config *config);

/* Registers or a ROM, whole pages of memory that nobody has: what is there, to be read. It is ours
 * from then on. */
int access_window(uint64_t base, uint64_t size, const volatile uint8_t **bytes);

/* Segments and their buses; at least one once access_start succeeded. A region with base 0 is
 * reached by ports. */
const struct mcfg_region *access_regions(size_t *count);

#endif
