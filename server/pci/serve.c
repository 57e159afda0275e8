/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/pci/serve.h>

#include <errno.h>
#include <string.h>

#include <interface/bus.h>
#include <interface/pci_bus_server.h>
#include <interface/pci_function_server.h>
#include <interface/task_control_server.h>
#include <interface/types.h>
#include <kernel/mach_port_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/orphan.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <server/pci/access.h>
#include <server/pci/claim.h>
#include <server/pci/command.h>
#include <server/pci/filter.h>
#include <server/pci/hotplug.h>
#include <server/pci/rom.h>

/* What hangs on a function's place in the tree. */
struct served_function {
    mach_port_t port;
    struct pci_claim claim;
};

static struct {
    struct pci_tree *tree;
    mach_port_t io_bus;
    mach_port_t watcher; /* a send right; null: nobody */
    struct served_function functions[PCI_FUNCTIONS_MAX];
} server;

static void function_no_senders(void *context);

static const struct port_type bus_type = {.name = "pci bus", .serve = pci_bus_server};
static const struct port_type control_type = {.name = "control", .serve = task_control_server};
static const struct port_type function_type = {
    .name = "pci function",
    .serve = pci_function_server,
    .no_senders = function_no_senders,
};

static bool anything_is_lent(void)
{
    unsigned i = 0;

    while (i < PCI_FUNCTIONS_MAX && !server.functions[i].claim.function)
        i++;
    return i < PCI_FUNCTIONS_MAX;
}

int serve_start(struct pci_tree *tree, mach_port_t io_bus)
{
    mach_port_t bus, control;

    server.tree = tree;
    server.io_bus = io_bus;
    orphan_stays_while(anything_is_lent);
    int error = port_create(&bus_type, &server, &bus);
    if (error == 0)
        error = port_create(&control_type, &server, &control);
    if (error == 0)
        error = startup_offer("", "control", control);
    if (error == 0)
        error = startup_offer("", "pci_bus", bus);
    return error;
}

static struct served_function *served_of(const struct pci_function *function)
{
    return &server.functions[function - server.tree->functions];
}

static struct served_function *served_find(uint32_t address)
{
    struct pci_function *function = pci_tree_find(server.tree, address);

    return function ? served_of(function) : NULL;
}

static int function_take(struct served_function *served, bool reset)
{
    int error = pci_claim_release(&served->claim, reset);

    port_destroy(served->port);
    served->port = MACH_PORT_NULL;
    return error;
}

/* 0, or why it was not reset (claim.h); EBUSY: it is leaving, and has its power until the others in
 * its slot do, too. */
static int function_release(struct served_function *served, bool reset)
{
    const struct pci_function *function = served->claim.function;
    bool leaves = function->info.leaving;
    int error = function_take(served, reset && !leaves);

    return leaves && !hotplug_released(function) ? EBUSY : error;
}

bool serve_is_lent(const struct pci_function *function)
{
    return served_of(function)->claim.function != NULL;
}

void serve_withdraw(const struct pci_function *function)
{
    if (serve_is_lent(function))
        function_take(served_of(function), false);
}

void serve_changed(void)
{
    mach_msg_header_t message = {
        .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
        .msgh_size = sizeof(message),
        .msgh_remote_port = server.watcher,
    };

    if (server.watcher != MACH_PORT_NULL) /* one that is waiting there says it all */
        mach_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(message), 0, MACH_PORT_NULL, 0,
                 MACH_PORT_NULL);
}

/* The driver is gone, and whoever started it wants the function no more either. */
static void function_no_senders(void *context)
{
    function_release(context, true);
}

kern_return_t serve_pci_bus_list(mach_port_t bus, records_t *functions,
                                 mach_msg_type_number_t *size)
{
    const struct pci_tree *tree = server.tree;

    if (!port_context(bus, &bus_type))
        return outboard_error_make(EOPNOTSUPP);
    if (tree->count == 0) {
        *functions = NULL;
        *size = 0;
        return 0;
    }
    size_t length = tree->count * sizeof(struct pci_function_info);
    struct pci_function_info *copy = memory_pages_allocate(length);
    if (!copy)
        return outboard_error_make(ENOMEM);
    size_t count = 0;
    for (size_t i = 0; i < tree->count; i++) {
        if (pci_function_is_present(&tree->functions[i]))
            copy[count++] = tree->functions[i].info;
    }
    *functions = (records_t)copy;
    *size = (mach_msg_type_number_t)(count * sizeof(*copy));
    return 0;
}

kern_return_t serve_pci_bus_watch(mach_port_t bus, mach_port_t changed)
{
    if (!port_context(bus, &bus_type))
        return outboard_error_make(EOPNOTSUPP);
    port_release(server.watcher);
    server.watcher = changed;
    return 0;
}

kern_return_t serve_pci_bus_claim(mach_port_t bus, unsigned address, const_name_t name,
                                  unsigned vectors, mach_port_t *io_device, mach_port_t *function)
{
    struct served_function *served = served_find(address);

    if (!port_context(bus, &bus_type))
        return outboard_error_make(EOPNOTSUPP);
    if (!served)
        return outboard_error_make(ENODEV);
    if (served->claim.function)
        return outboard_error_make(EBUSY);

    struct pci_function *found = pci_tree_find(server.tree, address);
    int error = pci_claim_make(&served->claim, server.tree, found, server.io_bus, name, vectors);
    if (error != 0)
        return outboard_error_make(error);
    error = port_create(&function_type, served, &served->port);
    if (error != 0) {
        pci_claim_release(&served->claim, true);
        return outboard_error_make(error);
    }

    /* One right to the device for the driver, one kept for taking it back. */
    error = error_from_kernel(
        mach_port_mod_refs(mach_task_self(), served->claim.io_device, MACH_PORT_RIGHT_SEND, 1));
    if (error == 0 && port_make_send(served->port) == MACH_PORT_NULL) {
        port_release(served->claim.io_device);
        error = ENOMEM;
    }
    if (error != 0) {
        function_release(served, true);
        return outboard_error_make(error);
    }
    *io_device = served->claim.io_device;
    *function = served->port;
    return 0;
}

kern_return_t serve_pci_bus_release(mach_port_t bus, unsigned address, boolean_t reset)
{
    const struct pci_function *function = pci_tree_find(server.tree, address);

    if (!port_context(bus, &bus_type))
        return outboard_error_make(EOPNOTSUPP);
    if (!function)
        return outboard_error_make(ENODEV);
    if (serve_is_lent(function))
        return outboard_error_make(function_release(served_of(function), reset != 0));
    return outboard_error_make(
        function->info.leaving ? EBUSY : pci_claim_forgotten(server.tree, function, reset != 0));
}

kern_return_t serve_pci_function_describe(mach_port_t port, record_t info,
                                          mach_msg_type_number_t *size, unsigned *vectors)
{
    const struct served_function *served = port_context(port, &function_type);

    if (!served)
        return outboard_error_make(EOPNOTSUPP);
    memcpy(info, &served->claim.function->info, sizeof(struct pci_function_info));
    *size = sizeof(struct pci_function_info);
    *vectors = served->claim.vectors;
    return 0;
}

/* Whether that is a register of the function: aligned, and in the space that it has. */
static bool register_exists(const struct pci_function *function, unsigned offset, unsigned width)
{
    const struct pci_config *config = server.tree->config;
    unsigned size = config->ops->size(config->context, pci_function_address(function));

    if (function->info.express_offset == 0 && size > PCI_SPACE_SIZE)
        size = PCI_SPACE_SIZE;
    return (width == 1 || width == 2 || width == 4) && offset % width == 0 && size >= width &&
           offset <= size - width;
}

/* A function by its address: EOPNOTSUPP: that is not the bus; ENODEV: there is none. */
static int function_find(mach_port_t bus, unsigned address, const struct pci_function **function)
{
    if (!port_context(bus, &bus_type))
        return EOPNOTSUPP;
    *function = pci_tree_find(server.tree, address);
    return *function ? 0 : ENODEV;
}

/* The same, of no driver's: EBUSY. */
static int function_find_free(mach_port_t bus, unsigned address,
                              const struct pci_function **function)
{
    int error = function_find(bus, address, function);

    return error == 0 && (*function)->info.claimed ? EBUSY : error;
}

kern_return_t serve_pci_bus_read(mach_port_t bus, unsigned address, unsigned offset, unsigned width,
                                 unsigned *value)
{
    const struct pci_function *function;
    int error = function_find(bus, address, &function);

    if (error == 0 && !register_exists(function, offset, width))
        error = EINVAL;
    if (error != 0)
        return outboard_error_make(error);
    *value = pci_config_read(server.tree->config, address, offset, width);
    return 0;
}

kern_return_t serve_pci_function_read(mach_port_t port, unsigned offset, unsigned width,
                                      unsigned *value)
{
    const struct served_function *served = port_context(port, &function_type);

    if (!served)
        return outboard_error_make(EOPNOTSUPP);
    const struct pci_function *function = served->claim.function;
    if (!register_exists(function, offset, width))
        return outboard_error_make(EINVAL);
    *value = pci_config_read(server.tree->config, pci_function_address(function), offset, width);
    return 0;
}

/* 0, EINVAL or EPERM. */
static int register_write(const struct pci_function *function, unsigned offset, unsigned width,
                          unsigned value)
{
    const struct pci_config *config = server.tree->config;

    if (!register_exists(function, offset, width))
        return EINVAL;
    if (!pci_filter_allows(config, function, offset, width))
        return EPERM;
    pci_config_write(config, pci_function_address(function), offset, width, value);
    return 0;
}

/* No more than a driver may: what else there is decides what the function reaches. */
kern_return_t serve_pci_bus_write(mach_port_t bus, unsigned address, unsigned offset,
                                  unsigned width, unsigned value)
{
    const struct pci_function *function;
    int error = function_find_free(bus, address, &function);

    if (error == 0)
        error = register_write(function, offset, width, value);
    return outboard_error_make(error);
}

static void rom_copy(const volatile uint8_t *rom, unsigned size, unsigned char *bytes)
{
    unsigned at = 0;

    for (; (uintptr_t)(rom + at) % 4 == 0 && size - at >= 4; at += 4) {
        uint32_t word = *(const volatile uint32_t *)(rom + at);
        memcpy(bytes + at, &word, sizeof(word));
    }
    for (; at < size; at++)
        bytes[at] = rom[at];
}

static int rom_read(const struct pci_function *function, unsigned offset, unsigned size,
                    unsigned char *bytes)
{
    struct pci_range pages;
    const volatile uint8_t *window;
    uint16_t command;
    int error = pci_rom_place(server.tree, function, &pages);

    if (error == 0)
        error = access_window(pages.base, pages.size, &window);
    if (error == 0)
        error = pci_rom_show(server.tree, function, &command);
    if (error != 0)
        return error;
    rom_copy(window + (function->info.rom_base - pages.base) + offset, size, bytes);
    pci_rom_hide(server.tree->config, function, command);
    return 0;
}

kern_return_t serve_pci_bus_rom(mach_port_t bus, unsigned address, unsigned offset, unsigned size,
                                records_t *data, mach_msg_type_number_t *count)
{
    enum { ROM_READ_MAX = 64 << 10 };
    const struct pci_function *function;
    int error = function_find_free(bus, address, &function);

    if (error != 0)
        return outboard_error_make(error);
    if (size == 0 || size > ROM_READ_MAX || offset > function->info.rom_size ||
        size > function->info.rom_size - offset)
        return outboard_error_make(function->info.rom_size == 0 ? ENXIO : EINVAL);
    unsigned char *bytes = memory_pages_allocate(size);
    if (!bytes)
        return outboard_error_make(ENOMEM);
    error = rom_read(function, offset, size, bytes);
    if (error != 0) {
        memory_pages_free(bytes, size);
        return outboard_error_make(error);
    }
    *data = (records_t)bytes;
    *count = size;
    return 0;
}

kern_return_t serve_pci_function_write(mach_port_t port, unsigned offset, unsigned width,
                                       unsigned value)
{
    const struct served_function *served = port_context(port, &function_type);

    if (!served)
        return outboard_error_make(EOPNOTSUPP);
    return outboard_error_make(register_write(served->claim.function, offset, width, value));
}

kern_return_t serve_pci_function_enable(mach_port_t port, boolean_t enable)
{
    const struct served_function *served = port_context(port, &function_type);

    if (!served)
        return outboard_error_make(EOPNOTSUPP);
    const struct pci_function *function = served->claim.function;
    if (enable)
        pci_function_decode(server.tree, function, true);
    pci_function_master(server.tree, function, enable);
    if (!enable)
        pci_function_decode(server.tree, function, false);
    return 0;
}

kern_return_t serve_pci_function_interrupt_mask(mach_port_t port, boolean_t masked)
{
    const struct served_function *served = port_context(port, &function_type);

    if (!served)
        return outboard_error_make(EOPNOTSUPP);
    return outboard_error_make(pci_claim_interrupt_mask(&served->claim, masked));
}

kern_return_t serve_task_control_stop(mach_port_t control)
{
    if (!port_context(control, &control_type))
        return outboard_error_make(EOPNOTSUPP);
    for (unsigned i = 0; i < PCI_FUNCTIONS_MAX; i++) {
        if (server.functions[i].claim.function)
            function_release(&server.functions[i], true);
    }
    loop_stop();
    return 0;
}
