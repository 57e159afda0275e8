/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The contents of files and symbolic links.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "volume_internal.h"

/* Neighbouring blocks of a file that are neighbours on the disk too. */
struct run {
    uint64_t block; /* on the disk; 0: a hole */
    uint64_t count;
};

static errcode_t block_map(struct volume *volume, uint32_t number, struct ext2_inode *inode,
                           uint64_t logical, uint64_t *block)
{
    blk64_t found = 0;
    int flags = 0;
    errcode_t code = ext2fs_bmap2(volume->fs, number, inode, NULL, 0, logical, &flags, &found);

    *block = flags & BMAP_RET_UNINIT ? 0 : found; /* allocated, never written: zeroes */
    return code;
}

static errcode_t run_by_block(struct volume *volume, uint32_t number, struct ext2_inode *inode,
                              uint64_t logical, uint64_t most, struct run *run)
{
    errcode_t code = block_map(volume, number, inode, logical, &run->block);

    for (run->count = 1; code == 0 && run->count < most; run->count++) {
        uint64_t block;
        code = block_map(volume, number, inode, logical + run->count, &block);
        if (block != (run->block ? run->block + run->count : 0))
            break;
    }
    return code;
}

/* From a logical block that no extent has to the next that one has; the search left the handle at a
 * neighbour. */
static uint64_t hole_length(ext2_extent_handle_t handle, uint64_t logical, uint64_t most)
{
    struct ext2fs_extent extent;
    errcode_t code = ext2fs_extent_get(handle, EXT2_EXTENT_CURRENT, &extent);

    if (code == 0 && extent.e_lblk < logical)
        code = ext2fs_extent_get(handle, EXT2_EXTENT_NEXT_LEAF, &extent);
    if (code == EXT2_ET_EXTENT_NO_NEXT || code == EXT2_ET_NO_CURRENT_NODE)
        return most;
    if (code != 0 || extent.e_lblk <= logical)
        return 1;
    return extent.e_lblk - logical < most ? extent.e_lblk - logical : most;
}

/* One extent says it all at once. */
static errcode_t run_by_extent(ext2_extent_handle_t handle, uint64_t logical, uint64_t most,
                               struct run *run)
{
    struct ext2fs_extent extent;
    errcode_t code = ext2fs_extent_goto(handle, logical);

    *run = (struct run){0, 1};
    if (code == EXT2_ET_EXTENT_NOT_FOUND) {
        run->count = hole_length(handle, logical, most);
        return 0;
    }
    if (code == 0)
        code = ext2fs_extent_get(handle, EXT2_EXTENT_CURRENT, &extent);
    if (code != 0)
        return code;
    if (logical < extent.e_lblk || logical - extent.e_lblk >= extent.e_len)
        return 0;
    uint64_t into = logical - extent.e_lblk;
    run->count = extent.e_len - into;
    if (run->count > most)
        run->count = most;
    if (!(extent.e_flags & EXT2_EXTENT_FLAGS_UNINIT))
        run->block = extent.e_pblk + into;
    return 0;
}

static int runs_read(struct volume *volume, uint32_t number, struct ext2_inode *inode,
                     uint64_t offset, uint32_t count, unsigned char *to)
{
    unsigned size = volume->fs->blocksize;
    ext2_extent_handle_t handle = NULL;
    errcode_t code = 0;
    int error = 0;

    if (inode->i_flags & EXT4_EXTENTS_FL)
        code = ext2fs_extent_open2(volume->fs, number, inode, &handle);
    while (code == 0 && error == 0 && count > 0) {
        uint64_t logical = offset / size, skip = offset % size;
        uint64_t most = (skip + count + size - 1) / size;
        struct run run;

        code = handle ? run_by_extent(handle, logical, most, &run)
                      : run_by_block(volume, number, inode, logical, most, &run);
        if (code != 0)
            break;
        uint64_t length = run.count * size - skip;
        if (length > count)
            length = count;
        if (run.block == 0)
            memset(to, 0, length);
        else
            error = disk_read(volume->disk, run.block * size + skip, length, to);
        to += length;
        offset += length;
        count -= (uint32_t)length;
    }
    if (handle)
        ext2fs_extent_free(handle);
    return code ? volume_error(code) : error;
}

/* libext2fs's own way: for data inside the inode, and for every write. */
static errcode_t file_open(struct volume *volume, uint32_t number, int flags, uint64_t offset,
                           ext2_file_t *file)
{
    errcode_t code = ext2fs_file_open(volume->fs, number, flags, file);

    if (code == 0)
        code = ext2fs_file_llseek(*file, offset, EXT2_SEEK_SET, NULL);
    return code;
}

static int inline_read(struct volume *volume, uint32_t number, uint64_t offset, uint32_t count,
                       void *data)
{
    ext2_file_t file = NULL;
    unsigned done = 0;
    errcode_t code = file_open(volume, number, 0, offset, &file);

    if (code == 0)
        code = ext2fs_file_read(file, data, count, &done);
    if (file)
        ext2fs_file_close(file);
    return code ? volume_error(code) : done == count ? 0 : EIO;
}

static int content_read(struct volume *volume, uint32_t number, struct ext2_inode *inode,
                        uint64_t offset, uint32_t count, void *data)
{
    return inode->i_flags & EXT4_INLINE_DATA_FL
               ? inline_read(volume, number, offset, count, data)
               : runs_read(volume, number, inode, offset, count, data);
}

static int regular_get(struct volume *volume, uint32_t number, struct ext2_inode *inode)
{
    int error = volume_inode_read(volume, number, inode);

    if (error == 0 && !LINUX_S_ISREG(inode->i_mode))
        error = LINUX_S_ISDIR(inode->i_mode) ? EISDIR : EINVAL;
    if (error == 0 && (inode->i_flags & EXT4_ENCRYPT_FL))
        error = EOPNOTSUPP;
    return error;
}

int volume_read(struct volume *volume, uint32_t number, uint64_t offset, uint32_t count, void *data,
                uint32_t *done)
{
    struct ext2_inode inode;
    int error = regular_get(volume, number, &inode);

    if (error != 0)
        return error;
    uint64_t size = EXT2_I_SIZE(&inode);
    if (offset >= size)
        count = 0;
    else if (count > size - offset)
        count = (uint32_t)(size - offset);
    *done = count;
    return count ? content_read(volume, number, &inode, offset, count, data) : 0;
}

static int file_change_begin(struct volume *volume, uint32_t number)
{
    struct ext2_inode inode;
    int error = volume->write ? regular_get(volume, number, &inode) : EROFS;

    if (error == 0 && (inode.i_flags & (EXT2_IMMUTABLE_FL | EXT4_VERITY_FL)))
        error = EPERM;
    if (error == 0) {
        volume_inode_touch(&inode);
        error = volume_error(ext2fs_write_inode(volume->fs, number, &inode));
    }
    return error;
}

int volume_write(struct volume *volume, uint32_t number, uint64_t offset, const void *data,
                 uint32_t count)
{
    const char *from = data;
    ext2_file_t file = NULL;
    int error = file_change_begin(volume, number);

    if (error != 0)
        return error;
    errcode_t code = file_open(volume, number, EXT2_FILE_WRITE, offset, &file);
    while (code == 0 && count > 0) {
        unsigned done = 0;
        code = ext2fs_file_write(file, from, count, &done);
        from += done;
        count -= done;
    }
    if (file) {
        errcode_t close_code = ext2fs_file_close(file);
        code = code ? code : close_code;
    }
    return volume_error(code);
}

/* ext2fs_punch (libext2fs 1.47) takes an extent that ends with the disk's last block for one that
 * reaches past it, and fails half done; so the disk is one block longer for as long as it looks. */
static void last_block_allow(struct volume *volume, bool allow)
{
    struct ext2_super_block *super = volume->fs->super;
    blk64_t count = ext2fs_blocks_count(super);

    ext2fs_blocks_count_set(super, allow ? count + 1 : count - 1);
}

errcode_t volume_punch(struct volume *volume, ext2_ino_t number, struct ext2_inode *inode,
                       blk64_t first)
{
    last_block_allow(volume, true);
    errcode_t code = ext2fs_punch(volume->fs, number, inode, NULL, first, ~(blk64_t)0);
    last_block_allow(volume, false);
    return code;
}

int volume_truncate(struct volume *volume, uint32_t number, uint64_t size)
{
    ext2_file_t file = NULL;

    if (size > INT64_MAX)
        return EFBIG;
    int error = file_change_begin(volume, number);
    if (error != 0)
        return error;
    errcode_t code = ext2fs_file_open(volume->fs, number, EXT2_FILE_WRITE, &file);
    if (code != 0)
        return volume_error(code);
    last_block_allow(volume, true); /* it punches, too */
    code = ext2fs_file_set_size2(file, (ext2_off64_t)size);
    last_block_allow(volume, false);
    errcode_t close_code = ext2fs_file_close(file);
    return volume_error(code ? code : close_code);
}

int volume_readlink(struct volume *volume, uint32_t number, char *target, size_t size)
{
    struct ext2_inode inode;
    int error = volume_inode_read(volume, number, &inode);

    if (error != 0)
        return error;
    uint64_t length = EXT2_I_SIZE(&inode);
    if (!LINUX_S_ISLNK(inode.i_mode) || length == 0)
        return EINVAL;
    if (length >= size)
        return ENAMETOOLONG;
    target[length] = '\0';
    if (ext2fs_is_fast_symlink(&inode)) {
        if (length > sizeof(inode.i_block))
            return EIO;
        memcpy(target, inode.i_block, length);
        return 0;
    }
    return content_read(volume, number, &inode, 0, (uint32_t)length, target);
}
