/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a file system says of its files (fs.defs). Machine byte order; reserved fields are zero.
 */
#ifndef INTERFACE_FS_H
#define INTERFACE_FS_H

#include <assert.h>
#include <stdint.h>

/* A file or directory in a mounted file system. */
struct fs_status {
    uint32_t inode;
    uint32_t mode; /* S_IFMT and permission bits, as in sys/stat.h */
    uint32_t links;
    uint32_t uid, gid;
    uint32_t reserved;
    uint64_t size;    /* bytes */
    uint64_t blocks;  /* 512-byte units that it occupies */
    int64_t modified; /* seconds since 1970 */
};
static_assert(sizeof(struct fs_status) == 48, "wire layout");

/* A directory listing is a run of these, each followed by `name_length` bytes of name (no NUL),
 * padded with zeroes to a multiple of 8. */
struct fs_entry {
    uint32_t inode;
    uint8_t type; /* EXT2_FT_*: 1 regular, 2 directory, 7 symlink */
    uint8_t name_length;
    uint16_t reserved;
};
static_assert(sizeof(struct fs_entry) == 8, "wire layout");

#endif
