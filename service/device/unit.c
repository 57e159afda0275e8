/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <kernel/mach_host_user.h>

#include <host/mach/port.h>
#include <host/mach/trap.h>

#include "loan.h"

/* What a task may wire without a privilege. */
enum { WIRED_SIZE = 64 * 1024 };

static struct unit *units;
static bool some_unused, all_is_wired;

void unit_memory_is_wired(bool wired)
{
    all_is_wired = wired;
}

static void unit_free(struct unit *unit)
{
    if (unit->disk)
        disk_destroy(unit->disk);
    if (unit->client)
        block_client_close(unit->client);
    free(unit->name);
    free(unit);
}

/* What is sent out of line from wired memory the kernel copies then and there. Of other memory it
 * would keep the pages, for whoever touches them first, while the device writes into them again. */
static void session_wire(const struct unit *unit)
{
    mach_port_t host = mach_host_self();
    vm_address_t memory = (vm_address_t)disk_memory(unit->disk);

    if (all_is_wired)
        disk_lends(unit->disk, SIZE_MAX);
    else if (vm_wire(host, mach_task_self(), memory, WIRED_SIZE, VM_PROT_READ | VM_PROT_WRITE) ==
             KERN_SUCCESS)
        disk_lends(unit->disk, WIRED_SIZE);
    port_release(host);
}

/* Write access where the disk allows it: its session serves those who read, too. */
static int session_open(struct unit *unit)
{
    int error = block_client_open(unit->name, true, &unit->client);

    unit->writable = error == 0;
    if (error == EROFS)
        error = block_client_open(unit->name, false, &unit->client);
    if (error == 0)
        error = disk_create(unit->client, &unit->disk);
    if (error == 0)
        session_wire(unit);
    return error == 0 ? block_client_join_loop(unit->client) : error;
}

/* Not at once: the last user may be a completion that the session is delivering. */
static bool units_turn(void *context)
{
    struct unit **link = &units;
    bool again = false;

    (void)context;
    loan_turn();
    for (const struct unit *unit = units; unit; unit = unit->next)
        again |= disk_turn(unit->disk);
    while (some_unused && *link) {
        struct unit *unit = *link;
        if (unit->users == 0) {
            *link = unit->next;
            unit_free(unit);
        } else {
            link = &unit->next;
        }
    }
    some_unused = false;
    return again;
}

/* After the sessions' own hook, whose completions release units. */
static int hook_once(void)
{
    static bool hooked;

    hooked = hooked || loop_at_turn_end(units_turn, NULL);
    return hooked ? 0 : ENOSPC;
}

int unit_open(const char *name, struct unit **result)
{
    /* Of a session whose driver is gone there may be a successor. */
    for (struct unit *unit = units; unit; unit = unit->next) {
        if (strcmp(unit->name, name) == 0 && !block_client_is_gone(unit->client)) {
            unit_use(unit);
            *result = unit;
            return 0;
        }
    }
    struct unit *unit = calloc(1, sizeof(*unit));
    if (!unit)
        return ENOMEM;
    unit->name = strdup(name);
    int error = unit->name ? session_open(unit) : ENOMEM;
    if (error == 0)
        error = hook_once();
    if (error != 0) {
        unit_free(unit);
        return error;
    }
    unit->users = 1;
    unit->next = units;
    units = unit;
    *result = unit;
    return 0;
}

void unit_use(struct unit *unit)
{
    unit->users++;
}

void unit_release(struct unit *unit)
{
    unit->users--;
    some_unused |= unit->users == 0;
}
