/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One object per device: all that was lent to it, and its driver's interface.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <interface/io_device_server.h>
#include <kernel/mach_i386_user.h>
#include <kernel/mach_user.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <server/io/io.h>
#include <server/io/line.h>

static const struct port_type device_type = {.name = "device", .serve = io_device_server};

static struct io_device *devices;
unsigned io_device_count;

static struct io_device *device_find(const char *name)
{
    struct io_device *device = devices;

    while (device && strcmp(device->name, name) != 0)
        device = device->next;
    return device;
}

int io_device_create(const char *name, io_requester requester, io_requester ancestor,
                     struct io_device **result)
{
    struct io_device *device = device_find(name);

    /* A bus that was started again has forgotten what it had made for a driver that is gone. */
    if (device && device->port != MACH_PORT_NULL)
        io_device_destroy(device);
    if (!device && (device = calloc(1, sizeof(*device)))) {
        snprintf(device->name, sizeof(device->name), "%s", name);
        device->next = devices;
        devices = device;
    }
    if (!device)
        return ENOMEM;
    device->requester = requester;
    io_device_count++;
    int error = io_line_is_astray(name) ? EBUSY : ENOTSUP;
    if (error == ENOTSUP && requester != IO_REQUESTER_NONE)
        error = io_domain_create(requester, ancestor, name, &device->domain);
    /* ENOTSUP: no IOMMU in this machine (unconfined, and the log said so), or none is needed. */
    if (error == 0 || error == ENOTSUP)
        error = port_create(&device_type, device, &device->port);
    if (error != 0)
        io_device_destroy(device);
    *result = device;
    return error;
}

struct io_device *io_device_from_port(mach_port_t port)
{
    return port_context(port, &device_type);
}

void io_device_message(struct io_device *device, struct io_line *line, uint64_t *address,
                       uint32_t *data)
{
    io_line_message(line, address, data);
    if (device->domain)
        io_domain_interrupt_set(device->domain, line->number, address, data);
}

void io_device_destroy(struct io_device *device)
{
    for (unsigned i = 0; i < IO_VECTORS; i++) {
        if (device->line[i] && device->line[i]->message && device->domain)
            io_domain_interrupt_clear(device->domain, device->line[i]->number);
        if (device->line[i])
            io_line_release(device->line[i]);
    }
    /* First the device loses its reach; what it has begun already may end all the same. */
    if (device->domain)
        io_domain_destroy(device->domain);
    if (device->table)
        io_physical_unmap(device->table, device->table_size);
    for (unsigned i = 0; i < IO_DMA_MAPPINGS; i++)
        device->mapping[i].size = 0;
    for (unsigned i = 0; i < IO_WINDOWS; i++)
        port_release(device->window[i].pager);

    resource_map_release(&io_memory_map, device);
    resource_map_release(&io_port_map, device);
    io_device_count--;
    port_destroy(device->port);
    memset(&device->port, 0, sizeof(*device) - offsetof(struct io_device, port));
}

void io_device_was_reset(const char *name)
{
    struct io_device *device = device_find(name);

    for (unsigned i = 0; device && i < IO_DMA_MAPPINGS; i++) {
        struct io_device_mapping *mapping = &device->mapping[i];
        if (mapping->size == 0 && mapping->memory) {
            io_memory_release(mapping->memory);
            mapping->memory = NULL;
        }
    }
}

kern_return_t serve_io_device_window(mach_port_t port, unsigned index, uint64_t offset,
                                     uint64_t size, mach_port_t limited, uint64_t *address)
{
    struct io_device *device = io_device_from_port(port);
    mach_port_t task = io_task_lookup(limited);
    vm_address_t where = 0;

    if (!device || index >= IO_WINDOWS || device->window[index].size == 0)
        return outboard_error_make(ENXIO);
    struct io_device_window *window = &device->window[index];
    uint64_t length = (window->size + IO_PAGE - 1) & ~(uint64_t)(IO_PAGE - 1);

    if (size == 0 || offset % IO_PAGE || size % IO_PAGE || offset > length ||
        size > length - offset)
        return outboard_error_make(EINVAL);
    if (task == MACH_PORT_NULL ||
        (offset < window->guard_base + window->guard_size && window->guard_base < offset + size))
        return outboard_error_make(EPERM);

    kern_return_t code =
        vm_map(task, &where, size, 0, TRUE, window->pager, offset, FALSE,
               VM_PROT_READ | VM_PROT_WRITE, VM_PROT_READ | VM_PROT_WRITE, VM_INHERIT_NONE);
    if (code != KERN_SUCCESS)
        return code;
    window->mapped = true;
    *address = where;
    port_release(limited);
    return KERN_SUCCESS;
}

kern_return_t serve_io_device_ports(mach_port_t port, unsigned index, mach_port_t *permission)
{
    struct io_device *device = io_device_from_port(port);

    if (!device || index >= IO_WINDOWS || !device->ports[index].present)
        return outboard_error_make(ENXIO);
    kern_return_t code =
        i386_io_perm_create(io_privilege.device_master, (io_port_t)device->ports[index].first,
                            (io_port_t)device->ports[index].last, permission);
    if (code == KERN_SUCCESS)
        device->ports[index].granted = true;
    return code;
}

static struct io_line *line_get(mach_port_t port, unsigned vector)
{
    struct io_device *device = io_device_from_port(port);

    return device && vector < IO_VECTORS ? device->line[vector] : NULL;
}

kern_return_t serve_io_device_interrupt_attach(mach_port_t port, unsigned vector,
                                               mach_port_t *right, unsigned *together)
{
    struct io_line *line = line_get(port, vector);

    if (!line)
        return outboard_error_make(ENXIO);
    *together = line->entry ? IO_LINE_TOGETHER : line->message ? 32 : 1;
    return outboard_error_make(io_line_lend(line, io_device_from_port(port)->name, right));
}

kern_return_t serve_io_device_interrupt_acknowledge(mach_port_t port, unsigned vector,
                                                    unsigned count, boolean_t claimed)
{
    struct io_line *line = line_get(port, vector);

    if (line && line->lent)
        io_line_acknowledge(line, count, claimed);
    return MIG_NO_REPLY;
}

kern_return_t serve_io_device_interrupt_mask(mach_port_t port, unsigned vector, boolean_t masked)
{
    struct io_line *line = line_get(port, vector);

    if (!line || !line->entry)
        return outboard_error_make(line ? ENOTSUP : ENXIO);
    line->masked = masked;
    io_line_mask(line);
    return 0;
}

kern_return_t serve_io_device_dma_map(mach_port_t port, mach_port_t lease, uint64_t *address,
                                      uint64_t *size)
{
    struct io_device *device = io_device_from_port(port);
    struct io_device_mapping *mapping = NULL;

    for (unsigned i = 0; device && i < IO_DMA_MAPPINGS && !mapping; i++) {
        if (!device->mapping[i].memory)
            mapping = &device->mapping[i];
    }
    if (!mapping || device->requester == IO_REQUESTER_NONE)
        return outboard_error_make(!device ? EOPNOTSUPP : mapping ? EPERM : ENOSPC);
    struct io_memory *memory = io_memory_from_lease(lease);
    if (!memory)
        return outboard_error_make(EINVAL);
    *address = memory->physical;
    *size = memory->size;
    int error = device->domain ? io_domain_map(device->domain, memory, address) : 0;
    if (error != 0) {
        io_memory_release(memory);
        return outboard_error_make(error);
    }
    *mapping = (struct io_device_mapping){memory, *address, *size, false};
    port_release(lease);
    return 0;
}

/* The memory stays where it is until the driver lets it go, or the device is reset: without an
 * IOMMU the device still reaches it, and with one a command that it has begun may. */
void io_device_revoke_all(const struct io_memory *memory)
{
    for (struct io_device *device = devices; device; device = device->next) {
        for (unsigned i = 0; device->domain && i < IO_DMA_MAPPINGS; i++) {
            struct io_device_mapping *mapping = &device->mapping[i];
            if (mapping->memory != memory || mapping->size == 0 || mapping->revoked)
                continue;
            io_domain_revoke(device->domain, mapping->address, mapping->size);
            mapping->revoked = true;
        }
    }
}

kern_return_t serve_io_device_dma_unmap(mach_port_t port, uint64_t address)
{
    struct io_device *device = io_device_from_port(port);

    for (unsigned i = 0; device && i < IO_DMA_MAPPINGS; i++) {
        struct io_device_mapping *mapping = &device->mapping[i];
        if (mapping->size == 0 || mapping->address != address)
            continue;
        if (device->domain)
            io_domain_unmap(device->domain, address, mapping->size);
        io_memory_release(mapping->memory);
        *mapping = (struct io_device_mapping){0};
        return 0;
    }
    return outboard_error_make(ENOENT);
}

kern_return_t serve_io_device_dma_check(mach_port_t port, uint64_t address, uint64_t size,
                                        boolean_t *reaches)
{
    struct io_device *device = io_device_from_port(port);

    if (!device || size == 0)
        return outboard_error_make(device ? EINVAL : EOPNOTSUPP);
    /* The table of mappings is what the page tables were made from. */
    *reaches = FALSE;
    for (unsigned i = 0; i < IO_DMA_MAPPINGS && !*reaches; i++) {
        const struct io_device_mapping *mapping = &device->mapping[i];
        uint64_t length = mapping->revoked ? 0 : mapping->size;
        *reaches = length != 0 && address >= mapping->address &&
                   address - mapping->address <= length &&
                   size <= length - (address - mapping->address);
    }
    return 0;
}

struct resource_writer {
    struct io_resource list[IO_RESOURCES_MAX];
    unsigned count;
};

static void resource_add(struct resource_writer *writer, enum io_resource_kind kind, unsigned index,
                         uint64_t base, uint64_t size, unsigned flags, unsigned count)
{
    if (writer->count < IO_RESOURCES_MAX)
        writer->list[writer->count++] = (struct io_resource){kind, index, base, size, flags, count};
}

static void interrupts_describe(const struct io_device *device, struct resource_writer *writer)
{
    for (unsigned i = 0; i < IO_VECTORS; i++) {
        const struct io_line *line = device->line[i];
        if (!line)
            continue;
        unsigned flags = line->pin ? 0 : line->message ? IO_RESOURCE_MESSAGE : IO_RESOURCE_SHARED;
        if (line->lent)
            flags |= IO_RESOURCE_IN_USE;
        resource_add(writer, IO_RESOURCE_INTERRUPT, i, line->pin ? line->pin : line->number, 1,
                     flags, io_line_count(line));
    }
}

kern_return_t serve_io_device_describe(mach_port_t port, record_t record,
                                       mach_msg_type_number_t *size)
{
    struct io_device *device = io_device_from_port(port);
    static struct resource_writer writer;

    if (!device)
        return outboard_error_make(EOPNOTSUPP);
    writer.count = 0;
    if (device->requester != IO_REQUESTER_NONE)
        resource_add(&writer, IO_RESOURCE_REQUESTER, 0, device->requester, 1,
                     device->domain ? IO_RESOURCE_TRANSLATED : 0, 0);
    for (unsigned i = 0; i < IO_WINDOWS; i++) {
        const struct io_device_window *window = &device->window[i];
        if (window->size)
            resource_add(&writer, IO_RESOURCE_WINDOW, i, window->base, window->size,
                         window->mapped ? IO_RESOURCE_IN_USE : 0, 0);
        if (window->guard_size)
            resource_add(&writer, IO_RESOURCE_GUARD, i, window->base + window->guard_base,
                         window->guard_size, 0, 0);
        if (device->ports[i].present)
            resource_add(&writer, IO_RESOURCE_PORTS, i, device->ports[i].first,
                         device->ports[i].last - device->ports[i].first + 1,
                         device->ports[i].granted ? IO_RESOURCE_IN_USE : 0, 0);
    }
    interrupts_describe(device, &writer);
    for (unsigned i = 0; i < IO_DMA_MAPPINGS; i++) {
        if (device->mapping[i].size != 0 && !device->mapping[i].revoked)
            resource_add(&writer, IO_RESOURCE_DMA, i, device->mapping[i].address,
                         device->mapping[i].size,
                         IO_RESOURCE_IN_USE | (device->domain ? IO_RESOURCE_TRANSLATED : 0), 0);
    }
    *size = writer.count * sizeof(writer.list[0]);
    memcpy(record, writer.list, *size);
    return 0;
}
