/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device master of a whole system: names that are not the driver's are the kernel's.
 */
#include <stdlib.h>
#include <string.h>

#include <device/device_types.h>
#include <mach/task_info.h>
#include <mach/time_value.h>

#include <interface/hurd/acpi_user.h>
#include <interface/hurd/directory_user.h>
#include <interface/hurd/pci_user.h>
#include <kernel/device_user.h>
#include <kernel/mach_host_user.h>
#include <kernel/mach_user.h>

#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>

#include "stand_in.h"

enum { CONSOLES = 4, WAIT_MS = 5000, PAGE = 4096, SOFT_OFF = 5 };
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

/* The host bridge is always there. */
static void function_check(mach_port_t bus, bool confined)
{
    static hurd_string_t rest;
    mach_port_t function = MACH_PORT_NULL, other = MACH_PORT_NULL;
    uint32_t retry = 0;
    hurd_data_t data = NULL;
    mach_msg_type_number_t size = 0;
    vm_size_t written = 0;
    uint16_t vendor = 0xffff;

    check_refused("dir_lookup of no function",
                  dir_lookup(bus, WAIT_MS, "0000/00/1e/7", 0, 0, &retry, rest, &other));
    if (!check_equal(
            "dir_lookup of a function", KERN_SUCCESS,
            dir_lookup(bus, WAIT_MS, "0000/00/00/0/config", 0, 0, &retry, rest, &function)))
        return;
    check_equal("dir_lookup of a function: retry", HURD_RETRY_NORMAL, retry);
    if (check_equal("pci_conf_read", KERN_SUCCESS, pci_conf_read(function, 0, &data, &size, 64)) &&
        check_equal("pci_conf_read: bytes", 64, size)) {
        memcpy(&vendor, data, sizeof(vendor));
        memory_pages_free(data, PAGE);
        check_true(vendor != 0 && vendor != 0xffff, "vendor id", "one");
    }
    if (check_equal("pci_get_dev_regions", KERN_SUCCESS,
                    pci_get_dev_regions(function, &data, &size))) {
        check_equal("pci_get_dev_regions: bytes", 6 * sizeof(struct hurd_pci_region), size);
        memory_pages_free(data, PAGE);
    }
    check_refused("pci_conf_read past the end", pci_conf_read(function, 250, &data, &size, 8));
    if (confined)
        check_refused("pci_conf_write", pci_conf_write(function, 4, "\7", 1, &written));
    port_release(function);
}

/* libpciaccess counts the functions first; the functions themselves are found by name under it. */
static void pci_check(mach_port_t master, bool confined)
{
    mach_port_t bus = MACH_PORT_NULL;
    mach_msg_type_number_t count = 0;

    if (check_equal("device_open of pci", D_SUCCESS, device_open(master, D_READ, "pci", &bus)) &&
        check_equal("pci_get_ndevs", KERN_SUCCESS, pci_get_ndevs(bus, &count)))
        check_true(count > 0, "PCI functions", "more than none");
    function_check(bus, confined);
    port_release(bus);
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
