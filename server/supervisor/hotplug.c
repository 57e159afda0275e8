/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Devices that come and go. A driver whose device is wanted out stops in order, one whose device is
 * gone is ended; the names of both are kept for some seconds, for the device to be put in again.
 */
#include <errno.h>
#include <string.h>

#include <interface/pci_bus_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <server/supervisor/journal.h>
#include <server/supervisor/supervisor.h>

#define STOP_LIMIT   (10 * CLOCK_SECOND)
#define RETRY_PERIOD (50 * CLOCK_MILLISECOND)

static const struct pci_function_info *function_find(const struct pci_function_info *functions,
                                                     size_t count, unsigned address)
{
    for (size_t i = 0; i < count; i++) {
        if (drivers_address(&functions[i]) == address)
            return &functions[i];
    }
    return NULL;
}

static void drivers_part(const struct pci_function_info *functions, size_t count)
{
    for (struct child *child = child_first(); child; child = child->next) {
        if (child->kind != CHILD_DRIVER || child->fixed || child->unplugged)
            continue;
        const struct pci_function_info *function = function_find(functions, count, child->address);
        if (function && !function->leaving)
            continue;
        child->unplugged = child->is_excused = true;
        journal_note(LOG_WARNING, "%s: its device %s", child->name,
                     function ? "is taken out" : "is gone");
        if (function && child->task.task != MACH_PORT_NULL)
            child_stop(child, STOP_LIMIT);
        else
            child_end(child, CHILD_DIED, "its device is gone");
    }
}

static void look(void *context)
{
    static struct clock_timer retry;
    struct pci_function_info *functions;
    size_t count;

    (void)context;
    if (!operation_begin()) {
        clock_timer_start(&retry, RETRY_PERIOD, look, NULL);
        return;
    }
    if (drivers_functions(&functions, &count) == 0) {
        drivers_part(functions, count);
        for (size_t i = 0; i < count; i++) {
            if (!functions[i].leaving)
                drivers_meet(&functions[i]);
        }
        memory_pages_free(functions, count * sizeof(*functions));
    }
    operation_end();
}

static void changed_message(void *context, mach_msg_header_t *message)
{
    (void)context;
    mach_msg_destroy(message);
    look(NULL);
}

static const struct port_type changed_type = {.name = "bus changes", .message = changed_message};

void hotplug_watch(void)
{
    static mach_port_t port;
    int error = port == MACH_PORT_NULL ? port_create(&changed_type, NULL, &port) : 0;

    if (error == 0)
        error = error_from_kernel(pci_bus_watch(bus_pci(), port));
    if (error != 0)
        journal_note(LOG_ERROR, "what is plugged in will not be noticed: %s", strerror(error));
}
