/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The PCI server: find everything, give addresses to what has none, then lend functions to drivers.
 *
 *   config.h      registers, and access to them behind a table of functions
 *   access.c      that table on this machine: ECAM or ports           mcfg.c  ACPI's table of ECAMs
 *   enumerate.c   walking the buses                                   tree.h  what was found
 *   bar.c         BARs and bridge windows      assign.c   addresses for those without
 *   capability.c  capability lists             command.c  decoding, mastering, silence
 *   message.c     MSI and MSI-X                reset.c    power states and resets
 *   claim.c       a device at the authority    serve.c    the interfaces
 *   slot.c        slots of hot-plug ports      hotplug.c  what comes and goes there
 *   names.c       what ids are called (for the supervisor's reports)
 *
 * All but access.c, claim.c, hotplug.c, serve.c and this file is portable and tested on the build
 * machine.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <interface/io_bus_user.h>

#include <host/mach/error.h>
#include <host/mach/orphan.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <kit/log.h>
#include <server/pci/access.h>
#include <server/pci/assign.h>
#include <server/pci/hotplug.h>
#include <server/pci/serve.h>
#include <server/pci/tree.h>

static struct pci_config config;
static struct pci_tree tree = {.config = &config};

static int scan(void)
{
    size_t count;
    const struct mcfg_region *regions = access_regions(&count);

    for (size_t i = 0; i < count; i++) {
        int error =
            pci_tree_scan(&tree, regions[i].segment, regions[i].first_bus, regions[i].last_bus);
        if (error != 0)
            log_warning("pci: segment %u: more than %d functions: the rest is not used",
                        regions[i].segment, PCI_FUNCTIONS_MAX);
    }
    return tree.count != 0 ? 0 : ENODEV;
}

/* The authority knows what is memory and what is taken: ask it for a device there, and drop it. */
static bool room_is_usable(void *context, const struct pci_function *function, bool ports,
                           uint64_t base, uint64_t size)
{
    mach_port_t bus = *(mach_port_t *)context, device;

    if (io_bus_device_create(bus, "pci room", pci_tree_requester(&tree, function),
                             pci_tree_ancestor(&tree, function), &device) != KERN_SUCCESS)
        return false;
    kern_return_t code =
        ports ? io_bus_device_add_ports(bus, device, 0, (unsigned)base, (unsigned)(base + size - 1))
              : io_bus_device_add_window(bus, device, 0, base, size);
    io_bus_device_destroy(bus, device);
    port_release(device);
    return code == KERN_SUCCESS;
}

static void assign(mach_port_t *bus)
{
    struct pci_range reserved[ACCESS_REGIONS_MAX];
    size_t count;
    const struct mcfg_region *regions = access_regions(&count);

    for (size_t i = 0; i < count; i++) {
        uint64_t first = (uint64_t)regions[i].first_bus << 20;
        uint64_t buses = regions[i].last_bus - regions[i].first_bus + 1u;
        /* Reached by ports: nothing is reserved. */
        reserved[i] =
            (struct pci_range){regions[i].base + first, regions[i].base != 0 ? buses << 20 : 0};
    }
    pci_assign(&tree, &(struct pci_assign_limits){reserved, count, room_is_usable, bus});
}

static mach_port_t bus;

static void assign_again(void)
{
    assign(&bus);
}

int main(int argc, char **argv)
{
    (void)argc, (void)argv;
    int error = startup_capability("bus", &bus);
    if (error == 0)
        error = access_start(bus, &config);
    if (error == 0)
        error = scan();
    if (error == 0) {
        assign(&bus);
        error = serve_start(&tree, bus);
    }
    if (error != 0) {
        log_error("there is no PCI: %s", strerror(error));
    } else {
        log_info("%zu PCI functions", tree.count);
        hotplug_start(&tree, assign_again);
    }
    return orphan_serve(error, loop_stop);
}
