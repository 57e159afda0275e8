/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <host/mach/startup.h>

#include <mach/mach_types.h>
#include <mach/task_special_ports.h>

#include <interface/startup_user.h>
#include <kernel/mach_port_user.h>
#include <kernel/mach_user.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>

mach_port_t startup_bootstrap_port(void)
{
    static mach_port_t bootstrap;

    if (bootstrap == MACH_PORT_NULL)
        task_get_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, &bootstrap);
    return bootstrap;
}

int startup_capability(const char *name, mach_port_t *capability)
{
    return error_from_kernel(startup_lookup(startup_bootstrap_port(), name, capability));
}

int startup_offer(const char *suffix, const char *class, mach_port_t port)
{
    return error_from_kernel(startup_publish(startup_bootstrap_port(), suffix, class, port));
}

void startup_done(int status)
{
    startup_ready(startup_bootstrap_port(), status);
}
