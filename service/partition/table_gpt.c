/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * GUID partition tables (UEFI 2.10, 5.3). There are two copies of everything; one is used only if
 * its header, its entries and their checksums are right.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <zlib.h>

#include <kit/log.h>

#include "table_internal.h"

enum {
    HEADER_SIZE = 92,
    ENTRY_SIZE = 128,
    ENTRY_SIZE_MAX = 4096,
    ENTRIES_SIZE_MAX = 1 << 20, /* usual are 16 KiB */
    NAME_OFFSET = 56,
    NAME_UNITS = 36,
};

struct header {
    uint64_t block, alternate;
    uint64_t first_usable, last_usable;
    uint64_t entries_block, entries_blocks;
    uint32_t entry_count, entry_size, entries_crc;
};

/* 5.3.2. The checksum is taken as if its own field were zero. */
static bool header_crc_is_right(const uint8_t *data, uint32_t size)
{
    static const uint8_t zero[4];
    uLong crc = crc32(0, data, 16);

    crc = crc32(crc, zero, sizeof(zero));
    crc = crc32(crc, data + 20, size - 20);
    return crc == table_get32(data + 16);
}

static bool is_usable(const struct header *header, uint64_t block)
{
    return block >= header->first_usable && block <= header->last_usable;
}

/* What keeps the entries from being where the header says; null: nothing. */
static const char *place_problem(const struct partition_disk *disk, struct header *header)
{
    uint64_t size = (uint64_t)header->entry_count * header->entry_size;
    uint64_t first = header->entries_block;

    if (header->first_usable > header->last_usable || header->last_usable >= disk->blocks)
        return "its usable blocks reach past the end of the disk";
    if (is_usable(header, 0) || is_usable(header, header->block) ||
        is_usable(header, header->alternate))
        return "a header is among its usable blocks";
    if (header->entry_size < ENTRY_SIZE || header->entry_size > ENTRY_SIZE_MAX ||
        (header->entry_size & (header->entry_size - 1)) != 0 || size == 0 ||
        size > ENTRIES_SIZE_MAX)
        return "the number or the size of its entries is impossible";
    header->entries_blocks = (size + disk->block_size - 1) / disk->block_size;
    if (first == 0 || first > disk->blocks || header->entries_blocks > disk->blocks - first)
        return "its entries are not on the disk";
    if (is_usable(header, first) || is_usable(header, first + header->entries_blocks - 1) ||
        (first < header->first_usable && first + header->entries_blocks > header->first_usable))
        return "its entries are among its usable blocks";
    return NULL;
}

static const char *header_parse(const struct partition_disk *disk, uint64_t block,
                                const uint8_t *data, struct header *header)
{
    uint32_t size = table_get32(data + 12);

    if (memcmp(data, "EFI PART", 8) != 0)
        return "it has no signature";
    if (size < HEADER_SIZE || size > disk->block_size)
        return "its header's size is impossible";
    if (!header_crc_is_right(data, size))
        return "its header's checksum is wrong";
    *header = (struct header){
        .block = table_get64(data + 24),
        .alternate = table_get64(data + 32),
        .first_usable = table_get64(data + 40),
        .last_usable = table_get64(data + 48),
        .entries_block = table_get64(data + 72),
        .entry_count = table_get32(data + 80),
        .entry_size = table_get32(data + 84),
        .entries_crc = table_get32(data + 88),
    };
    if (header->block != block)
        return "its header is not where it says";
    return place_problem(disk, header);
}

/* Read once, checked and used from the same copy. */
static int entries_read(const struct partition_disk *disk, const struct header *header,
                        uint8_t **result)
{
    uint64_t most = TABLE_BLOCK_MAX / disk->block_size;
    uint8_t *data = malloc(header->entries_blocks * disk->block_size);
    int error = data ? 0 : ENOMEM;

    for (uint64_t done = 0; done < header->entries_blocks && error == 0;) {
        uint64_t left = header->entries_blocks - done, part = left < most ? left : most;
        error = disk->read(disk->context, header->entries_block + done, (uint32_t)part,
                           data + done * disk->block_size);
        done += part;
    }
    if (error != 0) {
        free(data);
        return error;
    }
    *result = data;
    return 0;
}

/* One copy. 0, with `problem` if it cannot be used; or an errno value. */
static int copy_read(const struct partition_disk *disk, uint64_t block, struct header *header,
                     uint8_t **entries, const char **problem)
{
    uint8_t *data = malloc(disk->block_size);

    if (!data)
        return ENOMEM;
    *problem = "it is past the end of the disk";
    int error = block < disk->blocks ? table_read_block(disk, block, data) : 0;
    if (error == 0 && block < disk->blocks)
        *problem = header_parse(disk, block, data, header);
    free(data);
    if (error == EIO) { /* as bad as a wrong checksum: there is another copy */
        *problem = "it cannot be read";
        return 0;
    }
    if (error != 0 || *problem)
        return error;
    error = entries_read(disk, header, entries);
    if (error == EIO) {
        *problem = "its entries cannot be read";
        return 0;
    }
    if (error == 0 &&
        crc32(0, *entries, header->entry_count * header->entry_size) != header->entries_crc) {
        *problem = "its entries' checksum is wrong";
        free(*entries);
    }
    return error;
}

/* For people: what is no printable ASCII becomes a question mark. */
static void name_parse(const uint8_t *entry, char *name)
{
    unsigned length = 0;

    static_assert((int)NAME_UNITS < PARTITION_NAME_SIZE, "room for the NUL");
    for (; length < NAME_UNITS; length++) {
        unsigned unit =
            entry[NAME_OFFSET + 2 * length] | (unsigned)entry[NAME_OFFSET + 2 * length + 1] << 8;
        if (unit == 0)
            break;
        name[length] = unit >= ' ' && unit <= '~' ? (char)unit : '?';
    }
    name[length] = '\0';
}

static void entries_parse(const struct partition_disk *disk, const struct header *header,
                          const uint8_t *entries, struct partition_table *table)
{
    static const uint8_t unused[16];

    for (uint32_t i = 0; i < header->entry_count; i++) {
        const uint8_t *entry = entries + (size_t)i * header->entry_size;
        uint64_t first = table_get64(entry + 32), last = table_get64(entry + 40);

        if (memcmp(entry, unused, sizeof(unused)) == 0)
            continue;
        if (first > last || !is_usable(header, first) || !is_usable(header, last)) {
            table_refuse(disk, table, i + 1,
                         "is not within the usable blocks %llu to %llu (it is %llu to %llu)",
                         (unsigned long long)header->first_usable,
                         (unsigned long long)header->last_usable, (unsigned long long)first,
                         (unsigned long long)last);
            continue;
        }
        struct partition *added = table_add(disk, table, i + 1, first, last - first + 1);
        if (added)
            name_parse(entry, added->name);
    }
}

int table_gpt_read(const struct partition_disk *disk, struct partition_table *table)
{
    const char *problem, *backup_problem;
    struct header header;
    uint8_t *entries = NULL;
    uint64_t backup = disk->blocks - 1;

    table->kind = "GPT";
    int error = copy_read(disk, 1, &header, &entries, &problem);
    if (error != 0)
        return error;
    if (problem) {
        error = copy_read(disk, backup, &header, &entries, &backup_problem);
        if (error != 0)
            return error;
        if (backup_problem) {
            log_error("%s: both copies of its GPT are bad, and no partition is offered: the first: "
                      "%s; the backup: %s",
                      disk->name, problem, backup_problem);
            return EBADMSG;
        }
        log_warning("%s: the first copy of its GPT is bad (%s): the backup at block %llu is used",
                    disk->name, problem, (unsigned long long)backup);
    }
    entries_parse(disk, &header, entries, table);
    free(entries);
    return 0;
}
