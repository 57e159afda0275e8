/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The server that the Hurd finds under it. Its parts, in the order in which a system meets them:
 *
 *   main.c       waits for the root device and starts the next task
 *   bootstrap.c  what that task asks on its bootstrap port
 *   tasks.c      which tasks it hears of
 *   privilege.c  what the Hurd gets for the privileged host port
 *   master.c     and for the device master port
 *   pci.c        the bus, read-only; tree.c its functions as a tree of names
 *   firmware.c   interrupt lines, and switching the machine off
 *   shutdown.c   registers with the startup server, and flushes when the system goes down
 */
#ifndef SERVER_HURD_HURD_H
#define SERVER_HURD_HURD_H

#include <stdbool.h>
#include <stddef.h>

#include <mach/port.h>

#include "names.h"

struct hurd {
    mach_port_t host, kernel_master; /* the kernel's own */
    mach_port_t next;                /* the task to be started */
    mach_port_t supervisor;          /* interface/supervisor.defs */
    mach_port_t supervisor_task;     /* the parent of all tasks of ours; only its name matters */
    bool host_is_real;               /* the Hurd gets the kernel's own host and device master */
    char root[OUTBOARD_NAME_SIZE];   /* as it was given */
    unsigned wait;                   /* seconds */
    struct names names;
};
extern struct hurd hurd;

/* All return 0 or an errno value. The ports are receive rights of ours. */
int bootstrap_port(mach_port_t *port);
int privilege_port(mach_port_t *port);
int master_port(mach_port_t *port);

/* Send rights, made with each call: what opening "pci" and "acpi" gives. */
int pci_open(mach_port_t *port);
int firmware_open(mach_port_t *port);

/* Every function there is; pages to be freed with memory_pages_free. */
struct pci_function_info;
int pci_functions(struct pci_function_info **functions, size_t *count);

/* Find out which tasks are ours; nobody is told of others yet. */
int tasks_start(void);
/* From now on tell this server, a send right that is taken, of each new task that is not ours. */
void tasks_tell(mach_port_t server);

/* Flush every disk that was opened. How many could not be. */
unsigned master_flush(void);

/* The file system's control port, a send right that is taken: find the startup server in it. */
void shutdown_register(mach_port_t control);

#endif
