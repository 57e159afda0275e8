/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Both of the Hurd's boot programs: with the arguments of ext2fs the pager, on the device named as
 * root, and --other=NAME, a device that the filler may write to; without any the task that fills
 * memory, which the pager starts when it serves.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <device/device_types.h>
#include <mach/vm_wire.h>

#include <interface/hurd/acpi_user.h>
#include <interface/hurd/fsys_user.h>
#include <kernel/device_user.h>
#include <kernel/gnumach_user.h>
#include <kernel/mach_host_user.h>
#include <kernel/mach_port_user.h>
#include <kernel/mach_user.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>

#include "paging.h"

static mach_port_t host, master;

void paging_say(const char *format, ...)
{
    char text[160] = "paging: ";
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text + strlen(text), sizeof(text) - strlen(text) - 1, format, arguments);
    va_end(arguments);
    mach_print(strcat(text, "\n"));
}

static void filler_ended(void *context, mach_port_t task)
{
    enum { SOFT_OFF = 5 };
    const struct pager_counts *counts = pager_counts();
    mach_port_t acpi = MACH_PORT_NULL;

    (void)context, (void)task;
    paging_say("%llu objects, %llu pages out, %llu in, %llu never written, %llu failures",
               (unsigned long long)counts->created, (unsigned long long)counts->out,
               (unsigned long long)counts->in, (unsigned long long)counts->absent,
               (unsigned long long)counts->failed);
    if (device_open(master, D_READ | D_WRITE, "acpi", &acpi) == D_SUCCESS)
        acpi_sleep(acpi, SOFT_OFF);
}

/* As mach-defpager: its own memory and its thread must not depend on what it serves. */
static int wire(void)
{
    mach_port_t self = mach_thread_self();
    int error =
        error_from_kernel(vm_wire_all(host, mach_task_self(), VM_WIRE_CURRENT | VM_WIRE_FUTURE));

    if (error == 0)
        error = error_from_kernel(thread_wire(host, self, TRUE));
    port_release(self);
    return error;
}

static int pager_run(const char *name, const char *other_name, mach_port_t filler)
{
    mach_port_t driver_task, device, other;
    int error =
        error_from_kernel(fsys_getpriv(startup_bootstrap_port(), &host, &master, &driver_task));

    if (error == 0)
        error = device_open(master, D_READ | D_WRITE, name, &device) == D_SUCCESS ? 0 : ENODEV;
    if (error == 0)
        error = device_open(master, D_READ | D_WRITE, other_name, &other) == D_SUCCESS ? 0 : ENODEV;
    if (error == 0)
        error = error_from_kernel(
            mach_port_insert_right(filler, FILL_DEVICE, other, MACH_MSG_TYPE_COPY_SEND));
    if (error == 0)
        error = swap_open(device);
    if (error == 0)
        error = wire();
    if (error == 0)
        error = pager_start(host);
    if (error == 0)
        error = port_watch(filler, filler_ended, NULL);
    if (error == 0)
        error = error_from_kernel(task_resume(filler));
    if (error == 0)
        loop_run();
    return error;
}

int main(int argc, char **argv)
{
    static const char device[] = "device:", task[] = "--exec-server-task=", saved[] = "--other=";
    const char *name = NULL, *other = NULL;
    mach_port_t filler = MACH_PORT_NULL;

    if (argc == 1) {
        paging_say("%llu pages wrong", (unsigned long long)fill_run());
        return EXIT_SUCCESS;
    }
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], device, strlen(device)) == 0)
            name = argv[i] + strlen(device);
        else if (strncmp(argv[i], saved, strlen(saved)) == 0)
            other = argv[i] + strlen(saved);
        else if (strncmp(argv[i], task, strlen(task)) == 0)
            filler = (mach_port_t)strtoul(argv[i] + strlen(task), NULL, 10);
    }
    int error = name && other ? pager_run(name, other, filler) : EINVAL;
    paging_say("no pager: %s", strerror(error));
    return EXIT_FAILURE;
}
