/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Checksums that outlive the filter and the machine, on a disk of their own or a part of one. A
 * page of it belongs to each of the table's pieces, behind one that says whose it is.
 *
 *   a piece is written to for the first time -> its page is cleared, durably -> the write begins
 *   nothing was written to it for a while     -> the disks are flushed -> its page is written
 *
 * What the power fails over is in pages that are cleared: nothing is known of it, as of what was
 * never seen. A page counts only if its own checksum is right. Calls wait for the disk. Portable.
 */
#ifndef SERVICE_INTEGRITY_LEDGER_H
#define SERVICE_INTEGRITY_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include <interface/block.h>

#include "table.h"

enum {
    LEDGER_PAGE = 4096,
    LEDGER_SAVES = 32, /* pages that are written at once while there are clients */
};

/* The disk, by the host: each 0 or an errno value. */
struct ledger_disk {
    uint64_t pages;
    int (*read)(uint64_t page, void *data); /* LEDGER_PAGE bytes */
    int (*write)(uint64_t page, const void *data);
    int (*flush)(void);

    /* Make what was written to the disks that are checked durable. EAGAIN: that cannot be told
     * now. */
    int (*settle)(void);
};

struct ledger {
    const char *name; /* for the log */
    const struct ledger_disk *disk;
    struct table *table;
    uint64_t id;     /* that its pages have */
    bool has_lost;   /* it can be written no more: nor can what is not open */
    bool has_warned; /* that a page cannot be read */
    unsigned at;     /* the table's pieces before it were looked at */
};

/* For these disks. `seed`: another number each time. 0, or an errno value with a line in the log:
 * ENOSPC: it is too small; EEXIST: something else is on it, or it is another disk's. */
int ledger_open(struct ledger *ledger, const struct block_info *disks, unsigned count,
                uint64_t seed);

/* What is known of these blocks is in the table from now on, if there is room. */
void ledger_load(struct ledger *ledger, uint64_t first, uint64_t count);

/* Likewise, and they may be written; false: they may not, as their checksums would be wrong ones
 * after the next start. */
bool ledger_admit(struct ledger *ledger, uint64_t first, uint64_t count);

/* Write the pages of pieces that have changed; or, `rested`, of LEDGER_SAVES at most, and not of
 * those that were written to since they were last looked at: false: the rest is for the next call.
 * `is_writing`: whether a write to these blocks is under way, or may be repeated. */
bool ledger_save(struct ledger *ledger, bool rested,
                 bool (*is_writing)(void *context, uint64_t first, uint64_t count), void *context);

#endif
