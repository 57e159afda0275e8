/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The Linux kernel's documentation of ext4 ("Data Structures and Algorithms") has the layout.
 */
#include <string.h>

#include <host/mach/memory.h>

#include "stand_in.h"

enum {
    PAGE = 4096,
    SUPER_OFFSET = 1024,
    MAGIC = 0xef53,
    ROOT_INODE = 2,
    INCOMPAT_64BIT = 0x80,
    MODE_TYPE = 0xf000,
    MODE_DIRECTORY = 0x4000,
    FLAG_EXTENTS = 0x80000,
    EXTENTS_MAGIC = 0xf30a,
    INODE_CORE = 128, /* what the first version of the layout has */
};

static uint16_t get16(const unsigned char *bytes, unsigned offset)
{
    uint16_t value;
    memcpy(&value, bytes + offset, sizeof(value));
    return value;
}

static uint32_t get32(const unsigned char *bytes, unsigned offset)
{
    uint32_t value;
    memcpy(&value, bytes + offset, sizeof(value));
    return value;
}

/* The page that has these bytes, which do not cross into the next. */
static bool bytes_read(const struct disk *disk, uint64_t offset, unsigned char *bytes, size_t size)
{
    uint64_t page = offset / PAGE;

    if (!check_true(offset % PAGE <= PAGE - size && page < disk->records * disk->record_size / PAGE,
                    "place of the file system's tables", "on the disk"))
        return false;
    unsigned char *data = disk_read(disk, page * (PAGE / disk->record_size), PAGE);
    if (!data)
        return false;
    memcpy(bytes, data + offset % PAGE, size);
    memory_pages_free(data, PAGE);
    return true;
}

/* The block of a directory's beginning: of a small one, whose extents are all in the inode. */
static uint64_t first_block(const unsigned char *inode)
{
    const unsigned char *map = inode + 40;

    if (!(get32(inode, 32) & FLAG_EXTENTS))
        return get32(map, 0);
    if (get16(map, 0) != EXTENTS_MAGIC || get16(map, 2) == 0 || get16(map, 6) != 0)
        return 0;
    return (uint64_t)get16(map, 12 + 6) << 32 | get32(map, 12 + 8);
}

static void root_check(const struct disk *disk, uint64_t block, uint64_t block_size)
{
    unsigned char entries[24];

    if (!check_true(block != 0, "first block of the root directory", "there") ||
        !bytes_read(disk, block * block_size, entries, sizeof(entries)))
        return;
    check_equal("inode of .", ROOT_INODE, get32(entries, 0));
    check_equal("name of .", 0,
                memcmp(entries + 6, "\1\2.\0", 4) & memcmp(entries + 6, "\1\0.\0", 4));
    check_equal("inode of ..", ROOT_INODE, get32(entries, 12));
    check_equal("name of ..", 0, memcmp(entries + 20, "..", 2));
}

void tree_check(const struct disk *disk)
{
    unsigned char group[64], inode[INODE_CORE];
    unsigned char *super = disk_read(disk, SUPER_OFFSET / disk->record_size, 1024);

    if (!super || !check_equal("magic of the file system", MAGIC, get16(super, 56))) {
        memory_pages_free(super, super ? 1024 : 0);
        return;
    }
    uint64_t block_size = UINT64_C(1024) << (get32(super, 24) & 7);
    uint64_t groups_at = (get32(super, 20) + UINT64_C(1)) * block_size;
    uint32_t inode_size = get32(super, 76) == 0 ? INODE_CORE : get16(super, 88);
    bool wide = (get32(super, 96) & INCOMPAT_64BIT) && get16(super, 254) >= sizeof(group);
    memory_pages_free(super, 1024);

    if (!bytes_read(disk, groups_at, group, wide ? sizeof(group) : 32))
        return;
    uint64_t table = get32(group, 8) | (wide ? (uint64_t)get32(group, 0x28) << 32 : 0);
    if (!check_true(table < UINT32_MAX && inode_size >= INODE_CORE, "inode table", "on the disk") ||
        !bytes_read(disk, table * block_size + (ROOT_INODE - 1) * inode_size, inode, sizeof(inode)))
        return;
    if (check_equal("type of the root directory", MODE_DIRECTORY, get16(inode, 0) & MODE_TYPE))
        root_check(disk, first_block(inode), block_size);
}
