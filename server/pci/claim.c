/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/pci/claim.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <interface/io_bus_user.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <kit/log.h>
#include <server/pci/bar.h>
#include <server/pci/command.h>
#include <server/pci/message.h>
#include <server/pci/reset.h>

static int claim_check(const struct pci_tree *tree, const struct pci_function *function,
                       const char *name)
{
    uint32_t address = pci_function_address(function);

    if ((function->info.header_type & PCI_HEADER_LAYOUT) != PCI_HEADER_NORMAL ||
        pci_function_is_system(function)) {
        log_warning("pci " PCI_ADDRESS_FORMAT ": not lent to %s: it is part of the machine itself",
                    pci_address_arguments(address), name);
        return EPERM;
    }
    if (pci_read16(tree->config, address, PCI_VENDOR) != function->info.vendor) {
        log_error("pci " PCI_ADDRESS_FORMAT ": does not answer any more",
                  pci_address_arguments(address));
        return ENODEV;
    }
    return 0;
}

/* What is wrong, and what is to be done. */
static const char *bar_problem(int error)
{
    switch (error) {
    case ENOSPC:
        return "it has no address, and there is no room for it: give it a slot below another "
               "bridge";
    case ERANGE:
        return "there are no such ports: the firmware has to place it elsewhere";
    case EBUSY:
        return "another has that range (see the authority's line): the firmware has to place it "
               "elsewhere";
    case EPERM:
        return "it is not in pages of its own, or where memory is: the firmware has to place it "
               "elsewhere";
    default:
        return strerror(error);
    }
}

/* The authority knows of those only that are lent. */
static bool has_pages_of_its_own(const struct pci_claim *claim, unsigned index)
{
    const struct pci_function *neighbour = pci_bar_neighbour(claim->tree, claim->function, index);

    if (neighbour)
        log_warning("%s: BAR %u shares a page with registers of pci " PCI_ADDRESS_FORMAT,
                    claim->name, index, pci_address_arguments(pci_function_address(neighbour)));
    return !neighbour;
}

static int bar_lend(const struct pci_claim *claim, unsigned index)
{
    const struct pci_function *function = claim->function;
    uint64_t base = function->info.bar[index].base, size = function->info.bar[index].size;
    bool ports = function->info.bar[index].flags & PCI_BAR_PORTS;
    int error;

    if (size == 0)
        return 0;
    if (function->bars_without_base & 1u << index) {
        /* Drivers of devices that have both use memory; ports are there for old ones. */
        if (ports)
            return 0;
        error = ENOSPC;
    } else if (!ports && !has_pages_of_its_own(claim, index)) {
        error = EPERM;
    } else if (!ports) {
        error = error_from_kernel(
            io_bus_device_add_window(claim->io_bus, claim->io_device, index, base, size));
    } else if (base + (size - 1) > UINT16_MAX) {
        error = ERANGE;
    } else {
        error = error_from_kernel(io_bus_device_add_ports(
            claim->io_bus, claim->io_device, index, (unsigned)base, (unsigned)(base + (size - 1))));
    }
    if (error != 0)
        log_error("pci " PCI_ADDRESS_FORMAT ": BAR %u (0x%llx bytes at 0x%llx) cannot be lent to "
                  "%s: %s",
                  pci_address_arguments(pci_function_address(function)), index,
                  (unsigned long long)size, (unsigned long long)base, claim->name,
                  bar_problem(error));
    return error;
}

/* The whole table is named, however few vectors are granted: the authority has to hide all of it.
 */
static int msix_lend(struct pci_claim *claim)
{
    const struct pci_function *function = claim->function;
    unsigned granted = 0;

    if (function->info.msix_offset == 0)
        return ENOTSUP;
    int error = error_from_kernel(io_bus_device_add_msix(
        claim->io_bus, claim->io_device, function->msix_bar, function->msix_table,
        function->info.msix_vectors, claim->wanted, &granted));
    if (error == 0) {
        pci_msix_enable(claim->tree->config, function);
        claim->interrupts = PCI_CLAIM_MSIX;
        claim->vectors = granted;
    }
    return error;
}

static int msi_lend(struct pci_claim *claim)
{
    uint64_t target = 0;
    unsigned data = 0;

    if (claim->function->info.msi_offset == 0)
        return ENOTSUP;
    int error =
        error_from_kernel(io_bus_device_add_msi(claim->io_bus, claim->io_device, &target, &data));
    if (error == 0)
        error = pci_msi_enable(claim->tree->config, claim->function, target, data);
    if (error == 0) {
        claim->interrupts = PCI_CLAIM_MSI;
        claim->vectors = 1;
    }
    return error;
}

/* The line that the firmware wrote down (PCI 6.2.4): 0 is the timer's, 255 means none. */
static int line_lend(struct pci_claim *claim)
{
    const struct pci_function_info *info = &claim->function->info;

    if (info->interrupt_pin == 0 || info->interrupt_line == 0 || info->interrupt_line == UINT8_MAX)
        return ENOTSUP;
    int error = error_from_kernel(
        io_bus_device_add_line(claim->io_bus, claim->io_device, info->interrupt_line));
    if (error == 0) {
        pci_function_line(claim->tree->config, claim->function, true);
        claim->interrupts = PCI_CLAIM_LINE;
        claim->vectors = 1;
    }
    return error;
}

static const char *interrupts_problem(int error)
{
    switch (error) {
    case ENOSPC:
        return "none is free: drivers that want fewer (`vectors` in their manifests) leave some";
    case EINVAL:
        return "it is the kernel's own, or not as the function says: the firmware has to route it "
               "elsewhere";
    default:
        return strerror(error);
    }
}

/* The best kind that both the function and the kernel can do. A driver may do without: not an
 * error. */
static void interrupts_lend(struct pci_claim *claim)
{
    static int (*const lend[])(struct pci_claim *) = {msix_lend, msi_lend, line_lend};
    static const char *const kind[] = {"MSI-X", "MSI", "its interrupt line"};

    for (unsigned i = 0; i < sizeof(lend) / sizeof(lend[0]); i++) {
        if (i == 1) /* the others come only without (PCI 6.8.3.4) */
            pci_msix_disable(claim->tree->config, claim->function);
        int error = lend[i](claim);
        if (error == 0)
            return;
        if (error != ENOTSUP)
            log_warning("pci " PCI_ADDRESS_FORMAT ": %s gets no interrupts by %s: %s",
                        pci_address_arguments(pci_function_address(claim->function)), claim->name,
                        kind[i], interrupts_problem(error));
    }
    log_info("pci " PCI_ADDRESS_FORMAT ": %s has no interrupts",
             pci_address_arguments(pci_function_address(claim->function)), claim->name);
}

int pci_claim_make(struct pci_claim *claim, struct pci_tree *tree, struct pci_function *function,
                   mach_port_t io_bus, const char *name, unsigned wanted)
{
    int error = claim_check(tree, function, name);

    if (error != 0)
        return error;
    *claim =
        (struct pci_claim){.tree = tree, .function = function, .io_bus = io_bus, .wanted = wanted};
    snprintf(claim->name, sizeof(claim->name), "%s", name);

    /* The firmware may have left it running, with addresses that mean nothing any more. */
    pci_function_silence(tree->config, function);
    pci_function_wake(tree->config, function);
    error = error_from_kernel(
        io_bus_device_create(io_bus, claim->name, pci_tree_requester(tree, function),
                             pci_tree_ancestor(tree, function), &claim->io_device));
    if (error != 0) {
        log_error("%s: the authority makes no device: %s", claim->name, strerror(error));
        claim->function = NULL;
        return error;
    }
    for (unsigned index = 0; index < PCI_BARS && error == 0; index++)
        error = bar_lend(claim, index);
    if (error != 0) {
        io_bus_device_destroy(io_bus, claim->io_device);
        port_release(claim->io_device);
        claim->function = NULL;
        return error;
    }
    /* The authority writes the MSI-X table, which is in the function's memory. */
    pci_function_decode(tree, function, true);
    interrupts_lend(claim);
    function->info.claimed = 1;
    return 0;
}

int pci_claim_interrupt_mask(const struct pci_claim *claim, bool masked)
{
    switch (claim->interrupts) {
    case PCI_CLAIM_MSI:
        return pci_msi_mask(claim->tree->config, claim->function, masked);
    case PCI_CLAIM_LINE:
        pci_function_line(claim->tree->config, claim->function, !masked);
        return 0;
    case PCI_CLAIM_MSIX:
        return EINVAL; /* the authority's table */
    default:
        return ENXIO;
    }
}

static int function_still(struct pci_tree *tree, const struct pci_function *function, bool reset)
{
    pci_function_silence(tree->config, function);
    int error = reset ? pci_function_reset(tree, function) : 0;
    if (error != 0)
        log_write(error == ENOTSUP ? LOG_INFO : LOG_ERROR, "pci " PCI_ADDRESS_FORMAT ": %s",
                  pci_address_arguments(pci_function_address(function)),
                  error == ENOTSUP ? "silenced, as it has no reset of its own"
                                   : "does not come back from its reset");
    return error;
}

int pci_claim_forgotten(struct pci_tree *tree, const struct pci_function *function, bool reset)
{
    if ((function->info.header_type & PCI_HEADER_LAYOUT) != PCI_HEADER_NORMAL ||
        pci_function_is_system(function))
        return ENODEV;
    int error = function_still(tree, function, reset);
    return reset ? error : ENODEV;
}

int pci_claim_release(struct pci_claim *claim, bool reset)
{
    struct pci_function *function = claim->function;
    int error = function_still(claim->tree, function, reset);

    /* The authority masks the MSI-X table once more. */
    pci_function_decode(claim->tree, function, true);
    io_bus_device_destroy(claim->io_bus, claim->io_device);
    pci_function_decode(claim->tree, function, false);
    port_release(claim->io_device);
    function->info.claimed = 0;
    claim->function = NULL;
    return error;
}
