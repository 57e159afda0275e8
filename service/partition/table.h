/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Partition tables: GPT (UEFI 2.10, chapter 5) and MBR with logical partitions. Nothing on the disk
 * is believed before it was checked; what is wrong is one line in the log, with the disk, the entry
 * and the reason. Portable.
 */
#ifndef SERVICE_PARTITION_TABLE_H
#define SERVICE_PARTITION_TABLE_H

#include <stdint.h>

enum { PARTITIONS_MAX = 128, PARTITION_NAME_SIZE = 40 };

struct partition_disk {
    const char *name; /* for the log */
    uint64_t blocks;
    uint32_t block_size; /* at least 512 */
    uint32_t at_once;    /* blocks that take no longer than one, about */

    /* `count` blocks, which are on the disk and no more than 64 KiB, into `data`. 0 or an errno
     * value. */
    int (*read)(void *context, uint64_t block, uint32_t count, void *data);
    void *context;
};

struct partition {
    unsigned number; /* from 1; an MBR's logical ones from 5 */
    uint64_t first, count;
    char name[PARTITION_NAME_SIZE]; /* printable; empty if the table has none */
};

struct partition_table {
    const char *kind; /* "GPT", "MBR", or null: the disk has none */
    unsigned refused; /* entries that are wrong */
    unsigned count;
    struct partition partition[PARTITIONS_MAX]; /* inside the disk, none of them overlap */
};

/* 0, also when there is no table; or an errno value: the disk's own if it could not be read,
 * EBADMSG if there is a GPT and both of its copies are bad, ENOMEM. */
int partition_table_read(const struct partition_disk *disk, struct partition_table *table);

#endif
