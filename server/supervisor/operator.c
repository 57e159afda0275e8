/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an operator's shell may ask (interface/supervisor.defs).
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <interface/root_user.h>
#include <interface/supervisor_server.h>

#include <host/mach/memory.h>
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
    else if (strcmp(what, "stats") == 0)
        drivers_counts(&text);
    else if (strcmp(what, "log") == 0)
        journal_report(&text);
    else
        devices_names(&text, what);
    text_trim(&text);
    if (text.length == 0)
        return outboard_error_make(ENOMEM);
    *data = text.data;
    *size = (mach_msg_type_number_t)text.length;
    return 0;
}

/* Mounting, unmounting and halting wait for others, and serve everybody meanwhile. One at a time,
 * so that none of them finds its records changed under it. */
static bool busy;
static bool halt_wanted;
static int halt_action;

static void halt(void)
{
    journal_note(LOG_INFO, "stopping");
    mount_stop_all();
    drivers_stop();
    journal_note(LOG_INFO, "all is at rest: %s", halt_action == 0 ? "power off" : "reboot");
    root_power(supervisor_root, halt_action);
}

bool operation_begin(void)
{
    if (busy || halt_wanted)
        return false;
    busy = true;
    return true;
}

void operation_end(void)
{
    busy = false;
    if (halt_wanted)
        halt();
}

kern_return_t serve_supervisor_mount(mach_port_t port, const_name_t device, boolean_t read_only,
                                     mach_port_t *fs)
{
    (void)port;
    if (!operation_begin())
        return outboard_error_make(EBUSY);
    int error = mount_start(device, read_only, fs);
    operation_end();
    return outboard_error_make(error);
}

kern_return_t serve_supervisor_unmount(mach_port_t port, const_name_t device)
{
    (void)port;
    if (!operation_begin())
        return outboard_error_make(EBUSY);
    int error = mount_stop(device);
    operation_end();
    return outboard_error_make(error);
}

kern_return_t serve_supervisor_kill(mach_port_t port, const_name_t driver, unsigned times,
                                    unsigned milliseconds, unsigned seed)
{
    (void)port;
    return outboard_error_make(kills_start(driver, times, milliseconds, seed));
}

kern_return_t serve_supervisor_fault(mach_port_t port, const_name_t driver, uint64_t address,
                                     const record_t bytes, mach_msg_type_number_t size)
{
    (void)port;
    return outboard_error_make(size <= 64 ? kills_fault(driver, address, bytes, size) : EINVAL);
}

kern_return_t serve_supervisor_upgrade(mach_port_t port, const_name_t driver,
                                       const records_t program, mach_msg_type_number_t size)
{
    (void)port;
    if (size == 0)
        return outboard_error_make(EINVAL);
    if (!operation_begin())
        return outboard_error_make(EBUSY);
    int error = drivers_upgrade(driver, program, size);
    operation_end();
    if (error == 0)
        memory_pages_free((void *)program, size); /* on an error it goes with the message */
    return outboard_error_make(error);
}

kern_return_t serve_supervisor_restart(mach_port_t port, const_name_t driver)
{
    (void)port;
    if (!operation_begin())
        return outboard_error_make(EBUSY);
    int error = drivers_restart(driver);
    operation_end();
    return outboard_error_make(error);
}

kern_return_t serve_supervisor_halt(mach_port_t port, int action)
{
    (void)port;
    if (halt_wanted)
        return MIG_NO_REPLY;
    halt_wanted = true;
    halt_action = action == 0 ? 0 : 1;
    if (!busy)
        halt();
    return MIG_NO_REPLY;
}
