/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Opening and closing, names, and status.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <et/com_err.h>

#include <kit/log.h>

#include "manager.h"
#include "volume_internal.h"

int volume_error(errcode_t code)
{
    if (code >= 0 && code < 256)
        return (int)code;
    switch (code) {
    case EXT2_ET_NO_MEMORY:
        return ENOMEM;
    case EXT2_ET_FILE_NOT_FOUND:
        return ENOENT;
    case EXT2_ET_NO_DIRECTORY:
        return ENOTDIR;
    case EXT2_ET_SYMLINK_LOOP:
        return ELOOP;
    case EXT2_ET_BLOCK_ALLOC_FAIL:
    case EXT2_ET_INODE_ALLOC_FAIL:
        return ENOSPC;
    case EXT2_ET_DIR_EXISTS:
    case EXT2_ET_FILE_EXISTS:
        return EEXIST;
    case EXT2_ET_FILE_TOO_BIG:
        return EFBIG;
    case EXT2_ET_RO_FILSYS:
        return EROFS;
    case EXT2_ET_BAD_MAGIC:
    case EXT2_ET_SB_CSUM_INVALID:
    case EXT2_ET_CORRUPT_SUPERBLOCK:
        return EINVAL;
    case EXT2_ET_UNSUPP_FEATURE:
    case EXT2_ET_RO_UNSUPP_FEATURE:
        return EOPNOTSUPP;
    default:
        return EIO;
    }
}

/* What keeps an opened file system from being used as wanted. */
static int volume_check(const struct volume *volume)
{
    ext2_filsys fs = volume->fs;
    uint64_t size = ext2fs_blocks_count(fs->super) * fs->blocksize;

    if (size > disk_size(volume->disk)) {
        log_error("the file system has %llu bytes, its device only %llu: is the image truncated?",
                  (unsigned long long)size, (unsigned long long)disk_size(volume->disk));
        return EIO;
    }
    if (!volume->write)
        return 0;
    if (ext2fs_has_feature_journal_needs_recovery(fs->super)) {
        log_error("the journal has not been replayed: mount it read-only, or run e2fsck");
        return EROFS;
    }
    if (!(fs->super->s_state & EXT2_VALID_FS) || (fs->super->s_state & EXT2_ERROR_FS)) {
        log_error("it was not unmounted or has errors: mount it read-only, or run e2fsck");
        return EROFS;
    }
    return 0;
}

int volume_open(struct disk *disk, bool write, struct volume **result)
{
    struct volume *volume = calloc(1, sizeof(*volume));

    if (!volume)
        return ENOMEM;
    initialize_ext2_error_table();
    volume->disk = disk;
    volume->write = write;
    errcode_t code = ext2fs_open("disk", EXT2_FLAG_64BITS | (write ? EXT2_FLAG_RW : 0), 0, 0,
                                 manager_for(disk), &volume->fs);
    if (code != 0) {
        log_error("no ext2, ext3 or ext4 file system that can be used: %s", error_message(code));
        free(volume);
        return volume_error(code);
    }
    int error = volume_check(volume);
    if (error == 0)
        error = volume_error(ext2fs_read_bitmaps(volume->fs));
    if (error == 0 && write) {
        /* Until it is closed in order it counts as not cleanly unmounted. */
        volume->fs->super->s_state &= (uint16_t)~EXT2_VALID_FS;
        ext2fs_mark_super_dirty(volume->fs);
        error = volume_sync(volume);
    }
    if (error != 0) {
        ext2fs_free(volume->fs);
        free(volume);
        return error;
    }
    *result = volume;
    return 0;
}

int volume_sync(struct volume *volume)
{
    if (!volume->write)
        return 0;
    errcode_t code = ext2fs_write_bitmaps(volume->fs);
    if (code == 0)
        code = ext2fs_flush(volume->fs);
    return code ? volume_error(code) : disk_flush(volume->disk, true);
}

int volume_close(struct volume *volume)
{
    int error = volume_sync(volume);

    /* Clean only once everything else is on the disk. */
    if (error == 0 && volume->write) {
        volume->fs->super->s_state |= EXT2_VALID_FS;
        ext2fs_mark_super_dirty(volume->fs);
        error = volume_sync(volume);
    }
    ext2fs_free(volume->fs);
    free(volume);
    return error;
}

/* The journal and its like look like files, but are the file system's own. */
static bool inode_is_internal(const struct ext2_super_block *super, uint32_t number)
{
    if (number != EXT2_ROOT_INO && number < EXT2_FIRST_INODE(super))
        return true;
    return number == super->s_prj_quota_inum || number == super->s_orphan_file_inum;
}

int volume_inode_read(struct volume *volume, uint32_t number, struct ext2_inode *inode)
{
    const struct ext2_super_block *super = volume->fs->super;

    if (number == 0 || number > super->s_inodes_count || inode_is_internal(super, number) ||
        !ext2fs_test_inode_bitmap2(volume->fs->inode_map, number))
        return ENOENT;
    return volume_error(ext2fs_read_inode(volume->fs, number, inode));
}

void volume_inode_touch(struct ext2_inode *inode)
{
    inode->i_mtime = inode->i_ctime = (uint32_t)time(NULL);
}

int volume_directory_touch(struct volume *volume, ext2_ino_t number)
{
    struct ext2_inode inode;
    errcode_t code = ext2fs_read_inode(volume->fs, number, &inode);

    if (code == 0) {
        volume_inode_touch(&inode);
        code = ext2fs_write_inode(volume->fs, number, &inode);
    }
    return volume_error(code);
}

/* Seconds since 1970: signed in the inode, with two more bits above in a large one (ext4's epoch).
 */
static int64_t inode_modified(struct volume *volume, uint32_t number,
                              const struct ext2_inode *small)
{
    struct ext2_inode_large inode;
    int64_t seconds = (int32_t)small->i_mtime;

    if (EXT2_INODE_SIZE(volume->fs->super) <= EXT2_GOOD_OLD_INODE_SIZE ||
        ext2fs_read_inode_full(volume->fs, number, (struct ext2_inode *)&inode, sizeof(inode)) != 0)
        return seconds;
    size_t end = offsetof(struct ext2_inode_large, i_mtime_extra) + sizeof(inode.i_mtime_extra);
    if ((size_t)EXT2_GOOD_OLD_INODE_SIZE + inode.i_extra_isize >= end)
        seconds += (int64_t)(inode.i_mtime_extra & 3) << 32;
    return seconds;
}

static int status_fill(struct volume *volume, uint32_t number, struct fs_status *status)
{
    struct ext2_inode inode;
    int error = volume_inode_read(volume, number, &inode);

    if (error != 0)
        return error;
    *status = (struct fs_status){
        .inode = number,
        .mode = inode.i_mode,
        .links = inode.i_links_count,
        .uid = inode_uid(inode),
        .gid = inode_gid(inode),
        .size = EXT2_I_SIZE(&inode),
        .blocks = ext2fs_get_stat_i_blocks(volume->fs, &inode),
        .modified = inode_modified(volume, number, &inode),
    };
    return 0;
}

int volume_path_check(const char *path)
{
    if (*path != '/')
        return ENOENT;
    while (*path) {
        path += strspn(path, "/");
        size_t length = strcspn(path, "/");
        if (length > EXT2_NAME_LEN)
            return ENAMETOOLONG;
        path += length;
    }
    return 0;
}

int volume_lookup(struct volume *volume, const char *path, bool follow, struct fs_status *status)
{
    ext2_ino_t number;
    int error = volume_path_check(path);

    if (error != 0)
        return error;
    errcode_t code =
        follow ? ext2fs_namei_follow(volume->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &number)
               : ext2fs_namei(volume->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &number);

    error = code ? volume_error(code) : status_fill(volume, number, status);
    if (error == 0 && path[strlen(path) - 1] == '/' && !LINUX_S_ISDIR(status->mode))
        return ENOTDIR;
    return error;
}

int volume_parent(struct volume *volume, const char *path, ext2_ino_t *directory, const char **name)
{
    const char *slash = strrchr(path, '/');
    char parent[1024];

    int error = volume_path_check(path);

    if (error != 0)
        return error;
    if (!slash || slash[1] == '\0' || (size_t)(slash - path) >= sizeof(parent))
        return EINVAL;
    if (strcmp(slash + 1, ".") == 0 || strcmp(slash + 1, "..") == 0)
        return EINVAL;
    memcpy(parent, path, (size_t)(slash - path));
    parent[slash - path] = '\0';
    *name = slash + 1;
    *directory = EXT2_ROOT_INO;
    errcode_t code =
        parent[0] ? ext2fs_namei_follow(volume->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, parent, directory)
                  : 0;
    if (code == 0)
        code = ext2fs_check_directory(volume->fs, *directory);
    return volume_error(code);
}

/* Without the feature "filetype" an entry does not say what it names. */
static uint8_t entry_type(ext2_filsys fs, struct ext2_dir_entry *entry)
{
    uint8_t type = (uint8_t)ext2fs_dirent_file_type(entry);
    struct ext2_inode inode;

    if (ext2fs_has_feature_filetype(fs->super))
        return type;
    if (ext2fs_read_inode(fs, entry->inode, &inode) != 0)
        return EXT2_FT_UNKNOWN;
    return LINUX_S_ISREG(inode.i_mode)   ? EXT2_FT_REG_FILE
           : LINUX_S_ISDIR(inode.i_mode) ? EXT2_FT_DIR
           : LINUX_S_ISLNK(inode.i_mode) ? EXT2_FT_SYMLINK
                                         : EXT2_FT_UNKNOWN;
}

struct visit {
    ext2_filsys fs;
    int (*call)(void *context, uint32_t inode, uint8_t type, const char *name, uint8_t length);
    void *context;
    int result;
};

static int entry_visit(struct ext2_dir_entry *entry, int offset, int block_size, char *buffer,
                       void *context)
{
    struct visit *visit = context;
    int length = ext2fs_dirent_name_len(entry);

    (void)offset, (void)block_size, (void)buffer;
    if (length == 0 || (length == 1 && entry->name[0] == '.') ||
        (length == 2 && entry->name[0] == '.' && entry->name[1] == '.'))
        return 0;
    visit->result = visit->call(visit->context, entry->inode, entry_type(visit->fs, entry),
                                entry->name, (uint8_t)length);
    return visit->result ? DIRENT_ABORT : 0;
}

int volume_list(struct volume *volume, uint32_t number,
                int (*call)(void *context, uint32_t inode, uint8_t type, const char *name,
                            uint8_t length),
                void *context)
{
    struct visit visit = {volume->fs, call, context, 0};
    struct ext2_inode inode;
    int error = volume_inode_read(volume, number, &inode);

    if (error == 0 && !LINUX_S_ISDIR(inode.i_mode))
        error = ENOTDIR;
    if (error == 0)
        error = volume_error(ext2fs_dir_iterate(volume->fs, number, 0, NULL, entry_visit, &visit));
    return error ? error : visit.result;
}
