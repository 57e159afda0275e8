/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an operator's shell may ask (interface/supervisor.defs).
 */
#include <errno.h>
#include <string.h>

#include <interface/io_control_user.h>
#include <interface/supervisor_server.h>

#include <host/mach/port.h>
#include <server/supervisor/journal.h>
#include <server/supervisor/supervisor.h>

static const struct port_type operator_type = {.name = "operator", .serve = supervisor_server};

int operator_port(mach_port_t *result)
{
    static mach_port_t port;

    if (port == MACH_PORT_NULL) {
        int error = port_create(&operator_type, NULL, &port);
        if (error != 0)
            return error;
    }
    *result = port_make_send(port);
    return *result == MACH_PORT_NULL ? ENOMEM : 0;
}

kern_return_t serve_supervisor_report(mach_port_t port, const_name_t what, records_t *data,
                                      mach_msg_type_number_t *size)
{
    struct text text = {0};

    (void)port;
    if (strcmp(what, "devices") == 0)
        devices_report(&text, false);
    else if (strcmp(what, "devices -v") == 0)
        devices_report(&text, true);
    else if (strcmp(what, "drivers") == 0)
        drivers_report(&text);
    else if (strcmp(what, "log") == 0)
        journal_report(&text);
    else
        return outboard_error_make(EINVAL);
    if (!text.data)
        return outboard_error_make(ENOMEM);
    *data = text.data;
    *size = (mach_msg_type_number_t)text.length;
    return 0;
}

kern_return_t serve_supervisor_mount(mach_port_t port, const_name_t device, boolean_t read_only,
                                     mach_port_t *fs)
{
    (void)port;
    return outboard_error_make(mount_start(device, read_only, fs));
}

kern_return_t serve_supervisor_unmount(mach_port_t port, const_name_t device)
{
    (void)port;
    return outboard_error_make(mount_stop(device));
}

kern_return_t serve_supervisor_halt(mach_port_t port, int action)
{
    (void)port;
    journal_note(LOG_INFO, "stopping");
    mount_stop_all();
    drivers_stop();
    journal_note(LOG_INFO, "all is at rest: %s", action == 0 ? "power off" : "reboot");
    io_control_power(supervisor_io, action);
    return MIG_NO_REPLY;
}
