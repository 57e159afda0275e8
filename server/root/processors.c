/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Processors. The kernel starts all tasks on the first one, and keeps the others in a set of their
 * own.
 */
#include <kernel/mach_host_user.h>

#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <server/root/processors.h>

mach_port_t root_processors_others(mach_port_t host)
{
    processor_set_name_array_t names;
    mach_msg_type_number_t count = 0;
    mach_port_t usual = MACH_PORT_NULL, set = MACH_PORT_NULL;

    if (processor_set_default(host, &usual) != KERN_SUCCESS)
        return MACH_PORT_NULL;
    if (host_processor_sets(host, &names, &count) != KERN_SUCCESS)
        count = 0;
    for (unsigned i = 0; i < count; i++) {
        if (names[i] != usual && set == MACH_PORT_NULL &&
            host_processor_set_priv(host, names[i], &set) != KERN_SUCCESS)
            set = MACH_PORT_NULL;
        port_release(names[i]);
    }
    if (count > 0)
        memory_pages_free(names, count * sizeof(names[0]));
    port_release(usual);
    return set;
}
