/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What enumeration found: every function, with what the server has to know about it.
 */
#ifndef SERVER_PCI_TREE_H
#define SERVER_PCI_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <interface/bus.h>
#include <interface/types.h>

#include <server/pci/config.h>

#define PCI_BARS 6

struct pci_range {
    uint64_t base, size; /* size 0: none */
};

/* What a bridge passes down (bridge 3.2.5). */
enum pci_window_kind { PCI_WINDOW_IO, PCI_WINDOW_MEMORY, PCI_WINDOW_PREFETCH, PCI_WINDOWS };

struct pci_function {
    struct pci_function_info info;
    uint16_t power_offset, advanced_offset; /* of the capability, 0: none */
    uint16_t ats_offset;                    /* in extended space, 0: none */
    uint8_t msix_bar;
    uint32_t msix_table;       /* bytes into that BAR */
    uint8_t bars_without_base; /* a bit per BAR that exists and has no address */
    uint8_t bars_wanted;       /* those of them that assignment has yet to try */

    /* Bridges only. */
    uint8_t subordinate_bus;
    uint8_t windows_wanted; /* a bit per window that assignment has yet to open */
    struct pci_range window[PCI_WINDOWS];
};

struct pci_tree {
    const struct pci_config *config;
    size_t count;
    struct pci_function functions[PCI_FUNCTIONS_MAX];
};

static inline uint32_t pci_function_address(const struct pci_function *function)
{
    const struct pci_function_info *info = &function->info;

    return pci_address(info->segment, info->bus, info->device, info->function);
}

static inline bool pci_function_is_bridge(const struct pci_function *function)
{
    return (function->info.header_type & PCI_HEADER_LAYOUT) == PCI_HEADER_BRIDGE;
}

/* One that was taken out of its slot keeps its place in the tree until something else is there. */
static inline bool pci_function_is_present(const struct pci_function *function)
{
    return function->info.vendor != PCI_VENDOR_NONE;
}

/* Host bridges answer for the machine's memory, and interrupt controllers are the kernel's: even a
 * moment without decoding could take the machine down. */
static inline bool pci_function_is_system(const struct pci_function *function)
{
    uint8_t class_code = function->info.class_code;

    return (class_code == PCI_CLASS_BRIDGE || class_code == PCI_CLASS_SYSTEM) &&
           function->info.subclass == 0;
}

/* Find every function on buses `first_bus` to `last_bus` of a segment, starting on `first_bus`,
 * which is a root bus, and number the buses that the firmware left without a number. Adds to the
 * tree. 0, or ENOSPC if there are more functions than PCI_FUNCTIONS_MAX (the tree has the first).
 */
int pci_tree_scan(struct pci_tree *tree, uint16_t segment, uint8_t first_bus, uint8_t last_bus);

/* The functions of one device, which is not there yet, to the tree. ENOSPC. */
int pci_tree_scan_device(struct pci_tree *tree, uint16_t segment, uint8_t bus, uint8_t device,
                         uint8_t parent_bus);

/* Null if there is none. */
struct pci_function *pci_tree_find(struct pci_tree *tree, uint32_t address);

/* The bridge that leads to that bus; null for a root bus. */
struct pci_function *pci_tree_bridge(struct pci_tree *tree, uint16_t segment, uint8_t bus);

/* Who the function's bus transactions say they are from, as an IOMMU sees it: conventional bridges
 * put themselves in the place of what is behind them (VT-d specification 4.1, 3.4.1; PCI Express to
 * PCI Bridge specification 1.0, 2.3). */
uint32_t pci_tree_requester(struct pci_tree *tree, const struct pci_function *function);

/* The bridge on a root bus that the function is behind, or the function itself. */
uint32_t pci_tree_ancestor(struct pci_tree *tree, const struct pci_function *function);

#endif
