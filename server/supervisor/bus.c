/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The bus servers, and what they lend to drivers. Drivers go on without them, as the authority
 * knows what they hold; only starting one needs its bus.
 */
#include <errno.h>
#include <string.h>

#include <interface/io_control_user.h>
#include <interface/isa_bus_user.h>
#include <interface/pci_bus_user.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <kit/clock.h>
#include <server/supervisor/journal.h>
#include <server/supervisor/manifest.h>
#include <server/supervisor/supervisor.h>

#define SERVER_QUOTA      (UINT64_C(4) << 20)
#define SERVER_TIME_LIMIT (10 * CLOCK_SECOND)

static struct bus {
    const char *name, *class;
    struct child *server; /* null: it could not even be named */
} pci = {"pci", "pci_bus", NULL}, isa = {"isa", "isa_bus", NULL};

static void server_begin(struct child *child)
{
    mach_port_t right;
    int error = error_from_kernel(io_control_bus(supervisor_io, child->name, &right));

    if (error == 0)
        error = child_grant(child, "bus", right);
    supervisor_begin(child, error, SERVER_QUOTA, NULL);
}

static void server_start(struct bus *bus)
{
    bus->server = child_create(bus->name, bus->name, CHILD_SERVER);
    if (!bus->server)
        return;
    bus->server->paging_needs_it = true;
    bus->server->begin = server_begin;
    server_begin(bus->server);
}

void bus_start(void)
{
    server_start(&pci);
    server_start(&isa);
    if (pci.server)
        child_wait(pci.server, SERVER_TIME_LIMIT);
    if (isa.server)
        child_wait(isa.server, SERVER_TIME_LIMIT);
}

static mach_port_t bus_port(const struct bus *bus)
{
    const struct child_offer *offer = bus->server ? child_offer_of(bus->server, bus->class) : NULL;

    return offer ? offer->right : MACH_PORT_NULL;
}

mach_port_t bus_pci(void)
{
    return bus_port(&pci);
}

static const struct bus *bus_of(const struct child *driver)
{
    return driver->fixed ? &isa : &pci;
}

bool bus_returns(const struct child *driver)
{
    const struct child *server = bus_of(driver)->server;

    return server && (server->state == CHILD_RESTARTING || server->state == CHILD_STARTING);
}

int bus_claim(struct child *driver)
{
    mach_port_t device, function, bus = bus_port(bus_of(driver));
    int error;

    if (driver->fixed) {
        error = error_from_kernel(isa_bus_claim(bus, driver->name, (char *)driver->fixed,
                                                sizeof(*driver->fixed), &device));
    } else {
        error = error_from_kernel(pci_bus_claim(bus, driver->address, driver->name,
                                                driver->manifest->vectors, &device, &function));
        if (error == 0 && (error = child_grant(driver, "function", function)) != 0)
            port_release(device);
    }
    return error == 0 ? child_grant(driver, "device", device) : error;
}

int bus_release(const struct child *driver, bool reset)
{
    mach_port_t bus = bus_port(bus_of(driver));

    if (driver->fixed)
        return error_from_kernel(isa_bus_release(bus, driver->name));
    return error_from_kernel(pci_bus_release(bus, driver->address, reset ? TRUE : FALSE));
}
