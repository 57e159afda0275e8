/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The ISA server: devices that are where they always were. What is where is in the drivers'
 * manifests; here it is looked whether a device is there, and made a device at the authority, whose
 * map of ports refuses what is another's.
 *
 * Such a device has no reset that every one of them knows, masters no bus, and raises edges, so one
 * whose driver is gone can be left as it is: its lines end at the authority, and the next driver
 * begins by setting every register.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <interface/bus.h>
#include <interface/io_bus_user.h>
#include <interface/io_device_user.h>
#include <interface/isa_bus_server.h>
#include <interface/task_control_server.h>
#include <interface/types.h>
#include <kernel/mach_i386_user.h>
#include <kernel/mach_port_user.h>

#include <host/mach/error.h>
#include <host/mach/orphan.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <kit/log.h>

/* Cards decode ten bits of the address; in what would be their first copy above are the ports of
 * ECP. The chipset's are below, PCI's above. */
enum { PORT_FIRST = 0x60, PORT_LAST = 0x7ff, CLAIMS_MAX = 32 };

struct claim {
    char name[OUTBOARD_NAME_SIZE]; /* empty: free */
    mach_port_t io_device;
};

static struct {
    mach_port_t io_bus;
    struct claim claims[CLAIMS_MAX];
} server;

static const struct port_type bus_type = {.name = "isa bus", .serve = isa_bus_server};
static const struct port_type control_type = {.name = "control", .serve = task_control_server};

static struct claim *claim_find(const char *name)
{
    for (unsigned i = 0; i < CLAIMS_MAX; i++) {
        if (strcmp(server.claims[i].name, name) == 0)
            return &server.claims[i];
    }
    return NULL;
}

/* Which range the probe's port is in; ISA_RANGES: in none, or the ranges cannot be. */
static unsigned probe_range(const struct isa_resources *resources)
{
    unsigned found = ISA_RANGES;

    for (unsigned i = 0; i < ISA_RANGES && resources->ports[i].last != 0; i++) {
        uint16_t first = resources->ports[i].first, last = resources->ports[i].last;
        if (first < PORT_FIRST || last > PORT_LAST || first > last)
            return ISA_RANGES;
        if (resources->probe >= first && resources->probe <= last)
            found = i;
    }
    return found;
}

/* Nobody drives the bus: it reads as ones. */
static int device_probe(mach_port_t io_device, unsigned range, uint16_t port)
{
    mach_port_t permission;
    uint8_t value;
    int error = error_from_kernel(io_device_ports(io_device, range, &permission));

    if (error == 0)
        error = error_from_kernel(i386_io_perm_modify(mach_task_self(), permission, TRUE));
    if (error != 0)
        return error;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    i386_io_perm_modify(mach_task_self(), permission, FALSE);
    port_release(permission);
    return value == UINT8_MAX ? ENODEV : 0;
}

static int device_make(const char *name, const struct isa_resources *resources,
                       mach_port_t *io_device)
{
    unsigned range = probe_range(resources);
    mach_port_t bus = server.io_bus;

    if (range == ISA_RANGES)
        return EINVAL;
    int error = error_from_kernel(
        io_bus_device_create(bus, name, IO_REQUESTER_NONE, IO_REQUESTER_NONE, io_device));
    if (error != 0)
        return error;
    for (unsigned i = 0; i < ISA_RANGES && resources->ports[i].last != 0 && error == 0; i++)
        error = error_from_kernel(io_bus_device_add_ports(
            bus, *io_device, i, resources->ports[i].first, resources->ports[i].last));
    if (error == 0)
        error = device_probe(*io_device, range, resources->probe);
    for (unsigned i = 0; i < ISA_LINES && resources->line[i] != 0 && error == 0; i++) {
        int refused =
            error_from_kernel(io_bus_device_add_fixed_line(bus, *io_device, resources->line[i]));
        if (refused != 0) {
            log_info("isa: %s does without line %u: %s", name, resources->line[i],
                     refused == EINVAL ? "the kernel's" : strerror(refused));
            break; /* vectors are counted: the ones behind it would move up */
        }
    }
    if (error != 0) {
        io_bus_device_destroy(bus, *io_device);
        port_release(*io_device);
    }
    return error;
}

static void claim_release(struct claim *claim)
{
    io_bus_device_destroy(server.io_bus, claim->io_device);
    port_release(claim->io_device);
    claim->name[0] = '\0';
}

kern_return_t serve_isa_bus_claim(mach_port_t bus, const_name_t name, const record_t record,
                                  mach_msg_type_number_t size, mach_port_t *io_device)
{
    struct isa_resources resources;
    struct claim *claim;

    if (!port_context(bus, &bus_type))
        return outboard_error_make(EOPNOTSUPP);
    if (size != sizeof(resources) || name[0] == '\0')
        return outboard_error_make(EINVAL);
    memcpy(&resources, record, sizeof(resources));
    if (claim_find(name))
        return outboard_error_make(EBUSY);
    claim = claim_find("");
    int error = claim ? device_make(name, &resources, &claim->io_device) : ENOSPC;
    /* One right for the driver, one kept for taking it back. */
    if (error == 0)
        error = error_from_kernel(
            mach_port_mod_refs(mach_task_self(), claim->io_device, MACH_PORT_RIGHT_SEND, 1));
    if (error != 0)
        return outboard_error_make(error);
    snprintf(claim->name, sizeof(claim->name), "%s", name);
    *io_device = claim->io_device;
    return 0;
}

kern_return_t serve_isa_bus_release(mach_port_t bus, const_name_t name)
{
    struct claim *claim = name[0] != '\0' ? claim_find(name) : NULL;

    if (!port_context(bus, &bus_type))
        return outboard_error_make(EOPNOTSUPP);
    if (!claim)
        return outboard_error_make(ENODEV);
    claim_release(claim);
    return 0;
}

static void leave(void)
{
    for (unsigned i = 0; i < CLAIMS_MAX; i++) {
        if (server.claims[i].name[0] != '\0')
            claim_release(&server.claims[i]);
    }
    loop_stop();
}

kern_return_t serve_task_control_stop(mach_port_t control)
{
    if (!port_context(control, &control_type))
        return outboard_error_make(EOPNOTSUPP);
    leave();
    return 0;
}

int main(int argc, char **argv)
{
    mach_port_t bus, control;

    (void)argc, (void)argv;
    int error = startup_capability("bus", &server.io_bus);
    if (error == 0)
        error = port_create(&bus_type, &server, &bus);
    if (error == 0)
        error = port_create(&control_type, &server, &control);
    if (error == 0)
        error = startup_offer("", "control", control);
    if (error == 0)
        error = startup_offer("", "isa_bus", bus);
    if (error != 0)
        log_error("there are no fixed devices: %s", strerror(error));
    /* None of these devices masters the bus: nothing has to be waited for. */
    return orphan_serve(error, leave);
}
