/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between the files that make up a volume.
 */
#ifndef SERVICE_FS_VOLUME_INTERNAL_H
#define SERVICE_FS_VOLUME_INTERNAL_H

#include <sys/types.h> /* ext2fs.h leaves it to us */

#include <ext2fs/ext2fs.h>

#include "volume.h"

struct volume {
    struct disk *disk;
    ext2_filsys fs;
    bool write;
};

/* The errno value for a libext2fs error. */
int volume_error(errcode_t code);

/* An allocated inode's contents; ENOENT for a number that is none. */
int volume_inode_read(struct volume *volume, uint32_t number, struct ext2_inode *inode);

/* Times of a change, and of the directory that a name came to or went from. */
void volume_inode_touch(struct ext2_inode *inode);
int volume_directory_touch(struct volume *volume, ext2_ino_t number);

/* Free a file's blocks from logical block `first` on, and write the inode. */
errcode_t volume_punch(struct volume *volume, ext2_ino_t number, struct ext2_inode *inode,
                       blk64_t first);

/* ENAMETOOLONG if a part of the path is longer than a name can be; ENOENT if it is not absolute. */
int volume_path_check(const char *path);

/* Split a path into its directory's inode and the last part. */
int volume_parent(struct volume *volume, const char *path, ext2_ino_t *directory,
                  const char **name);

#endif
