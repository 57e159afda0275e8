/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/pci/access.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <interface/io_bus_user.h>
#include <interface/types.h>
#include <kernel/mach_i386_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/log.h>

enum { PORT_ADDRESS = 0xcf8, PORT_DATA = 0xcfc, PORT_LAST = 0xcff };
#define PORT_ENABLE 0x80000000u

enum { BUS_SIZE = 0x100000 };

/* One bus of 1 MiB is mapped when it is first touched: most machines have a handful of 256. */
struct access_bus {
    bool tried;
    volatile uint8_t *space; /* null: not mapped */
};

static struct {
    mach_port_t io_bus;
    struct mcfg_region regions[ACCESS_REGIONS_MAX];
    struct access_bus buses[ACCESS_REGIONS_MAX][256];
    size_t count;
    bool ports_tried, ports;
} access_state;

static bool ports_open(void)
{
    mach_port_t permission;

    if (access_state.ports_tried)
        return access_state.ports;
    access_state.ports_tried = true;
    int error = error_from_kernel(io_bus_ports(access_state.io_bus, "pci config ports",
                                               PORT_ADDRESS, PORT_LAST, &permission));
    if (error == 0)
        error = error_from_kernel(i386_io_perm_modify(mach_task_self(), permission, TRUE));
    if (error != 0)
        log_error("pci: ports 0xcf8-0xcff cannot be used: %s", strerror(error));
    access_state.ports = error == 0;
    return access_state.ports;
}

static void bus_map(const struct mcfg_region *region, struct access_bus *bus, uint8_t number)
{
    char name[OUTBOARD_NAME_SIZE];
    mach_port_t pager;
    void *address;

    bus->tried = true;
    snprintf(name, sizeof(name), "pci config %04x:%02x", region->segment, number);
    int error = error_from_kernel(io_bus_window(
        access_state.io_bus, name, region->base + (uint64_t)number * BUS_SIZE, BUS_SIZE, &pager));
    if (error == 0) {
        error = memory_map_object(pager, BUS_SIZE, true, &address);
        port_release(pager);
    }
    if (error == 0)
        bus->space = address;
    else
        log_warning("%s: cannot be mapped at 0x%llx: %s", name,
                    (unsigned long long)(region->base + (uint64_t)number * BUS_SIZE),
                    strerror(error));
}

/* The function's 4096 bytes, or null where they are not mapped. */
static volatile uint8_t *space_find(uint32_t address)
{
    uint8_t number = pci_address_bus(address);

    for (size_t i = 0; i < access_state.count; i++) {
        const struct mcfg_region *region = &access_state.regions[i];
        struct access_bus *bus = &access_state.buses[i][number];

        if (region->segment != pci_address_segment(address) || region->base == 0 ||
            number < region->first_bus || number > region->last_bus)
            continue;
        if (!bus->tried)
            bus_map(region, bus, number);
        return bus->space ? bus->space + (size_t)(address & 0xff) * PCI_EXTENDED_SPACE_SIZE : NULL;
    }
    return NULL;
}

static unsigned access_size(void *context, uint32_t address)
{
    (void)context;
    if (space_find(address))
        return PCI_EXTENDED_SPACE_SIZE;
    return pci_address_segment(address) == 0 && ports_open() ? PCI_SPACE_SIZE : 0;
}

static void port_select(uint32_t address, unsigned offset)
{
    uint32_t value = PORT_ENABLE | (address & 0xffff) << 8 | (offset & 0xfc);

    __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"((uint16_t)PORT_ADDRESS));
}

/* The authority takes no window back from a bus: each is asked for once. */
struct access_window {
    uint64_t base, size;
    void *bytes;
    struct access_window *next;
};

static int window_make(uint64_t base, uint64_t size, struct access_window **result)
{
    struct access_window *window = calloc(1, sizeof(*window));
    mach_port_t pager;
    int error =
        window
            ? error_from_kernel(io_bus_window(access_state.io_bus, "pci rom", base, size, &pager))
            : ENOMEM;

    if (error == 0) {
        error = memory_map_object(pager, size, false, &window->bytes);
        port_release(pager);
    }
    if (error != 0) {
        free(window);
        return error;
    }
    window->base = base;
    window->size = size;
    *result = window;
    return 0;
}

int access_window(uint64_t base, uint64_t size, const volatile uint8_t **bytes)
{
    static struct access_window *windows;
    struct access_window *window = windows;

    while (window && (window->base != base || window->size != size))
        window = window->next;
    if (!window) {
        int error = window_make(base, size, &window);
        if (error != 0)
            return error;
        window->next = windows;
        windows = window;
    }
    *bytes = window->bytes;
    return 0;
}

static uint32_t port_read(uint32_t address, unsigned offset, unsigned width)
{
    uint16_t port = (uint16_t)(PORT_DATA + (offset & 3));
    uint32_t value = 0;

    port_select(address, offset);
    if (width == 1)
        __asm__ volatile("inb %1, %b0" : "+a"(value) : "Nd"(port));
    else if (width == 2)
        __asm__ volatile("inw %1, %w0" : "+a"(value) : "Nd"(port));
    else
        __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void port_write(uint32_t address, unsigned offset, unsigned width, uint32_t value)
{
    uint16_t port = (uint16_t)(PORT_DATA + (offset & 3));

    port_select(address, offset);
    if (width == 1)
        __asm__ volatile("outb %b0, %1" ::"a"(value), "Nd"(port));
    else if (width == 2)
        __asm__ volatile("outw %w0, %1" ::"a"(value), "Nd"(port));
    else
        __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}

static uint32_t access_read(void *context, uint32_t address, unsigned offset, unsigned width)
{
    volatile uint8_t *space = space_find(address);

    (void)context;
    if (!space)
        return port_read(address, offset, width);
    if (width == 1)
        return space[offset];
    if (width == 2)
        return *(volatile uint16_t *)(space + offset);
    return *(volatile uint32_t *)(space + offset);
}

static void access_write(void *context, uint32_t address, unsigned offset, unsigned width,
                         uint32_t value)
{
    volatile uint8_t *space = space_find(address);

    (void)context;
    if (!space)
        port_write(address, offset, width, value);
    else if (width == 1)
        space[offset] = (uint8_t)value;
    else if (width == 2)
        *(volatile uint16_t *)(space + offset) = (uint16_t)value;
    else
        *(volatile uint32_t *)(space + offset) = value;
}

static const struct pci_config_ops access_ops = {
    .size = access_size,
    .read = access_read,
    .write = access_write,
};

static int mcfg_load(void)
{
    records_t table;
    mach_msg_type_number_t size = 0;
    int error = error_from_kernel(io_bus_acpi_table(access_state.io_bus, "MCFG", &table, &size));

    if (error != 0)
        return error;
    error = mcfg_parse(table, size, access_state.regions, ACCESS_REGIONS_MAX, &access_state.count);
    memory_pages_free(table, size);
    if (error == 0 && access_state.count == 0)
        error = ENOENT;
    return error;
}

int access_start(mach_port_t io_bus, struct pci_config *config)
{
    access_state.io_bus = io_bus;
    *config = (struct pci_config){.ops = &access_ops};

    int error = mcfg_load();
    if (error == 0)
        return 0;
    if (error != ENOENT)
        log_warning("pci: the MCFG table cannot be used: %s", strerror(error));
    if (!ports_open())
        return ENXIO;
    access_state.regions[0] = (struct mcfg_region){.first_bus = 0, .last_bus = 255};
    access_state.count = 1;
    return 0;
}

const struct mcfg_region *access_regions(size_t *count)
{
    *count = access_state.count;
    return access_state.regions;
}
