/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <kit/log.h>

#include "table_internal.h"

enum { REFUSALS_SAID = 50, START_SIZE = 32768 };

/* The beginning of the disk, where a GPT has its first copy and an MBR its records, read at once:
 * after a driver's death its clients wait for this, and each read is one more wait for the disk. */
struct start {
    const struct partition_disk *disk;
    uint64_t count; /* of its blocks that are there */
    uint8_t data[START_SIZE];
};

int table_read_block(const struct partition_disk *disk, uint64_t block, void *data)
{
    return block < disk->blocks ? disk->read(disk->context, block, 1, data) : ERANGE;
}

unsigned table_overlap(const struct partition_table *table, uint64_t first, uint64_t count)
{
    for (unsigned i = 0; i < table->count; i++) {
        const struct partition *other = &table->partition[i];
        bool apart = first >= other->first ? first - other->first >= other->count
                                           : other->first - first >= count;
        if (!apart)
            return other->number;
    }
    return 0;
}

void table_refuse(const struct partition_disk *disk, struct partition_table *table, unsigned number,
                  const char *format, ...)
{
    char reason[160];
    va_list arguments;

    if (table->refused++ > REFUSALS_SAID)
        return;
    if (table->refused > REFUSALS_SAID) {
        log_warning("%s: more entries of its %s are wrong: not offered", disk->name, table->kind);
        return;
    }
    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    log_warning("%s: %s entry %u %s: not offered", disk->name, table->kind, number, reason);
}

struct partition *table_add(const struct partition_disk *disk, struct partition_table *table,
                            unsigned number, uint64_t first, uint64_t count)
{
    unsigned other = table_overlap(table, first, count);

    if (count == 0 || first > disk->blocks || count > disk->blocks - first) {
        table_refuse(disk, table, number,
                     "reaches past the end of the disk (%llu blocks from %llu)",
                     (unsigned long long)count, (unsigned long long)first);
        return NULL;
    }
    if (other != 0) {
        table_refuse(disk, table, number, "overlaps entry %u", other);
        return NULL;
    }
    if (table->count == PARTITIONS_MAX) {
        table_refuse(disk, table, number, "is one more than the %d that there can be",
                     PARTITIONS_MAX);
        return NULL;
    }
    struct partition *partition = &table->partition[table->count++];
    *partition = (struct partition){.number = number, .first = first, .count = count};
    return partition;
}

static int start_read(void *context, uint64_t block, uint32_t count, void *data)
{
    const struct start *start = context;
    size_t size = start->disk->block_size;

    if (block >= start->count || count > start->count - block)
        return start->disk->read(start->disk->context, block, count, data);
    memcpy(data, start->data + block * size, count * size);
    return 0;
}

static int table_look(const struct partition_disk *disk, struct partition_table *table)
{
    struct mbr_record record[MBR_RECORDS];
    bool gpt = false;
    uint8_t *master = malloc(disk->block_size);

    if (!master)
        return ENOMEM;
    int error = table_read_block(disk, 0, master);
    if (error == 0 && table_mbr_parse(master, record)) {
        /* A protective record (5.2.3) says that everything else here is for those who know no GPT.
         */
        for (unsigned i = 0; i < MBR_RECORDS; i++)
            gpt |= record[i].type == MBR_TYPE_GPT;
        error = gpt ? table_gpt_read(disk, table) : table_mbr_read(disk, master, table);
    }
    free(master);
    return error;
}

int partition_table_read(const struct partition_disk *disk, struct partition_table *table)
{
    memset(table, 0, sizeof(*table));
    if (disk->blocks == 0 || disk->block_size < 512 || disk->block_size > TABLE_BLOCK_MAX)
        return 0;
    struct start *start = malloc(sizeof(*start));
    if (!start)
        return ENOMEM;
    start->disk = disk;
    start->count = START_SIZE / disk->block_size;
    if (start->count > disk->at_once)
        start->count = disk->at_once;
    if (start->count > disk->blocks)
        start->count = disk->blocks;
    /* With a block in it that cannot be read, those that are needed are read one by one. */
    if (start->count > 0 && disk->read(disk->context, 0, (uint32_t)start->count, start->data) != 0)
        start->count = 0;
    struct partition_disk held = *disk;
    held.read = start_read;
    held.context = start;
    int error = table_look(&held, table);
    free(start);
    return error;
}
