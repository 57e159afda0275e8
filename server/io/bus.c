/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What bus servers ask for: firmware tables, their own windows, and devices with their pieces.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <interface/io_bus_server.h>
#include <kernel/mach_i386_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/log.h>
#include <server/io/io.h>
#include <server/io/line.h>
#include <server/io/msix.h>

static const struct port_type bus_type = {.name = "bus", .serve = io_bus_server};

/* The owners of what bus servers hold for themselves. */
static struct bus_server {
    char name[16];
    mach_port_t port;
} servers[3];

/* Asked for again, it is for a server that takes the place of one that died. */
int io_bus_port(const char *name, mach_port_t *result)
{
    struct bus_server *server = servers, *end = servers + sizeof(servers) / sizeof(servers[0]);

    while (server < end && server->name[0] != '\0' && strcmp(server->name, name) != 0)
        server++;
    if (server == end || strlen(name) >= sizeof(server->name))
        return ENOSPC;
    strcpy(server->name, name);
    resource_map_release(&io_memory_map, server);
    resource_map_release(&io_port_map, server);
    int error = server->port == MACH_PORT_NULL ? port_create(&bus_type, server, &server->port) : 0;
    if (error == 0)
        *result = port_make_send(server->port);
    return error;
}

static bool bus_is(mach_port_t port)
{
    return port_context(port, &bus_type) != NULL;
}

/* The device that a bus server passed a right to, its bus right checked; null if either is wrong.
 */
static struct io_device *device_get(mach_port_t bus, mach_port_t device)
{
    return bus_is(bus) ? io_device_from_port(device) : NULL;
}

static uint64_t page_down(uint64_t address)
{
    return address & ~(uint64_t)(IO_PAGE - 1);
}

static uint64_t page_up(uint64_t address)
{
    return (address + IO_PAGE - 1) & ~(uint64_t)(IO_PAGE - 1);
}

static int range_claim(struct resource_map *map, uint64_t base, uint64_t size, const void *owner,
                       const char *name)
{
    const struct resource_range *conflict;
    int error = resource_map_claim(map, base, size, owner, name, &conflict);

    if (error == EBUSY)
        log_warning("%s: %s %llx-%llx refused: overlaps %llx-%llx of %s", name,
                    map == &io_port_map ? "ports" : "window", (unsigned long long)base,
                    (unsigned long long)(base + size - 1), (unsigned long long)conflict->base,
                    (unsigned long long)(conflict->base + conflict->size - 1), conflict->name);
    return error;
}

kern_return_t serve_io_bus_acpi_table(mach_port_t bus, const_name_t signature, records_t *table,
                                      mach_msg_type_number_t *size)
{
    void *copy;
    size_t length;

    if (!bus_is(bus))
        return outboard_error_make(EOPNOTSUPP);
    int error = io_acpi_table(signature, &copy, &length);
    if (error == 0) {
        *table = copy;
        *size = (mach_msg_type_number_t)length;
    }
    return outboard_error_make(error);
}

kern_return_t serve_io_bus_window(mach_port_t bus, const_name_t name, uint64_t base, uint64_t size,
                                  mach_port_t *pager)
{
    if (!bus_is(bus) || base % IO_PAGE || size % IO_PAGE)
        return outboard_error_make(bus_is(bus) ? EINVAL : EOPNOTSUPP);
    int error = range_claim(&io_memory_map, base, size, port_context(bus, &bus_type), name);
    if (error == 0)
        error = io_physical_object(base, size, pager);
    return outboard_error_make(error);
}

kern_return_t serve_io_bus_ports(mach_port_t bus, const_name_t name, unsigned first, unsigned last,
                                 mach_port_t *permission)
{
    if (!bus_is(bus) || first > last || last > 0xffff)
        return outboard_error_make(bus_is(bus) ? EINVAL : EOPNOTSUPP);
    int error =
        range_claim(&io_port_map, first, last - first + 1, port_context(bus, &bus_type), name);
    if (error != 0)
        return outboard_error_make(error);
    return i386_io_perm_create(io_privilege.device_master, (io_port_t)first, (io_port_t)last,
                               permission);
}

kern_return_t serve_io_bus_device_create(mach_port_t bus, const_name_t name, unsigned requester,
                                         unsigned ancestor, mach_port_t *result)
{
    struct io_device *device;

    if (!bus_is(bus))
        return outboard_error_make(EOPNOTSUPP);
    int error = io_device_create(name, requester, ancestor, &device);
    if (error == 0)
        *result = port_make_send(device->port);
    return outboard_error_make(error);
}

/* Lent rights are ours to release once the call has succeeded. */
static kern_return_t device_answer(int error, mach_port_t device)
{
    if (error == 0)
        port_release(device);
    return outboard_error_make(error);
}

static int window_add(struct io_device *device, unsigned index, uint64_t base, uint64_t size)
{
    if (index >= IO_WINDOWS || size == 0 || size - 1 > UINT64_MAX - base ||
        base + (size - 1) > UINT64_MAX - IO_PAGE)
        return EINVAL;
    if (device->window[index].size || device->ports[index].present)
        return EEXIST;

    /* The driver will see whole pages, from the start of the first: nobody else's registers may be
     * on them. */
    uint64_t length = page_up(base + size) - base;
    if (base % IO_PAGE != 0) {
        log_warning("%s: window %u at %llx does not begin a page: not lent", device->name, index,
                    (unsigned long long)base);
        return EPERM;
    }
    int error = range_claim(&io_memory_map, base, length, device, device->name);
    if (error == 0)
        error = io_physical_object(base, length, &device->window[index].pager);
    if (error == 0) {
        device->window[index].base = base;
        device->window[index].size = size;
    }
    return error;
}

kern_return_t serve_io_bus_device_add_window(mach_port_t bus, mach_port_t port, unsigned index,
                                             uint64_t base, uint64_t size)
{
    struct io_device *device = device_get(bus, port);

    return device_answer(device ? window_add(device, index, base, size) : EOPNOTSUPP, port);
}

kern_return_t serve_io_bus_device_add_ports(mach_port_t bus, mach_port_t port, unsigned index,
                                            unsigned first, unsigned last)
{
    struct io_device *device = device_get(bus, port);

    if (!device || index >= IO_WINDOWS || first > last || last > 0xffff)
        return outboard_error_make(device ? EINVAL : EOPNOTSUPP);
    if (device->window[index].size || device->ports[index].present)
        return outboard_error_make(EEXIST);
    int error = range_claim(&io_port_map, first, last - first + 1, device, device->name);
    if (error == 0) {
        device->ports[index].first = first;
        device->ports[index].last = last;
        device->ports[index].present = true;
    }
    return device_answer(error, port);
}

kern_return_t serve_io_bus_device_add_line(mach_port_t bus, mach_port_t port, unsigned number)
{
    struct io_device *device = device_get(bus, port);

    if (!device || device->line[0])
        return outboard_error_make(device ? EEXIST : EOPNOTSUPP);
    return device_answer(io_line_take_shared(number, &device->line[0]), port);
}

kern_return_t serve_io_bus_device_add_fixed_line(mach_port_t bus, mach_port_t port, unsigned number)
{
    struct io_device *device = device_get(bus, port);
    unsigned vector = 0;

    if (!device)
        return outboard_error_make(EOPNOTSUPP);
    while (vector < IO_VECTORS && device->line[vector])
        vector++;
    int error = vector == IO_VECTORS ? ENOSPC : io_line_take_fixed(number, &device->line[vector]);
    return device_answer(error, port);
}

static int msix_map(struct io_device *device, unsigned index, uint64_t offset, unsigned entries)
{
    struct io_device_window *window = &device->window[index];
    uint64_t size = (uint64_t)entries * sizeof(struct msix_entry);

    if (window->size == 0 || offset % 8 || offset > window->size || size > window->size - offset)
        return EINVAL;
    int error = io_physical_map(window->base + offset, size, true, &device->table);
    if (error != 0)
        return error;
    device->table_size = size;
    window->guard_base = page_down(offset);
    window->guard_size = page_up(offset + size) - window->guard_base;
    return 0;
}

kern_return_t serve_io_bus_device_add_msix(mach_port_t bus, mach_port_t port, unsigned index,
                                           uint64_t offset, unsigned entries, unsigned wanted,
                                           unsigned *granted)
{
    struct io_device *device = device_get(bus, port);

    if (!device || !io_interrupt_messages)
        return outboard_error_make(device ? ENOTSUP : EOPNOTSUPP);
    if (index >= IO_WINDOWS || wanted == 0 || entries == 0 || entries > 2048)
        return outboard_error_make(EINVAL);
    if (device->line[0])
        return outboard_error_make(EEXIST);
    /* The whole table is guarded and masked, however few of its vectors are granted. */
    int error = msix_map(device, index, offset, entries);
    if (error != 0)
        return outboard_error_make(error);

    volatile struct msix_entry *table = device->table;
    for (unsigned i = 0; i < entries; i++)
        io_msix_mask(&table[i], true);
    unsigned count = 0;
    while (count < wanted && count < entries && count < IO_VECTORS) {
        struct io_line *line;
        uint64_t address;
        uint32_t data;

        error = io_line_take_message(&line);
        if (error != 0)
            break;
        io_device_message(device, line, &address, &data);
        line->entry = &table[count];
        io_msix_write(line->entry, address, data);
        device->line[count++] = line;
    }
    *granted = count;
    return device_answer(count ? 0 : error, port);
}

kern_return_t serve_io_bus_device_add_msi(mach_port_t bus, mach_port_t port, uint64_t *address,
                                          unsigned *data)
{
    struct io_device *device = device_get(bus, port);

    if (!device || device->line[0])
        return outboard_error_make(device ? EEXIST : EOPNOTSUPP);
    int error = io_line_take_message(&device->line[0]);
    if (error == 0)
        io_device_message(device, device->line[0], address, data);
    return device_answer(error, port);
}

kern_return_t serve_io_bus_device_destroy(mach_port_t bus, mach_port_t port)
{
    struct io_device *device = device_get(bus, port);

    if (device)
        io_device_destroy(device);
    return device_answer(device ? 0 : EOPNOTSUPP, port);
}
