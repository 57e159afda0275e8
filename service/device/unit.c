/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <host/mach/port.h>

static struct unit *units;
static bool some_unused;

static void unit_free(struct unit *unit)
{
    if (unit->disk)
        disk_destroy(unit->disk);
    if (unit->client)
        block_client_close(unit->client);
    free(unit->name);
    free(unit);
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
    return error == 0 ? block_client_join_loop(unit->client) : error;
}

/* Not at once: the last user may be a completion that the session is delivering. */
static bool units_turn(void *context)
{
    struct unit **link = &units;

    (void)context;
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
    return false;
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
