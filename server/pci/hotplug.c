/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/pci/hotplug.h>

#include <errno.h>

#include <kit/clock.h>
#include <kit/log.h>
#include <server/pci/serve.h>
#include <server/pci/slot.h>

#define PERIOD (200 * CLOCK_MILLISECOND)

static struct {
    struct pci_tree *tree;
    void (*assign)(void);
    struct clock_timer timer;
} hotplug;

static bool is_behind(const struct pci_function *function, const struct pci_function *port)
{
    return pci_function_is_present(function) && function->info.segment == port->info.segment &&
           function->info.bus == port->info.secondary_bus;
}

static bool anything_is_lent(const struct pci_function *port)
{
    for (size_t i = 0; i < hotplug.tree->count; i++) {
        if (is_behind(&hotplug.tree->functions[i], port) &&
            serve_is_lent(&hotplug.tree->functions[i]))
            return true;
    }
    return false;
}

static void forget(const struct pci_function *port)
{
    for (size_t i = 0; i < hotplug.tree->count; i++) {
        if (is_behind(&hotplug.tree->functions[i], port))
            serve_withdraw(&hotplug.tree->functions[i]);
    }
    pci_slot_forget(hotplug.tree, port);
}

static void switch_off(const struct pci_function *port)
{
    pci_slot_power(hotplug.tree->config, port, false);
    log_info("pci " PCI_ADDRESS_FORMAT ": what is in its slot can be taken out",
             pci_address_arguments(pci_function_address(port)));
    forget(port);
}

static void pressed(const struct pci_function *port)
{
    for (size_t i = 0; i < hotplug.tree->count; i++) {
        if (is_behind(&hotplug.tree->functions[i], port))
            hotplug.tree->functions[i].info.leaving = 1;
    }
    if (!anything_is_lent(port))
        switch_off(port);
}

static void occupied(const struct pci_function *port)
{
    forget(port);
    pci_slot_power(hotplug.tree->config, port, true);
    if (pci_slot_scan(hotplug.tree, port) != 0)
        log_warning("pci: more than %d functions: what was put in is not used", PCI_FUNCTIONS_MAX);
    hotplug.assign();
    log_info("pci " PCI_ADDRESS_FORMAT ": something was put into its slot",
             pci_address_arguments(pci_function_address(port)));
}

static bool port_look(const struct pci_function *port)
{
    switch (pci_slot_look(hotplug.tree->config, port)) {
    case PCI_SLOT_PRESSED:
        pressed(port);
        return true;
    case PCI_SLOT_OCCUPIED:
        occupied(port);
        return true;
    case PCI_SLOT_EMPTIED:
        forget(port);
        return true;
    case PCI_SLOT_NOTHING:
        break;
    }
    return false;
}

static void look(void *context)
{
    bool slots = false, changed = false;

    (void)context;
    for (size_t i = 0; i < hotplug.tree->count; i++) {
        const struct pci_function *port = &hotplug.tree->functions[i];
        if (!pci_slot_exists(hotplug.tree->config, port))
            continue;
        slots = true;
        changed |= port_look(port);
    }
    if (changed)
        serve_changed();
    if (slots)
        clock_timer_start(&hotplug.timer, PERIOD, look, NULL);
}

void hotplug_start(struct pci_tree *tree, void (*assign)(void))
{
    hotplug.tree = tree;
    hotplug.assign = assign;
    look(NULL);
}

bool hotplug_released(const struct pci_function *function)
{
    const struct pci_function *port =
        pci_tree_bridge(hotplug.tree, function->info.segment, function->info.bus);

    if (!port || !pci_slot_exists(hotplug.tree->config, port) || anything_is_lent(port))
        return false;
    switch_off(port);
    serve_changed();
    return true;
}
