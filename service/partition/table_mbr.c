/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Master boot records. The extended partition's logical ones are a chain of blocks like the first:
 * record 0 is the partition, from the block itself; record 1 is the next block, from the start of
 * the extended one.
 */
#include <errno.h>
#include <stdlib.h>

#include <kit/log.h>

#include "table_internal.h"

enum { RECORDS_OFFSET = 446, RECORD_SIZE = 16, LOGICAL_FIRST = 5, LOGICAL_MAX = 124 };

/* The chain as it was read: what is wrong with a partition is known when all of it is. */
struct chain {
    uint64_t first, count; /* the extended partition */
    unsigned length;
    struct {
        uint64_t block;
        struct mbr_record logical;
    } link[LOGICAL_MAX];
};

bool table_mbr_parse(const uint8_t *block, struct mbr_record record[MBR_RECORDS])
{
    if (block[510] != 0x55 || block[511] != 0xaa)
        return false;
    for (unsigned i = 0; i < MBR_RECORDS; i++) {
        const uint8_t *bytes = block + RECORDS_OFFSET + i * RECORD_SIZE;

        if (bytes[0] != 0 && bytes[0] != 0x80) /* a file system's boot block, without a table */
            return false;
        record[i] = (struct mbr_record){
            .type = bytes[4], .first = table_get32(bytes + 8), .count = table_get32(bytes + 12)};
    }
    return true;
}

static bool is_extended(const struct mbr_record *record)
{
    return record->type == 0x05 || record->type == 0x0f || record->type == 0x85;
}

static bool is_empty(const struct mbr_record *record)
{
    return record->type == 0 || record->count == 0;
}

/* What keeps a block from being the chain's next; null: nothing. */
static const char *link_problem(const struct chain *chain, uint64_t block)
{
    if (block - chain->first >= chain->count)
        return "leaves the extended partition";
    if (chain->length == LOGICAL_MAX)
        return "is too long";
    for (unsigned i = 0; i < chain->length; i++) {
        if (chain->link[i].block == block)
            return "goes round in a circle";
    }
    return NULL;
}

static int chain_read(const struct partition_disk *disk, uint8_t *data, struct chain *chain)
{
    struct mbr_record record[MBR_RECORDS];
    uint64_t block = chain->first;

    for (;;) {
        const char *problem = link_problem(chain, block);
        if (!problem) {
            int error = table_read_block(disk, block, data);
            if (error != 0)
                return error;
            if (!table_mbr_parse(data, record))
                problem = "has a block that is no table";
        }
        if (problem) {
            log_warning("%s: MBR: the chain of logical partitions %s at block %llu: what comes "
                        "after it is not offered",
                        disk->name, problem, (unsigned long long)block);
            return 0;
        }
        chain->link[chain->length].block = block;
        chain->link[chain->length].logical = record[0];
        chain->length++;
        if (is_empty(&record[1]))
            return 0;
        block = chain->first + record[1].first;
    }
}

/* A partition that holds a block of the chain could change what the others are. */
static bool holds_link(const struct chain *chain, uint64_t first, uint64_t count)
{
    for (unsigned i = 0; i < chain->length; i++) {
        uint64_t block = chain->link[i].block;
        if (block >= first && block - first < count)
            return true;
    }
    return false;
}

static void logical_add(const struct partition_disk *disk, struct partition_table *table,
                        const struct chain *chain)
{
    unsigned number = LOGICAL_FIRST;

    for (unsigned i = 0; i < chain->length; i++) {
        const struct mbr_record *logical = &chain->link[i].logical;
        uint64_t first = chain->link[i].block + logical->first, count = logical->count;

        if (is_empty(logical))
            continue;
        uint64_t offset = first - chain->first; /* the chain's blocks are inside */
        if (offset >= chain->count || count > chain->count - offset)
            table_refuse(disk, table, number, "reaches out of the extended partition");
        else if (holds_link(chain, first, count))
            table_refuse(disk, table, number, "covers a part of the table");
        else
            table_add(disk, table, number, first, count);
        number++;
    }
}

static int extended_read(const struct partition_disk *disk, struct partition_table *table,
                         uint8_t *data, uint64_t first, uint64_t count)
{
    struct chain *chain = calloc(1, sizeof(*chain));

    if (!chain)
        return ENOMEM;
    chain->first = first;
    chain->count = count;
    int error = chain_read(disk, data, chain);
    if (error == 0)
        logical_add(disk, table, chain);
    free(chain);
    return error;
}

/* Extended ones are no partitions, only the place of others: kept until all of the master's are
 * checked against each other. The first, if there is one. */
static struct partition extended_remove(struct partition_table *table,
                                        const struct mbr_record record[MBR_RECORDS])
{
    struct partition extended = {0};
    unsigned kept = 0;

    for (unsigned i = 0; i < table->count; i++) {
        struct partition partition = table->partition[i];
        if (!is_extended(&record[partition.number - 1]))
            table->partition[kept++] = partition;
        else if (extended.number == 0)
            extended = partition;
    }
    table->count = kept;
    return extended;
}

int table_mbr_read(const struct partition_disk *disk, const uint8_t *master,
                   struct partition_table *table)
{
    struct mbr_record record[MBR_RECORDS];
    bool has_extended = false;

    table->kind = "MBR";
    if (!table_mbr_parse(master, record))
        return 0;
    for (unsigned i = 0; i < MBR_RECORDS; i++) {
        if (is_empty(&record[i]))
            continue;
        if (record[i].first == 0)
            table_refuse(disk, table, i + 1, "covers the table itself");
        else if (is_extended(&record[i]) && has_extended)
            table_refuse(disk, table, i + 1, "is a second extended partition");
        else if (table_add(disk, table, i + 1, record[i].first, record[i].count))
            has_extended |= is_extended(&record[i]);
    }
    struct partition extended = extended_remove(table, record);
    if (extended.number == 0)
        return 0;
    uint8_t *data = malloc(disk->block_size);
    int error = data ? extended_read(disk, table, data, extended.first, extended.count) : ENOMEM;
    free(data);
    return error;
}
