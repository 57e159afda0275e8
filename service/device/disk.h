/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One disk under the device interface: transfers of any length, at any byte, many at once. Data is
 * copied between the caller's memory and the buffer that the device reaches; memory that came in a
 * message cannot be given to a device. Portable.
 */
#ifndef SERVICE_DEVICE_DISK_H
#define SERVICE_DEVICE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kit/client/block.h>

struct disk;

/* The first four, which stay as they are until `done`, are the caller's. */
struct transfer {
    enum block_operation operation;
    uint64_t offset, length; /* bytes, inside the disk; length is not 0, but for a flush */
    unsigned char *data;
    /* Called once, with 0 or an errno value, and the transfer is the caller's again. */
    void (*done)(struct transfer *transfer, int error);

    struct transfer *next; /* came later */
    uint64_t issued;       /* bytes that were given to parts */
    unsigned parts;        /* in flight */
    bool flushing;
    int error; /* the first */
};

/* 0 or an errno value. Does not own the client. */
int disk_create(struct block_client *client, struct disk **disk);
/* Nothing may be in flight. */
void disk_destroy(struct disk *disk);

uint64_t disk_size(const struct disk *disk); /* bytes */

/* Where the device puts data, and how many bytes of it, from the first, may be lent to callers. */
void *disk_memory(const struct disk *disk);
void disk_lends(struct disk *disk, size_t bytes);

/* Transfers that overlap a write which came before, and are writes, wait for it: where a device's
 * block is larger than what is written, the rest of the block must not be an older one. */
void disk_start(struct disk *disk, struct transfer *transfer);

/* Start a read whose data is not copied: `done` finds `data` where the device put it, which is the
 * caller's until disk_turn was called twice. False: that is not possible for this one, or not now,
 * and nothing has begun. Whole pages only: what else is in one was read for somebody else. */
bool disk_lend(struct disk *disk, struct transfer *transfer);

/* To be called at the end of each turn of the loop. True: and again without waiting. */
bool disk_turn(struct disk *disk);

#endif
