/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device under the file system: byte ranges in and out of a block client, and a write-back
 * cache of file system blocks. Dirty blocks go out in runs, in ascending order, when many have
 * gathered or when somebody flushes. Portable.
 */
#ifndef SERVICE_FS_DISK_H
#define SERVICE_FS_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block_client;
struct disk;

/* 0 or an errno value. Does not own the client. */
int disk_create(struct block_client *client, struct disk **disk);
void disk_destroy(struct disk *disk);

uint64_t disk_size(const struct disk *disk); /* bytes */

/* The unit of the cache: a power of two, 1024 to 65536. What is dirty is written first. */
int disk_block_size_set(struct disk *disk, uint32_t size);

/* Whole blocks, through the cache. */
int disk_block_read(struct disk *disk, uint64_t block, unsigned count, void *data);
int disk_block_write(struct disk *disk, uint64_t block, unsigned count, const void *data);

/* Any byte range, past the cache and consistent with it: for file data and the odd superblock. */
int disk_read(struct disk *disk, uint64_t offset, uint64_t length, void *data);
int disk_write(struct disk *disk, uint64_t offset, uint64_t length, const void *data);

/* Bytes of cached blocks: they go out with the rest of their block, in one request. */
int disk_patch(struct disk *disk, uint64_t offset, uint64_t length, const void *data);

/* Write what is dirty; `durable`: and have the device make it so. */
int disk_flush(struct disk *disk, bool durable);

#endif
