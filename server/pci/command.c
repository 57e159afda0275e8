/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/pci/command.h>

#include <server/pci/message.h>

enum { ATS_CONTROL = 6, ATS_ENABLE = 1u << 15 };

/* A parent has a lower bus number than its children, so this ends. */
void pci_path_open(struct pci_tree *tree, const struct pci_function *function, unsigned set)
{
    const struct pci_function *bridge;

    while ((bridge = pci_tree_bridge(tree, function->info.segment, function->info.bus)) != NULL) {
        pci_change16(tree->config, pci_function_address(bridge), PCI_COMMAND, 0, set);
        function = bridge;
    }
}

/* Decoding of a kind is switched on only if every BAR of the kind has an address: one without would
 * answer at 0. */
static unsigned decode_bits(const struct pci_function *function)
{
    unsigned have = 0, lack = 0;

    for (unsigned i = 0; i < PCI_BARS; i++) {
        unsigned bit =
            function->info.bar[i].flags & PCI_BAR_PORTS ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
        if (function->info.bar[i].size == 0)
            continue;
        if (function->bars_without_base & 1u << i)
            lack |= bit;
        else
            have |= bit;
    }
    return have & ~lack;
}

void pci_function_decode(struct pci_tree *tree, const struct pci_function *function, bool on)
{
    unsigned set = on ? decode_bits(function) : 0;

    if (on)
        pci_path_open(tree, function, set);
    pci_change16(tree->config, pci_function_address(function), PCI_COMMAND,
                 PCI_COMMAND_IO | PCI_COMMAND_MEMORY, set);
}

void pci_function_master(struct pci_tree *tree, const struct pci_function *function, bool on)
{
    if (on)
        pci_path_open(tree, function, PCI_COMMAND_MASTER);
    pci_change16(tree->config, pci_function_address(function), PCI_COMMAND, PCI_COMMAND_MASTER,
                 on ? PCI_COMMAND_MASTER : 0);
}

void pci_function_line(const struct pci_config *config, const struct pci_function *function,
                       bool on)
{
    pci_change16(config, pci_function_address(function), PCI_COMMAND, PCI_COMMAND_NO_INTX,
                 on ? 0 : PCI_COMMAND_NO_INTX);
}

void pci_function_silence(const struct pci_config *config, const struct pci_function *function)
{
    uint32_t address = pci_function_address(function);

    pci_change16(config, address, PCI_COMMAND, PCI_COMMAND_MASTER, PCI_COMMAND_NO_INTX);
    pci_msi_disable(config, function);
    pci_msix_hold(config, function);
    if (function->ats_offset != 0)
        pci_change16(config, address, function->ats_offset + ATS_CONTROL, ATS_ENABLE, 0);
}
