/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Starting the server for a Hurd on top (server/hurd), with what the kernel gave the first task.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <server/supervisor/journal.h>
#include <server/supervisor/spares.h>
#include <server/supervisor/supervisor.h>

enum { WAIT_SECONDS = 30 };

static int grants_make(struct child *child, mach_port_t next, mach_port_t host,
                       mach_port_t kernel_master)
{
    mach_port_t operator_right;
    int error = operator_port(&operator_right);

    if (error == 0)
        error = child_grant(child, "supervisor", operator_right);
    if (error == 0)
        error = child_grant_device(child, "device-master", "device");
    if (error == 0 && spares_are_kept())
        error = child_grant_device(child, "paging-master", "paging");
    if (error == 0)
        error = child_grant_device(child, "pci_bus", "pci");
    if (error == 0)
        error = child_grant(child, "supervisor-task", child_right_copy(mach_task_self()));
    if (error == 0)
        error = child_grant(child, "next-task", next);
    if (error == 0)
        error = child_grant(child, "host", host);
    return error == 0 ? child_grant(child, "kernel-master", kernel_master) : error;
}

void hurd_start(mach_port_t next, mach_port_t host, mach_port_t kernel_master, const char *words)
{
    static char text[256];
    struct child *child = child_create("hurd", "hurd", CHILD_SERVER);
    int error = child ? grants_make(child, next, host, kernel_master) : ENOMEM;
    int length = snprintf(text, sizeof(text), "wait=%d %s %s", WAIT_SECONDS,
                          policy_settings(&supervisor_policy, "hurd"), words);

    if (error == 0 && (size_t)length >= sizeof(text))
        error = ENOSPC;
    if (error == 0) {
        child->sees_devices = true;
        error = child_start(child, text);
    }
    if (error != 0)
        journal_note(LOG_ERROR, "the Hurd is not started: %s", strerror(error));
}
