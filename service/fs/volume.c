/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Opening and closing, names, and status.
 */
#include <errno.h>
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
    int error = 0;

    if (volume->write) {
        volume->fs->super->s_state |= EXT2_VALID_FS;
        ext2fs_mark_super_dirty(volume->fs);
        error = volume_sync(volume);
    }
    ext2fs_free(volume->fs);
    free(volume);
    return error;
}

int volume_inode_read(struct volume *volume, uint32_t number, struct ext2_inode *inode)
{
    if (number == 0 || number > volume->fs->super->s_inodes_count ||
        !ext2fs_test_inode_bitmap2(volume->fs->inode_map, number))
        return ENOENT;
    return volume_error(ext2fs_read_inode(volume->fs, number, inode));
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
        .modified = inode.i_mtime,
    };
    return 0;
}

int volume_lookup(struct volume *volume, const char *path, bool follow, struct fs_status *status)
{
    ext2_ino_t number;
    errcode_t code = follow
                         ? ext2fs_namei_follow(volume->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &number)
                         : ext2fs_namei(volume->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &number);

    return code ? volume_error(code) : status_fill(volume, number, status);
}

int volume_parent(struct volume *volume, const char *path, ext2_ino_t *directory, const char **name)
{
    const char *slash = strrchr(path, '/');
    char parent[1024];

    if (!slash || slash[1] == '\0' || strlen(slash + 1) > EXT2_NAME_LEN ||
        (size_t)(slash - path) >= sizeof(parent))
        return slash && strlen(slash + 1) > EXT2_NAME_LEN ? ENAMETOOLONG : EINVAL;
    if (strcmp(slash + 1, ".") == 0 || strcmp(slash + 1, "..") == 0)
        return EINVAL;
    memcpy(parent, path, (size_t)(slash - path));
    parent[slash - path] = '\0';
    *name = slash + 1;
    *directory = EXT2_ROOT_INO;
    errcode_t code = parent[0] ? ext2fs_namei_follow(volume->fs, EXT2_ROOT_INO, EXT2_ROOT_INO,
                                                     parent, directory)
                               : 0;
    if (code == 0)
        code = ext2fs_check_directory(volume->fs, *directory);
    return volume_error(code);
}

struct visit {
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
    visit->result = visit->call(visit->context, entry->inode,
                                (uint8_t)ext2fs_dirent_file_type(entry), entry->name,
                                (uint8_t)length);
    return visit->result ? DIRENT_ABORT : 0;
}

int volume_list(struct volume *volume, uint32_t number,
                int (*call)(void *context, uint32_t inode, uint8_t type, const char *name,
                            uint8_t length),
                void *context)
{
    struct visit visit = {call, context, 0};
    struct ext2_inode inode;
    int error = volume_inode_read(volume, number, &inode);

    if (error == 0 && !LINUX_S_ISDIR(inode.i_mode))
        error = ENOTDIR;
    if (error == 0)
        error = volume_error(
            ext2fs_dir_iterate(volume->fs, number, 0, NULL, entry_visit, &visit));
    return error ? error : visit.result;
}
