/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Crimes with rights and interfaces.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <mach/notify.h>

#include <interface/io_bus_user.h>
#include <interface/io_control_user.h>
#include <interface/io_device_user.h>
#include <interface/memory_user.h>
#include <interface/pci_bus_user.h>
#include <interface/pci_function_user.h>
#include <interface/root_user.h>
#include <kernel/device_user.h>
#include <kernel/gnumach_user.h>
#include <kernel/mach_host_user.h>
#include <kernel/mach_i386_user.h>
#include <kernel/mach_port_user.h>
#include <kernel/mach_user.h>

#include <host/mach/device.h>
#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>

#include "hostile.h"

static mach_port_t right_of(const char *name)
{
    mach_port_t right = MACH_PORT_NULL;

    startup_capability(name, &right);
    return right;
}

static enum outcome privileged_names(void)
{
    static const char *const names[] = {
        "host-priv",
        "host_priv",
        "host",
        "device-master",
        "device_master",
        "master",
        "mem",
        "irq",
        "io",
        "bus",
        "control",
        "supervisor",
        "console",
        "com1",
        "pci",
        "pci_bus",
        "nvme0",
        "nvme0n1",
        "block",
        "task",
        "bootstrap",
        "",
        "../device",
        "function0",
    };

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (right_of(names[i]) != MACH_PORT_NULL)
            return SUCCEEDED;
    }
    return REFUSED;
}

static enum outcome privileged_calls(void)
{
    mach_port_t host = mach_host_self(), right = MACH_PORT_NULL;
    vm_address_t address = 0;
    rpc_phys_addr_t physical = 0;
    bool any = false;

    any |= vm_allocate_contiguous(host, mach_task_self(), &address, &physical, 4096, 0, 1 << 24,
                                  4096) == KERN_SUCCESS;
    any |= device_open(host, D_READ | D_WRITE, "mem", &right) == KERN_SUCCESS;
    any |= device_open(right_of("device"), D_READ | D_WRITE, "mem", &right) == KERN_SUCCESS;
    any |= i386_io_perm_create(host, 0, 0xffff, &right) == KERN_SUCCESS;
    any |= i386_io_perm_create(right_of("device"), 0, 0xffff, &right) == KERN_SUCCESS;
    any |= host_reboot(host, 0) == KERN_SUCCESS;
    return any ? SUCCEEDED : REFUSED;
}

/* Every server interface on every right that a driver has. */
static enum outcome other_interfaces(void)
{
    static const char *const names[] = {"device", "function", "pool"};
    mach_port_t bootstrap = startup_bootstrap_port();
    bool any = false;

    for (unsigned i = 0; i <= 3; i++) {
        mach_port_t to = i < 3 ? right_of(names[i]) : bootstrap, out = MACH_PORT_NULL;
        records_t table;
        mach_msg_type_number_t size;
        any |= io_control_bus(to, "mine", &out) == KERN_SUCCESS;
        any |= io_control_kernel_device(to, "console", &out) == KERN_SUCCESS;
        any |= io_control_device_reset(to, "nvme0") == KERN_SUCCESS;
        any |= io_control_pool_create(to, "mine", UINT64_MAX, &out) == KERN_SUCCESS;
        any |= io_bus_window(to, "mine", 0, 4096, &out) == KERN_SUCCESS;
        any |= io_bus_ports(to, "mine", 0, 0xffff, &out) == KERN_SUCCESS;
        any |= io_bus_device_create(to, "mine", 0, 0, &out) == KERN_SUCCESS;
        any |= io_bus_acpi_table(to, "DMAR", &table, &size) == KERN_SUCCESS;
        root_power(to, 0);
    }
    return any ? SUCCEEDED : REFUSED;
}

static enum outcome windows_outside(void)
{
    mach_port_t device = right_of("device");
    uint64_t address = 0;
    static const struct {
        unsigned index;
        uint64_t offset, size;
    } wanted[] = {
        {0, 0x100000, 0x1000},
        {0, 0xff000, 0x2000},
        {0, UINT64_MAX - 0xfff, 0x1000},
        {0, 0, 0},
        {0, 0x1000, UINT64_MAX - 1},
        {1, 0, 0x1000},
        {5, 0, 0x1000},
        {6, 0, 0x1000},
        {UINT32_MAX, 0, 0x1000},
        {0, 0x800, 0x1000},
        {0, 0, 0x10000000000},
    };

    for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (io_device_window(device, wanted[i].index, wanted[i].offset, wanted[i].size,
                             mach_task_self(), &address) == KERN_SUCCESS)
            return SUCCEEDED;
    }
    return REFUSED;
}

static enum outcome ports_outside(void)
{
    mach_port_t device = right_of("device"), permission = MACH_PORT_NULL;

    for (unsigned index = 0; index < 16; index++) {
        if (io_device_ports(device, index, &permission) == KERN_SUCCESS)
            return SUCCEEDED;
    }
    return REFUSED;
}

static enum outcome interrupts_of_others(void)
{
    mach_port_t device = right_of("device"), port = MACH_PORT_NULL;
    unsigned together;

    for (unsigned vector = 1; vector < 64; vector++) {
        if (io_device_interrupt_attach(device, vector, &port, &together) == KERN_SUCCESS)
            return SUCCEEDED;
    }
    return REFUSED;
}

/* A right to send where the kernel tells the authority that a line has come home, and a line that
 * does not come home. */
static enum outcome line_kept(void)
{
    mach_port_t line = MACH_PORT_NULL, previous = MACH_PORT_NULL;
    unsigned together;

    if (io_device_interrupt_attach(right_of("device"), 0, &line, &together) != KERN_SUCCESS)
        return CONTAINED; /* it was not attempted */
    bool any = mach_port_request_notification(mach_task_self(), line, MACH_NOTIFY_PORT_DESTROYED, 0,
                                              MACH_PORT_NULL, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                                              &previous) == KERN_SUCCESS;
    mach_port_mod_refs(mach_task_self(), line, MACH_PORT_RIGHT_RECEIVE, -1);
    return any ? SUCCEEDED : REFUSED;
}

/* Rights that are no leases, as leases. */
static enum outcome forged_leases(void)
{
    mach_port_t device = right_of("device");
    mach_port_t wrong[] = {device, right_of("pool"), right_of("function"), mach_task_self(),
                           startup_bootstrap_port()};
    uint64_t address, size;

    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (io_device_dma_map(device, wrong[i], &address, &size) == KERN_SUCCESS)
            return SUCCEEDED;
    }
    return REFUSED;
}

static enum outcome configuration_outside(void)
{
    mach_port_t function = right_of("function");
    static const unsigned offsets[] = {4096, 0x10000, UINT32_MAX, UINT32_MAX - 3, 2, 1};
    uint32_t value;

    for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        if (pci_function_read(function, offsets[i], 4, &value) == KERN_SUCCESS)
            return SUCCEEDED;
    }
    return pci_function_read(function, 0, 3, &value) == KERN_SUCCESS ||
                   pci_function_read(function, 0, 8, &value) == KERN_SUCCESS
               ? SUCCEEDED
               : REFUSED;
}

/* Each write is refused, and what is there afterwards is what was there before. */
struct config_write {
    unsigned offset, width, value;
};

static enum outcome config_write_all(const struct config_write *wanted, unsigned count)
{
    mach_port_t function = right_of("function");
    unsigned before = 0, after = 0;

    for (unsigned i = 0; i < count; i++) {
        unsigned aligned = wanted[i].offset & ~3u;
        if (pci_function_read(function, aligned, 4, &before) != KERN_SUCCESS ||
            pci_function_write(function, wanted[i].offset, wanted[i].width, wanted[i].value) ==
                KERN_SUCCESS ||
            pci_function_read(function, aligned, 4, &after) != KERN_SUCCESS || before != after)
            return SUCCEEDED;
    }
    return REFUSED;
}

#define CONFIG_WRITE_ALL(...)                                                                      \
    config_write_all((const struct config_write[]){__VA_ARGS__},                                   \
                     sizeof((const struct config_write[]){__VA_ARGS__}) /                          \
                         sizeof(struct config_write))

/* Over memory, over the IO-APIC, over other devices, and away; and the expansion ROM's. */
static enum outcome bar_moved(void)
{
    return CONFIG_WRITE_ALL({0x10, 4, 0x100000}, {0x10, 4, 0xfec00000}, {0x10, 4, 0xfebf0000},
                            {0x10, 2, 0}, {0x12, 1, 0x10}, {0x14, 4, 0x100000},
                            {0x30, 4, 0x100001});
}

/* Decoding and bus mastering, in the command register. */
static enum outcome mastering_by_hand(void)
{
    return CONFIG_WRITE_ALL({0x04, 2, 0x0407}, {0x04, 1, 7}, {0x04, 4, 0x0407}, {0x04, 1, 0});
}

/* QEMU's edu has its MSI capability at 0x40: control, address, data. */
static enum outcome message_by_hand(void)
{
    return CONFIG_WRITE_ALL({0x40, 4, 0xffffffff}, {0x42, 2, 1}, {0x44, 4, 0xfee00000},
                            {0x4c, 2, 0x30});
}

/* Through interfaces that are the bus server's, and another's handle. */
static enum outcome bus_calls(void)
{
    mach_port_t function = right_of("function"), device = right_of("device"), out = MACH_PORT_NULL;
    unsigned value;
    uint64_t address;
    bool any = false;

    any |= io_bus_device_add_window(device, device, 1, 0x100000, 0x1000) == KERN_SUCCESS;
    any |= io_bus_device_add_msi(device, device, &address, &value) == KERN_SUCCESS;
    any |= pci_bus_claim(function, 0, "mine", 1, &out, &out) == KERN_SUCCESS;
    any |= pci_function_enable(device, TRUE) == KERN_SUCCESS;
    return any ? SUCCEEDED : REFUSED;
}

enum { LENT = 0x1000, BAR = 0x100000 };

/* Whether that range of our window can be had. */
static bool window_maps(uint64_t offset, uint64_t size)
{
    uint64_t address = 0;

    return io_device_window(right_of("device"), 0, offset, size, mach_task_self(), &address) ==
           KERN_SUCCESS;
}

/* What lies behind our window. */
static enum outcome neighbours_registers(void)
{
    static const struct {
        uint64_t offset, size;
    } wanted[] = {{BAR - LENT, 2 * LENT}, {0, BAR + LENT}, {BAR, LENT}};

    for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (window_maps(wanted[i].offset, wanted[i].size))
            return SUCCEEDED;
    }
    return REFUSED;
}

static enum outcome publish_as_another(void)
{
    mach_port_t port = mach_reply_port();
    char name[64];

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    /* Its manifest says "block". */
    bool any = startup_offer("\x1b[2J", "block", port) == 0 ||
               startup_offer(name, "block", port) == 0 || startup_offer("", "net", port) == 0;
    return any ? SUCCEEDED : REFUSED;
}

const struct crime crimes_rights[] = {
    {"privileged-names", privileged_names},
    {"privileged-calls", privileged_calls},
    {"other-interfaces", other_interfaces},
    {"windows-outside", windows_outside},
    {"ports-outside", ports_outside},
    {"interrupts-of-others", interrupts_of_others},
    {"line-kept", line_kept},
    {"forged-leases", forged_leases},
    {"configuration-outside", configuration_outside},
    {"bar-moved", bar_moved},
    {"mastering-by-hand", mastering_by_hand},
    {"message-by-hand", message_by_hand},
    {"bus-calls", bus_calls},
    {"neighbours-registers", neighbours_registers},
    {"publish-as-another", publish_as_another},
    {0},
};
