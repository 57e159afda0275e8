/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between table.c, which looks what there is, and the two kinds of table.
 */
#ifndef SERVICE_PARTITION_TABLE_INTERNAL_H
#define SERVICE_PARTITION_TABLE_INTERNAL_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "table.h"

enum { TABLE_BLOCK_MAX = 65536 };

/* A block of the disk: never past its end. */
int table_read_block(const struct partition_disk *disk, uint64_t block, void *data);

/* The number of a partition that has a block in common with the range; 0: none. */
unsigned table_overlap(const struct partition_table *table, uint64_t first, uint64_t count);

/* One line, DISK: KIND entry NUMBER REASON, but not for ever. */
void table_refuse(const struct partition_disk *disk, struct partition_table *table, unsigned number,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Add what is inside of the disk's blocks FIRST to LAST and overlaps nothing; refuse it otherwise.
 * The new one, or null. */
struct partition *table_add(const struct partition_disk *disk, struct partition_table *table,
                            unsigned number, uint64_t first, uint64_t count);

/* Fill in a table of that kind. MASTER is block 0. */
int table_gpt_read(const struct partition_disk *disk, struct partition_table *table);
int table_mbr_read(const struct partition_disk *disk, const uint8_t *master,
                   struct partition_table *table);

/* The MBR's records (UEFI 2.10, 5.2.1); the master's and those of a chain of logical ones alike. */
enum { MBR_RECORDS = 4, MBR_TYPE_GPT = 0xee };

struct mbr_record {
    uint8_t type;
    uint32_t first, count;
};

/* False: the block has no signature, or no boot indicator that can be one. */
bool table_mbr_parse(const uint8_t *block, struct mbr_record record[MBR_RECORDS]);

static inline uint32_t table_get32(const uint8_t *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return le32toh(value);
}

static inline uint64_t table_get64(const uint8_t *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return le64toh(value);
}

#endif
