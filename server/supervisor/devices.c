/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device tree for an operator. What a driver holds is asked from the authority, not remembered
 * here: it is the truth.
 */
#include <stdio.h>
#include <string.h>

#include <interface/io_device_user.h>
#include <interface/mig_types.h>

#include <host/mach/memory.h>
#include <server/pci/names.h>
#include <server/supervisor/supervisor.h>

static const void *names;
static size_t names_size;

static void size_print(struct text *text, uint64_t size)
{
    if (size >= 1 << 20 && size % (1 << 20) == 0)
        text_print(text, "%llu MiB", (unsigned long long)size >> 20);
    else if (size >= 1024 && size % 1024 == 0)
        text_print(text, "%llu KiB", (unsigned long long)size >> 10);
    else
        text_print(text, "%llu bytes", (unsigned long long)size);
}

/* What belongs to a function stands below its name. */
static void detail_indent(struct text *text, unsigned depth)
{
    text_print(text, "%*s", (int)(12 + 2 * depth), "");
}

static void resource_print(struct text *text, const struct io_resource *resource, unsigned depth)
{
    unsigned long long base = resource->base, last = resource->base + resource->size - 1;
    bool used = resource->flags & IO_RESOURCE_IN_USE;

    detail_indent(text, depth);
    switch (resource->kind) {
    case IO_RESOURCE_WINDOW:
        text_print(text, "window %u     %08llx-%08llx%s\n", resource->index, base, last,
                   used ? ", mapped" : "");
        break;
    case IO_RESOURCE_GUARD:
        text_print(text, "  but not    %08llx-%08llx (interrupt table)\n", base, last);
        break;
    case IO_RESOURCE_PORTS:
        text_print(text, "ports %u      %04llx-%04llx%s\n", resource->index, base, last,
                   used ? ", granted" : "");
        break;
    case IO_RESOURCE_INTERRUPT:
        text_print(text, "interrupt %u  %s %llu%s, %u taken\n", resource->index,
                   resource->flags & IO_RESOURCE_MESSAGE ? "message" : "line", base,
                   used ? ", attached" : "", resource->count);
        break;
    case IO_RESOURCE_REQUESTER:
        text_print(text, "bus master   %02llx:%02llx.%llx%s\n", base >> 8 & 0xff, base >> 3 & 0x1f,
                   base & 7, resource->flags & IO_RESOURCE_TRANSLATED ? ", confined" : "");
        break;
    case IO_RESOURCE_DMA:
        text_print(text, "memory       %08llx-%08llx (", base, last);
        size_print(text, resource->size);
        text_print(text, ")\n");
        break;
    default:
        text_print(text, "unknown resource %u\n", resource->kind);
    }
}

/* What a driver offers, and what others make of that. */
static void offers_visit(const struct child *driver,
                         void (*visit)(struct text *text, const struct child_offer *offer,
                                       unsigned depth),
                         struct text *text, unsigned depth)
{
    for (const struct child *child = child_first(); child; child = child->next) {
        if (child != driver && child->source != driver)
            continue;
        for (unsigned i = 0; i < child->offer_count; i++) {
            if (strcmp(child->offer[i].class, "control") != 0)
                visit(text, &child->offer[i], depth);
        }
    }
}

static void port_print(struct text *text, const struct child_offer *offer, unsigned depth)
{
    detail_indent(text, depth);
    text_print(text, "port         %s (%s)\n", offer->name, offer->class);
}

static void name_print(struct text *text, const struct child_offer *offer, unsigned depth)
{
    (void)depth;
    text_print(text, ", %s", offer->name);
}

static void authority_print(struct text *text, const struct child *driver, unsigned depth)
{
    char record[sizeof(struct io_resource) * IO_RESOURCES_MAX];
    struct io_resource resource;
    mach_msg_type_number_t size = sizeof(record);

    for (unsigned i = 0; i < driver->grant_count; i++) {
        if (strcmp(driver->grant[i].name, "device") != 0)
            continue;
        if (io_device_describe(driver->grant[i].right, record, &size) != KERN_SUCCESS)
            return;
        for (size_t at = 0; at + sizeof(resource) <= size; at += sizeof(resource)) {
            memcpy(&resource, record + at, sizeof(resource));
            resource_print(text, &resource, depth);
        }
    }
    offers_visit(driver, port_print, text, depth);
}

static void bars_print(struct text *text, const struct pci_function_info *function, unsigned depth)
{
    for (unsigned i = 0; i < 6; i++) {
        if (function->bar[i].size == 0)
            continue;
        bool ports = function->bar[i].flags & PCI_BAR_PORTS;
        detail_indent(text, depth);
        text_print(text, "BAR %u        %0*llx-%0*llx%s\n", i, ports ? 4 : 8,
                   (unsigned long long)function->bar[i].base, ports ? 4 : 8,
                   (unsigned long long)(function->bar[i].base + function->bar[i].size - 1),
                   ports ? " (ports)" : "");
    }
    if (function->rom_size != 0) {
        detail_indent(text, depth);
        text_print(text, "ROM          %08llx-%08llx\n", (unsigned long long)function->rom_base,
                   (unsigned long long)(function->rom_base + function->rom_size - 1));
    }
}

static void driver_print(struct text *text, const struct child *driver, unsigned depth)
{
    detail_indent(text, depth);
    text_print(text, "driver %s (%s)", driver->name,
               driver->state == CHILD_RUNNING ? "running" : driver->cause);
    offers_visit(driver, name_print, text, depth);
    text_print(text, "\n");
}

static void function_print(struct text *text, const struct pci_function_info *function,
                           bool verbose, unsigned depth)
{
    const struct child *driver = drivers_find(drivers_address(function));
    char name[160];

    if (!names || pci_names_find(names, names_size, function->vendor, function->device_id, name,
                                 sizeof(name)) != 0)
        snprintf(name, sizeof(name), "unknown");
    text_print(text, "%*s%02x:%02x.%x  %04x:%04x  %s\n", (int)(2 + 2 * depth), "", function->bus,
               function->device, function->function, function->vendor, function->device_id, name);
    if (driver)
        driver_print(text, driver, depth);
    if (verbose && driver && driver->state == CHILD_RUNNING)
        authority_print(text, driver, depth);
    else if (verbose)
        bars_print(text, function, depth);
}

/* A bridge is followed by what is behind it. */
static void bus_print(struct text *text, const struct pci_function_info *functions, size_t count,
                      unsigned segment, unsigned bus, bool verbose, unsigned depth)
{
    if (depth > 8)
        return;
    for (size_t i = 0; i < count; i++) {
        if (functions[i].segment != segment || functions[i].bus != bus)
            continue;
        function_print(text, &functions[i], verbose, depth);
        if (functions[i].header_type == 1 && functions[i].secondary_bus > bus)
            bus_print(text, functions, count, segment, functions[i].secondary_bus, verbose,
                      depth + 1);
    }
}

static void fixed_print(struct text *text, bool verbose)
{
    bool first = true;

    for (const struct child *driver = child_first(); driver; driver = driver->next) {
        if (!driver->fixed)
            continue;
        text_print(text, first ? "ISA bus\n  ports" : "  ports");
        first = false;
        for (unsigned i = 0; i < ISA_RANGES && driver->fixed->ports[i].last != 0; i++)
            text_print(text, " %03x-%03x", driver->fixed->ports[i].first,
                       driver->fixed->ports[i].last);
        text_print(text, "\n");
        driver_print(text, driver, 0);
        if (verbose && driver->state == CHILD_RUNNING)
            authority_print(text, driver, 0);
    }
}

static void functions_print(struct text *text, bool verbose)
{
    struct pci_function_info *functions;
    size_t count;
    int error = drivers_functions(&functions, &count);

    if (error != 0) {
        text_print(text, "no PCI: %s\n", strerror(error));
        return;
    }
    if (!names && archive_find(&supervisor_archive, "pci.names", &names, &names_size) != 0)
        names = NULL;
    for (size_t i = 0; i < count; i++) {
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++)
            seen = functions[j].segment == functions[i].segment &&
                   functions[j].bus == functions[i].bus;
        if (seen || functions[i].parent_bus != functions[i].bus)
            continue;
        text_print(text, "PCI bus %04x:%02x\n", functions[i].segment, functions[i].bus);
        bus_print(text, functions, count, functions[i].segment, functions[i].bus, verbose, 0);
    }
    memory_pages_free(functions, count * sizeof(*functions));
}

void devices_report(struct text *text, bool verbose)
{
    functions_print(text, verbose);
    fixed_print(text, verbose);
}

void devices_names(struct text *text, const char *class)
{
    for (const struct child *child = child_first(); child; child = child->next) {
        for (unsigned i = 0; i < child->offer_count; i++) {
            if (child->class && strcmp(child->class, class) == 0 &&
                strcmp(child->offer[i].class, class) == 0)
                text_print(text, "%s ", child->offer[i].name);
        }
    }
    text_print(text, "\n");
}
