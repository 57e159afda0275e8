/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <host/mach/processor.h>

#include <kernel/mach_host_user.h>

#include <host/mach/port.h>
#include <host/mach/trap.h>

bool host_is_apart(void)
{
    mach_port_t host = mach_host_self(), own = MACH_PORT_NULL, usual = MACH_PORT_NULL;
    bool apart = processor_set_default(host, &usual) == KERN_SUCCESS &&
                 task_get_assignment(mach_task_self(), &own) == KERN_SUCCESS && own != usual;

    port_release(own);
    port_release(usual);
    port_release(host);
    return apart;
}
