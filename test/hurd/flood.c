/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A Hurd that has gone mad: messages that nobody sends, to everything that the server for it
 * answers on. What it is asked afterwards it has to answer as ever.
 */
#include <device/device_types.h>

#include <kernel/device_user.h>
#include <kernel/mach_host_user.h>

#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <test/hostile/messages.h>

#include "stand_in.h"

void flood_run(const struct privileges *privileges, const struct options *options)
{
    mach_port_t set = MACH_PORT_NULL, targets[6];
    unsigned count = 0;

    targets[count++] = startup_bootstrap_port();
    targets[count++] = privileges->device_master;
    if (options->confined) { /* else the kernel's own, and what it does is its affair */
        targets[count++] = privileges->host;
        if (processor_set_default(mach_host_self(), &set) == KERN_SUCCESS &&
            host_processor_set_priv(privileges->host, set, &targets[count]) == KERN_SUCCESS)
            count++;
        port_release(set);
    }
    if (options->pci &&
        device_open(privileges->device_master, D_READ, "pci", &targets[count]) == D_SUCCESS)
        count++;
    if (options->acpi &&
        device_open(privileges->device_master, D_READ, "acpi", &targets[count]) == D_SUCCESS)
        count++;
    messages_send(targets, count, (unsigned)options->flood);
    check_note("%u messages to %u ports", (unsigned)options->flood, count);
}
