/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What bus servers say of their devices. Machine byte order; reserved fields are zero.
 */
#ifndef INTERFACE_BUS_H
#define INTERFACE_BUS_H

#include <assert.h>
#include <stdint.h>

/* A fixed device, at the ports and lines where it always is. */
#define ISA_RANGES 3
#define ISA_LINES  2
struct isa_resources {
    struct {
        uint16_t first, last; /* both 0: no more */
    } ports[ISA_RANGES];
    uint16_t probe;          /* reads as all ones where there is no device, and disturbs nothing */
    uint8_t line[ISA_LINES]; /* 0: no more */
};
static_assert(sizeof(struct isa_resources) == 16, "wire layout");

/* A PCI function as the bus server found it. */
struct pci_function_info {
    uint16_t segment;
    uint8_t bus, device, function;
    uint8_t header_type;
    uint8_t parent_bus; /* the bus whose bridge leads here; equals `bus` on a root bus */
    uint8_t interrupt_pin;
    uint16_t vendor, device_id;
    uint16_t subsystem_vendor, subsystem_id;
    uint8_t class_code, subclass, interface, revision;
    uint8_t interrupt_line;
    uint8_t claimed;       /* lent to a driver */
    uint8_t secondary_bus; /* bridges only */
    uint8_t leaving;       /* somebody wants to take it out of its slot */
    struct {
        uint64_t base, size; /* size 0: not there */
        uint32_t flags;      /* enum pci_bar_flags */
        uint32_t reserved;
    } bar[6];
    uint16_t msi_offset, msix_offset, express_offset; /* of the capability, 0: none */
    uint16_t msix_vectors;
    uint64_t rom_base, rom_size; /* base 0: it has no address; size 0: there is none */
};
static_assert(sizeof(struct pci_function_info) == 192, "wire layout");

enum pci_bar_flags {
    PCI_BAR_PORTS = 1u << 0,
    PCI_BAR_64 = 1u << 1,
    PCI_BAR_PREFETCHABLE = 1u << 2,
};

#define PCI_FUNCTIONS_MAX 256

#endif
