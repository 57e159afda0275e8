/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What becomes of a driver whose device reached for memory that it was not lent.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <interface/io_control_user.h>
#include <interface/io_faults_server.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <server/supervisor/journal.h>
#include <server/supervisor/supervisor.h>

static const struct port_type faults_type = {.name = "faults", .serve = io_faults_server};

void faults_start(void)
{
    mach_port_t port;
    int error = port_create(&faults_type, NULL, &port);
    if (error == 0)
        error = error_from_kernel(io_control_faults(supervisor_io, port));
    if (error != 0)
        journal_note(LOG_ERROR, "faults will not be reported: %s", strerror(error));
}

/* The driver of that device, if it is running. */
static struct child *driver_lookup(const char *name)
{
    struct child *child = child_lookup(name);

    return child && child->task.task != MACH_PORT_NULL ? child : NULL;
}

kern_return_t serve_io_faults_report(mach_port_t port, const_name_t name, uint64_t address,
                                     boolean_t write, unsigned reason, unsigned total)
{
    struct child *child = driver_lookup(name);

    (void)port;
    if (!child)
        return MIG_NO_REPLY;
    child->counts.faults = total;
    journal_note(LOG_WARNING, "%s: its device was refused to %s %llx (reason %x, %u so far)", name,
                 write ? "write" : "read", (unsigned long long)address, reason, total);
    if (supervisor_policy.faults_stop) {
        journal_note(LOG_ERROR, "%s: stopped, as the policy for DMA faults says", name);
        child_end(child, CHILD_FAILED, "DMA fault");
    }
    return MIG_NO_REPLY;
}

kern_return_t serve_io_faults_line(mach_port_t port, const_name_t name, unsigned number,
                                   unsigned trouble)
{
    struct child *child = driver_lookup(name);

    (void)port;
    if (!child)
        return MIG_NO_REPLY;
    switch (trouble) {
    case IO_LINE_IS_SAT_ON:
        journal_note(LOG_ERROR, "%s: stopped: it sits on interrupt line %u, which others share",
                     name, number);
        child_end(child, CHILD_FAILED, "sat on an interrupt line");
        break;
    case IO_LINE_STORMS:
        journal_note(LOG_ERROR, "%s: stopped: interrupts without end on line %u", name, number);
        child_end(child, CHILD_FAILED, "interrupts without end");
        break;
    default:
        journal_note(LOG_WARNING, "%s: on interrupt line %u, which storms with nobody claiming it",
                     name, number);
    }
    return MIG_NO_REPLY;
}
