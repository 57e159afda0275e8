/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The supervisor's interface.
 */
#include <errno.h>
#include <string.h>

#include <interface/io_control_server.h>
#include <kernel/device_user.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <server/io/io.h>

static const struct port_type control_type = {.name = "control", .serve = io_control_server};

int io_control_start(mach_port_t receive_right)
{
    static int control; /* the context: the right has no state */

    return port_adopt(&control_type, &control, receive_right);
}

static bool control_is(mach_port_t port)
{
    return port_context(port, &control_type) != NULL;
}

kern_return_t serve_io_control_pool_create(mach_port_t control, const_name_t name, uint64_t quota,
                                           mach_port_t *pool)
{
    int error = control_is(control) ? io_pool_create(name, quota, pool) : EOPNOTSUPP;

    return outboard_error_make(error);
}

kern_return_t serve_io_control_bus(mach_port_t control, const_name_t name, mach_port_t *bus)
{
    return outboard_error_make(control_is(control) ? io_bus_port(name, bus) : EOPNOTSUPP);
}

kern_return_t serve_io_control_kernel_device(mach_port_t control, const_name_t name,
                                             mach_port_t *device)
{
    static const char *const allowed[] = {"console", "com0", "com1", "kbd", "mouse"};

    for (unsigned i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        if (control_is(control) && strcmp(name, allowed[i]) == 0)
            return device_open(io_privilege.device_master, D_READ | D_WRITE, name, device);
    }
    return outboard_error_make(EPERM);
}

kern_return_t serve_io_control_task(mach_port_t control, mach_port_t task, mach_port_t *limited)
{
    return outboard_error_make(control_is(control) ? io_task_create(task, limited) : EOPNOTSUPP);
}

kern_return_t serve_io_control_faults(mach_port_t control, mach_port_t faults)
{
    if (control_is(control))
        io_iommu_report_to(faults);
    return outboard_error_make(control_is(control) ? 0 : EOPNOTSUPP);
}

kern_return_t serve_io_control_device_reset(mach_port_t control, const_name_t name)
{
    if (control_is(control))
        io_device_was_reset(name);
    return outboard_error_make(control_is(control) ? 0 : EOPNOTSUPP);
}

kern_return_t serve_io_control_devices(mach_port_t control, unsigned *count)
{
    *count = io_device_count;
    return outboard_error_make(control_is(control) ? 0 : EOPNOTSUPP);
}
