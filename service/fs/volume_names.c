/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Making and removing names.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "volume_internal.h"

static errcode_t name_link(struct volume *volume, ext2_ino_t directory, const char *name,
                           ext2_ino_t number, int type)
{
    errcode_t code = ext2fs_link(volume->fs, directory, name, number, type);

    if (code == EXT2_ET_DIR_NO_SPACE) {
        code = ext2fs_expand_dir(volume->fs, directory);
        if (code == 0)
            code = ext2fs_link(volume->fs, directory, name, number, type);
    }
    return code;
}

static errcode_t directory_make(struct volume *volume, ext2_ino_t parent, const char *name,
                                uint32_t mode, ext2_ino_t *number)
{
    struct ext2_inode inode;
    errcode_t code = ext2fs_mkdir(volume->fs, parent, 0, name);

    if (code == EXT2_ET_DIR_NO_SPACE) {
        code = ext2fs_expand_dir(volume->fs, parent);
        if (code == 0)
            code = ext2fs_mkdir(volume->fs, parent, 0, name);
    }
    if (code == 0)
        code = ext2fs_lookup(volume->fs, parent, name, (int)strlen(name), NULL, number);
    if (code == 0)
        code = ext2fs_read_inode(volume->fs, *number, &inode);
    if (code != 0)
        return code;
    inode.i_mode = (uint16_t)(LINUX_S_IFDIR | (mode & 07777));
    return ext2fs_write_inode(volume->fs, *number, &inode);
}

static errcode_t file_make(struct volume *volume, ext2_ino_t parent, const char *name,
                           uint32_t mode, ext2_ino_t *number)
{
    struct ext2_inode inode = {
        .i_mode = (uint16_t)(LINUX_S_IFREG | (mode & 07777)),
        .i_links_count = 1,
    };
    ext2_extent_handle_t handle;
    errcode_t code = ext2fs_new_inode(volume->fs, parent, inode.i_mode, NULL, number);

    if (code == 0)
        code = name_link(volume, parent, name, *number, EXT2_FT_REG_FILE);
    if (code != 0)
        return code;
    inode.i_atime = inode.i_ctime = inode.i_mtime = (uint32_t)time(NULL);
    if (ext2fs_has_feature_extents(volume->fs->super)) {
        inode.i_flags = EXT4_EXTENTS_FL;
        code = ext2fs_extent_open2(volume->fs, *number, &inode, &handle);
        if (code == 0)
            ext2fs_extent_free(handle); /* it has written an empty tree into the inode */
    }
    ext2fs_inode_alloc_stats2(volume->fs, *number, 1, 0);
    return code ? code : ext2fs_write_new_inode(volume->fs, *number, &inode);
}

int volume_create(struct volume *volume, const char *path, uint32_t mode, uint32_t *result)
{
    ext2_ino_t parent, number;
    const char *name;
    int error = volume->write ? volume_parent(volume, path, &parent, &name) : EROFS;

    if (error != 0)
        return error;
    errcode_t code = ext2fs_lookup(volume->fs, parent, name, (int)strlen(name), NULL, &number);
    if (code == 0)
        return EEXIST;
    if (code != EXT2_ET_FILE_NOT_FOUND)
        return volume_error(code);
    code = LINUX_S_ISDIR(mode) ? directory_make(volume, parent, name, mode, &number)
                               : file_make(volume, parent, name, mode, &number);
    if (code != 0)
        return volume_error(code);
    *result = number;
    return volume_directory_touch(volume, parent);
}

static int entry_found(void *context, uint32_t inode, uint8_t type, const char *name,
                       uint8_t length)
{
    (void)context, (void)inode, (void)type, (void)name, (void)length;
    return ENOTEMPTY;
}

/* The last name is gone: blocks, attributes and the inode itself become free. */
static errcode_t inode_free(struct volume *volume, ext2_ino_t number, struct ext2_inode *inode)
{
    errcode_t code = 0;
    bool directory = LINUX_S_ISDIR(inode->i_mode);

    if (ext2fs_file_acl_block(volume->fs, inode) != 0)
        code = ext2fs_free_ext_attr(volume->fs, number, (struct ext2_inode_large *)NULL);
    if (code == 0)
        code = ext2fs_read_inode(volume->fs, number, inode);
    if (code == 0 && ext2fs_inode_has_valid_blocks2(volume->fs, inode))
        code = volume_punch(volume, number, inode, 0);
    if (code != 0)
        return code;
    inode->i_links_count = 0;
    inode->i_dtime = (uint32_t)time(NULL);
    code = ext2fs_write_inode(volume->fs, number, inode);
    ext2fs_inode_alloc_stats2(volume->fs, number, -1, directory);
    return code;
}

static errcode_t parent_links_change(struct volume *volume, ext2_ino_t parent, int change)
{
    struct ext2_inode inode;
    errcode_t code = ext2fs_read_inode(volume->fs, parent, &inode);

    if (code != 0)
        return code;
    if (inode.i_links_count > 1) /* 1: more than can be counted */
        inode.i_links_count = (uint16_t)(inode.i_links_count + change);
    return ext2fs_write_inode(volume->fs, parent, &inode);
}

int volume_remove(struct volume *volume, const char *path)
{
    ext2_ino_t parent, number;
    struct ext2_inode inode;
    const char *name;
    int error = volume->write ? volume_parent(volume, path, &parent, &name) : EROFS;

    if (error != 0)
        return error;
    errcode_t code = ext2fs_lookup(volume->fs, parent, name, (int)strlen(name), NULL, &number);
    if (code != 0)
        return volume_error(code);
    error = volume_inode_read(volume, number, &inode);
    bool directory = error == 0 && LINUX_S_ISDIR(inode.i_mode);
    if (directory)
        error = volume_list(volume, number, entry_found, NULL);
    if (error != 0)
        return error;

    code = ext2fs_unlink(volume->fs, parent, name, number, 0);
    if (code == 0 && directory)
        code = parent_links_change(volume, parent, -1);
    error = code ? volume_error(code) : volume_directory_touch(volume, parent);
    if (error != 0)
        return error;
    if (directory || inode.i_links_count <= 1)
        return volume_error(inode_free(volume, number, &inode));
    inode.i_links_count--;
    inode.i_ctime = (uint32_t)time(NULL);
    return volume_error(ext2fs_write_inode(volume->fs, number, &inode));
}
