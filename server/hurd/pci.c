/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The bus as libpciaccess sees it on the Hurd: a port for the bus, and one for each function, found
 * by name under it ("0000/00/02/0", or "config" in there). Configuration space can be read; what a
 * function does is its driver's and the PCI server's business.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <interface/hurd/directory_server.h>
#include <interface/hurd/pci_server.h>
#include <interface/hurd/types.h>
#include <interface/pci_bus_user.h>
#include <interface/bus.h>
#include <interface/types.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>

#include "hurd.h"

enum { CONFIG_SIZE = 256, PAGE = 4096, REGIONS = 6 };

struct function {
    unsigned address;
    mach_port_t port;
};

static boolean_t bus_serve(mach_msg_header_t *request, mach_msg_header_t *reply)
{
    return pci_server(request, reply) || directory_server(request, reply);
}

static void function_no_senders(void *context)
{
    struct function *function = context;

    port_destroy(function->port);
    free(function);
}

static const struct port_type bus_type = {.name = "pci", .serve = bus_serve};
static const struct port_type function_type = {
    .name = "pci function", .serve = pci_server, .no_senders = function_no_senders};

int pci_open(mach_port_t *result)
{
    static mach_port_t port;
    int error = port == MACH_PORT_NULL ? port_create(&bus_type, &port, &port) : 0;

    if (error == 0)
        *result = port_make_send(port);
    return error == 0 && *result == MACH_PORT_NULL ? ENOMEM : error;
}

int pci_functions(struct pci_function_info **functions, size_t *count)
{
    mach_msg_type_number_t size;
    mach_port_t bus;
    records_t records;
    int error = startup_capability("pci_bus", &bus); /* it may be another server each time */

    if (error != 0)
        return error;
    error = error_from_kernel(pci_bus_list(bus, &records, &size));
    port_release(bus);
    if (error != 0)
        return error;
    *functions = (struct pci_function_info *)records;
    *count = size / sizeof(**functions);
    return 0;
}

static unsigned address_of(const struct pci_function_info *info)
{
    return (unsigned)info->segment << 16 | (unsigned)info->bus << 8 | (unsigned)info->device << 3 |
           info->function;
}

static int function_info(unsigned address, struct pci_function_info *info)
{
    struct pci_function_info *functions;
    size_t count;
    int error = pci_functions(&functions, &count);

    if (error != 0)
        return error;
    error = ENOENT;
    for (size_t i = 0; i < count && error != 0; i++) {
        if (address_of(&functions[i]) != address)
            continue;
        *info = functions[i];
        error = 0;
    }
    memory_pages_free(functions, count * sizeof(functions[0]));
    return error;
}

/* "0000/00/02/0" with or without "/config"; false: no such name. */
static bool name_parse(const char *name, unsigned *address)
{
    unsigned segment, bus, device, function;
    int length = 0;

    if (sscanf(name, "%4x/%2x/%2x/%1x%n", &segment, &bus, &device, &function, &length) != 4 ||
        device > 31 || function > 7)
        return false;
    *address = segment << 16 | bus << 8 | device << 3 | function;
    return name[length] == '\0' || strcmp(name + length, "/config") == 0;
}

kern_return_t serve_dir_lookup(mach_port_t port, const_hurd_string_t name, int flags, uint32_t mode,
                               uint32_t *retry, hurd_string_t rest, mach_port_t *result,
                               mach_msg_type_name_t *result_type)
{
    struct pci_function_info info;
    unsigned address;

    (void)flags, (void)mode;
    if (!port_context(port, &bus_type))
        return HURD_EOPNOTSUPP;
    if (!name_parse(name, &address) || function_info(address, &info) != 0)
        return HURD_ENOENT;
    struct function *function = calloc(1, sizeof(*function));
    if (!function || port_create(&function_type, function, &function->port) != 0) {
        free(function);
        return KERN_RESOURCE_SHORTAGE;
    }
    function->address = address;
    *retry = HURD_RETRY_NORMAL;
    rest[0] = '\0';
    *result = port_make_send(function->port);
    *result_type = MACH_MSG_TYPE_MOVE_SEND;
    return KERN_SUCCESS;
}

kern_return_t serve_pci_get_ndevs(mach_port_t port, mach_msg_type_number_t *count)
{
    struct pci_function_info *functions;
    size_t found;

    if (!port_context(port, &bus_type))
        return HURD_EINVAL;
    if (pci_functions(&functions, &found) != 0)
        return HURD_EIO;
    memory_pages_free(functions, found * sizeof(functions[0]));
    *count = (mach_msg_type_number_t)found;
    return KERN_SUCCESS;
}

kern_return_t serve_pci_conf_read(mach_port_t port, int offset, hurd_data_t *data,
                                  mach_msg_type_number_t *size, vm_size_t amount)
{
    const struct function *function = port_context(port, &function_type);
    mach_port_t bus;

    if (!function || offset < 0 || offset > CONFIG_SIZE ||
        amount > (vm_size_t)(CONFIG_SIZE - offset))
        return HURD_EINVAL;
    if (startup_capability("pci_bus", &bus) != 0)
        return HURD_EIO;
    unsigned char *bytes = amount ? memory_pages_allocate(PAGE) : NULL;
    int error = amount && !bytes ? ENOMEM : 0;
    for (vm_size_t i = 0; i < amount && error == 0; i++) {
        unsigned value = 0;
        error = error_from_kernel(
            pci_bus_read(bus, function->address, (unsigned)offset + (unsigned)i, 1, &value));
        bytes[i] = (unsigned char)value;
    }
    port_release(bus);
    if (error != 0) {
        memory_pages_free(bytes, PAGE);
        return HURD_EIO;
    }
    *data = (hurd_data_t)bytes;
    *size = (mach_msg_type_number_t)amount;
    return KERN_SUCCESS;
}

kern_return_t serve_pci_conf_write(mach_port_t port, int offset, const_hurd_data_t data,
                                   mach_msg_type_number_t size, vm_size_t *amount)
{
    (void)port, (void)offset, (void)data, (void)size, (void)amount;
    return HURD_EPERM;
}

kern_return_t serve_pci_get_dev_regions(mach_port_t port, hurd_data_t *data,
                                        mach_msg_type_number_t *size)
{
    const struct function *function = port_context(port, &function_type);
    struct pci_function_info info;

    if (!function || function_info(function->address, &info) != 0)
        return HURD_EIO;
    struct hurd_pci_region *regions = memory_pages_allocate(PAGE);
    if (!regions)
        return KERN_RESOURCE_SHORTAGE;
    for (unsigned i = 0; i < REGIONS; i++) {
        unsigned flags = info.bar[i].flags;
        regions[i] = (struct hurd_pci_region){
            .base = info.bar[i].base,
            .size = info.bar[i].size,
            .flags = (flags & PCI_BAR_PORTS ? HURD_PCI_PORTS : 0) |
                     (flags & PCI_BAR_PREFETCHABLE ? HURD_PCI_PREFETCHABLE : 0) |
                     (flags & PCI_BAR_64 ? HURD_PCI_64 : 0),
        };
    }
    *data = (hurd_data_t)regions;
    *size = REGIONS * sizeof(regions[0]);
    return KERN_SUCCESS;
}

/* There is none to be had. */
kern_return_t serve_pci_get_dev_rom(mach_port_t port, hurd_data_t *data,
                                    mach_msg_type_number_t *size)
{
    struct hurd_pci_rom *rom =
        port_context(port, &function_type) ? memory_pages_allocate(PAGE) : NULL;

    if (!rom)
        return HURD_EIO;
    *data = (hurd_data_t)rom;
    *size = sizeof(*rom);
    return KERN_SUCCESS;
}
