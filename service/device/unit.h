/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The disks that are open, by name: one session each, however many opened it.
 */
#ifndef SERVICE_DEVICE_UNIT_H
#define SERVICE_DEVICE_UNIT_H

#include <stdbool.h>

#include "disk.h"

struct unit {
    char *name;
    bool writable;
    struct block_client *client;
    struct disk *disk;
    unsigned users; /* opens and calls */
    struct unit *next;
};

/* Whether all memory of this task is wired; it is not unless this is called. */
void unit_memory_is_wired(bool wired);

/* One more user of the device of that name. 0 or an errno value. */
int unit_open(const char *name, struct unit **unit);
void unit_use(struct unit *unit);

/* Closes the session of one that has no users left, when the loop's turn ends. */
void unit_release(struct unit *unit);

#endif
