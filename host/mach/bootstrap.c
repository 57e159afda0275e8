/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <host/mach/startup.h>

#include <mach/mach_types.h>
#include <mach/task_special_ports.h>

#include <kernel/mach_user.h>

#include <host/mach/trap.h>

mach_port_t startup_bootstrap_port(void)
{
    static mach_port_t bootstrap;

    if (bootstrap == MACH_PORT_NULL)
        task_get_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, &bootstrap);
    return bootstrap;
}
