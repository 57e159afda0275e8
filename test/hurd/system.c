/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device master of a whole system: names that are not the driver's are the kernel's.
 */
#include <stdlib.h>

#include <device/device_types.h>
#include <mach/task_info.h>
#include <mach/time_value.h>

#include <interface/hurd/acpi_user.h>
#include <kernel/device_user.h>
#include <kernel/mach_host_user.h>
#include <kernel/mach_user.h>

#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>

#include "stand_in.h"

enum { CONSOLES = 4, PAGE = 4096, SOFT_OFF = 5 };
static const char line_end[IO_INBAND_MAX] = "\r\n";

static void consoles_check(mach_port_t master)
{
    for (unsigned i = 0; i < CONSOLES; i++) {
        mach_port_t console = MACH_PORT_NULL;
        int written = 0;

        if (!check_equal("device_open of console", D_SUCCESS,
                         device_open(master, D_READ | D_WRITE, "console", &console)))
            return;
        check_equal("device_write_inband to console", D_SUCCESS,
                    device_write_inband(console, 0, 0, line_end, 2, &written));
        check_equal("device_write_inband to console: bytes", 2, written);
        port_release(console); /* dropped, as the Hurd does */
    }
}

/* libshouldbeinlibc maps the clock. */
static void clock_check(mach_port_t master, dev_mode_t mode)
{
    mach_port_t device = MACH_PORT_NULL, pager = MACH_PORT_NULL;
    void *page = NULL;
    time_value64_t now;

    if (!check_equal("device_open of time", D_SUCCESS, device_open(master, mode, "time", &device)))
        return;
    if (check_equal("device_map of time", D_SUCCESS,
                    device_map(device, VM_PROT_READ, 0, PAGE, &pager, 0)) &&
        check_equal("vm_map of time", 0, memory_map_object(pager, PAGE, false, &page))) {
        const volatile struct mapped_time_value *time = page;
        host_get_time64(mach_host_self(), &now);
        check_true(llabs((long long)time->seconds - (long long)now.seconds) <= 2, "mapped clock",
                   "within 2 s of the kernel's");
        memory_pages_free(page, PAGE);
    }
    port_release(pager);
    port_release(device);
}

uint64_t system_task_size(mach_port_t task)
{
    struct task_basic_info info = {0};
    mach_msg_type_number_t count = TASK_BASIC_INFO_COUNT;

    return task_info(task, TASK_BASIC_INFO, (task_info_t)&info, &count) == KERN_SUCCESS
               ? info.virtual_size
               : 0;
}

static void task_check(const char *what, mach_port_t task)
{
    struct task_basic_info info = {0};
    mach_msg_type_number_t count = TASK_BASIC_INFO_COUNT;

    check_equal(what, KERN_SUCCESS, task_info(task, TASK_BASIC_INFO, (task_info_t)&info, &count));
}

static mach_port_t acpi_open(mach_port_t master)
{
    mach_port_t acpi = MACH_PORT_NULL;

    check_equal("device_open of acpi", D_SUCCESS,
                device_open(master, D_READ | D_WRITE, "acpi", &acpi));
    return acpi;
}

static void acpi_check(mach_port_t master)
{
    mach_port_t acpi = acpi_open(master);
    int line = -1;

    check_refused("acpi_get_pci_irq of no device", acpi_get_pci_irq(acpi, 256, 32, 8, &line));
    port_release(acpi);
}

void system_off(const struct privileges *privileges)
{
    check_note("acpi_sleep came back with %d",
               acpi_sleep(acpi_open(privileges->device_master), SOFT_OFF));
}

void system_check(const struct privileges *privileges, const struct options *options)
{
    mach_port_t device = MACH_PORT_NULL;

    consoles_check(privileges->device_master);
    clock_check(privileges->device_master, 0);
    clock_check(privileges->device_master, D_READ | D_WRITE);
    check_equal("device_open of a name that nobody has", D_NO_SUCH_DEVICE,
                device_open(privileges->device_master, D_READ, "no-such-device", &device));
    task_check("task_info of fstask", privileges->driver_task);
    if (options->exec_task != MACH_PORT_NULL)
        task_check("task_info of the exec server's task", options->exec_task);
    if (options->pci)
        pci_check(privileges->device_master, options->confined);
    if (options->acpi)
        acpi_check(privileges->device_master);
}
