/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Processors. The kernel starts all tasks on the first one, and keeps the others in a set of their
 * own.
 */
#include <errno.h>

#include <kernel/mach_host_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <server/io/io.h>

/* The control port of the set in which new tasks are not. Who has it could take the tasks in it. */
static int others_get(mach_port_t *set)
{
    processor_set_name_array_t names;
    mach_msg_type_number_t count = 0;
    mach_port_t usual = MACH_PORT_NULL;
    int error = error_from_kernel(processor_set_default(io_privilege.host, &usual));

    if (error == 0)
        error = error_from_kernel(host_processor_sets(io_privilege.host, &names, &count));
    if (error != 0)
        return error;
    error = ENODEV;
    for (unsigned i = 0; i < count; i++) {
        if (names[i] != usual && error == ENODEV)
            error = error_from_kernel(host_processor_set_priv(io_privilege.host, names[i], set));
        port_release(names[i]);
    }
    memory_pages_free(names, count * sizeof(names[0]));
    port_release(usual);
    return error;
}

int io_processors_assign(mach_port_t task)
{
    mach_port_t set = MACH_PORT_NULL;
    int error = others_get(&set);

    if (error == 0)
        error = error_from_kernel(task_assign(task, set, TRUE));
    port_release(set);
    return error;
}
