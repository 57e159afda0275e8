/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An ext2, ext3 or ext4 file system, on libext2fs. Every call returns 0 or an errno value. Inode
 * numbers, offsets and paths come from clients and are checked here. Portable.
 */
#ifndef SERVICE_FS_VOLUME_H
#define SERVICE_FS_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <interface/fs.h>
#include <interface/types.h>

#include "disk.h"

struct volume;

/* Open, with a line in the log if it cannot be. EINVAL: no such file system; EIO: it is longer than
 * its device; EROFS: it is dirty or has a journal to replay and may only be read; EOPNOTSUPP: it
 * uses features that libext2fs does not know. */
int volume_open(struct disk *disk, bool write, struct volume **volume);

/* Mark clean, write everything, flush. The volume is gone afterwards. */
int volume_close(struct volume *volume);
int volume_sync(struct volume *volume);

int volume_lookup(struct volume *volume, const char *path, bool follow, struct fs_status *status);
int volume_read(struct volume *volume, uint32_t inode, uint64_t offset, uint32_t count, void *data,
                uint32_t *done);
int volume_write(struct volume *volume, uint32_t inode, uint64_t offset, const void *data,
                 uint32_t count);
int volume_truncate(struct volume *volume, uint32_t inode, uint64_t size);
int volume_readlink(struct volume *volume, uint32_t inode, char *target, size_t size);
int volume_create(struct volume *volume, const char *path, uint32_t mode, uint32_t *inode);
int volume_remove(struct volume *volume, const char *path);

/* Call for each entry but "." and ".."; stop when it returns non-zero, which is passed on. */
int volume_list(struct volume *volume, uint32_t inode,
                int (*visit)(void *context, uint32_t inode, uint8_t type, const char *name,
                             uint8_t length),
                void *context);

#endif
