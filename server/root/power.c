/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Stopping the machine. The kernel's own halt leaves an amd64 machine running in a loop, so the
 * sleep state is entered here (ACPI 6.5, 4.8.3.2 and 16.1.7) and the kernel only asked to reboot.
 */
#include <server/root/power.h>

#include <errno.h>
#include <string.h>

#include <interface/io_bus_user.h>
#include <interface/io_control_user.h>
#include <kernel/mach_host_user.h>
#include <kernel/mach_i386_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <kit/log.h>
#include <server/io/acpi_tables.h>
#include <server/root/soft_off.h>

/* ACPI 6.5, 5.2.9, as far as it is used: the fixed hardware's description. */
struct acpi_fadt {
    struct acpi_header header;
    uint32_t firmware_control;
    uint32_t dsdt; /* physical address */
    uint8_t reserved0;
    uint8_t preferred_profile;
    uint16_t sci_interrupt;
    uint32_t smi_command;              /* I/O port */
    uint8_t acpi_enable, acpi_disable; /* values for it */
    uint8_t s4bios_request, pstate_control;
    uint32_t pm1a_event, pm1b_event;     /* I/O ports */
    uint32_t pm1a_control, pm1b_control; /* I/O ports */
} __attribute__((packed));
static_assert(offsetof(struct acpi_fadt, dsdt) == ACPI_FADT_DSDT, "5.2.9");
static_assert(offsetof(struct acpi_fadt, smi_command) == 48, "5.2.9");
static_assert(offsetof(struct acpi_fadt, pm1a_control) == 64, "5.2.9");

#define PM1_SCI_ENABLE   0x0001u
#define PM1_SLEEP_TYPE   10
#define PM1_SLEEP_ENABLE 0x2000u

static bool port_allow(mach_port_t device_master, unsigned port, unsigned count)
{
    mach_port_t permission;

    if (port == 0 || port > 0xffff ||
        i386_io_perm_create(device_master, (io_port_t)port, (io_port_t)(port + count - 1),
                            &permission) != KERN_SUCCESS)
        return false;
    kern_return_t code = i386_io_perm_modify(mach_task_self(), permission, TRUE);
    port_release(permission);
    return code == KERN_SUCCESS;
}

static void port_write16(unsigned port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"((uint16_t)port));
}

static uint16_t port_read16(unsigned port)
{
    uint16_t value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"((uint16_t)port));
    return value;
}

static void port_write8(unsigned port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"((uint16_t)port));
}

/* What the firmware says about powering off. */
static int firmware_ask(mach_port_t io, struct acpi_fadt *fadt, unsigned *type)
{
    mach_port_t bus;
    records_t table;
    mach_msg_type_number_t size;
    int error = io == MACH_PORT_NULL ? ENODEV : error_from_kernel(io_control_bus(io, "root", &bus));

    if (error == 0)
        error = error_from_kernel(io_bus_acpi_table(bus, "FACP", &table, &size));
    if (error != 0)
        return error;
    memset(fadt, 0, sizeof(*fadt));
    memcpy(fadt, table, size < sizeof(*fadt) ? size : sizeof(*fadt));
    memory_pages_free(table, size);
    error = error_from_kernel(io_bus_acpi_table(bus, "DSDT", &table, &size));
    if (error != 0)
        return error;
    error = soft_off_type((const uint8_t *)table, size, type);
    memory_pages_free(table, size);
    return error;
}

static int soft_off(const struct power_rights *rights)
{
    mach_port_t master = rights->device_master;
    struct acpi_fadt fadt;
    unsigned type = 0;
    int error = firmware_ask(rights->io, &fadt, &type);

    if (error != 0 || !port_allow(master, fadt.pm1a_control, 2))
        return error != 0 ? error : EPERM;

    if (!(port_read16(fadt.pm1a_control) & PM1_SCI_ENABLE) &&
        port_allow(master, fadt.smi_command, 1)) {
        port_write8(fadt.smi_command, fadt.acpi_enable); /* 4.8.2.5: hand the registers to us */
        for (int i = 0; i < 300 && !(port_read16(fadt.pm1a_control) & PM1_SCI_ENABLE); i++)
            clock_sleep(10 * CLOCK_MILLISECOND);
    }
    port_write16(fadt.pm1a_control, (uint16_t)(type << PM1_SLEEP_TYPE | PM1_SLEEP_ENABLE));
    clock_sleep(CLOCK_SECOND);
    return ETIMEDOUT;
}

void power_stop(const struct power_rights *rights, bool off)
{
    /* sys/reboot.h of the kernel. */
    enum { REBOOT = 0, HALT = 0x08 };

    if (off) {
        int error = soft_off(rights);
        log_error("the machine cannot be powered off (%s): halting it", strerror(error));
    }
    host_reboot(rights->host, off ? HALT : REBOOT);
    log_error("the kernel refused to stop the machine");
}
