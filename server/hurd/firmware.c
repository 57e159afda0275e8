/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the Hurd asks its ACPI server. Interrupt lines are those that the firmware assigned
 * (configuration register 0x3c); the tables' routing is not interpreted.
 */
#include <errno.h>

#include <interface/bus.h>
#include <interface/hurd/acpi_server.h>
#include <interface/hurd/types.h>
#include <interface/supervisor_user.h>
#include <interface/types.h>

#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <kit/log.h>

#include "hurd.h"

static const struct port_type firmware_type = {.name = "acpi", .serve = acpi_server};

int firmware_open(mach_port_t *result)
{
    static mach_port_t port;
    int error = port == MACH_PORT_NULL ? port_create(&firmware_type, NULL, &port) : 0;

    if (error == 0)
        *result = port_make_send(port);
    return error == 0 && *result == MACH_PORT_NULL ? ENOMEM : error;
}

kern_return_t serve_acpi_sleep(mach_port_t port, int state)
{
    enum { SOFT_OFF = 5, POWER_OFF = 0 };

    (void)port;
    if (state != SOFT_OFF)
        return HURD_EOPNOTSUPP;
    log_info("the Hurd switches the machine off");
    supervisor_halt(hurd.supervisor, POWER_OFF);
    return KERN_SUCCESS;
}

kern_return_t serve_acpi_get_pci_irq(mach_port_t port, int bus, int device, int function, int *line)
{
    enum { NO_LINE = 0xff };
    struct pci_function_info *functions;
    size_t count;

    (void)port;
    if (pci_functions(&functions, &count) != 0)
        return HURD_EIO;
    *line = NO_LINE;
    for (size_t i = 0; i < count; i++) {
        if (functions[i].segment == 0 && functions[i].bus == bus && functions[i].device == device &&
            functions[i].function == function && functions[i].interrupt_pin != 0)
            *line = functions[i].interrupt_line;
    }
    memory_pages_free(functions, count * sizeof(functions[0]));
    return *line == NO_LINE ? HURD_ENOENT : KERN_SUCCESS;
}
