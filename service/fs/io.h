/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libext2fs's way to the disk: an I/O manager over a block session (kit/block_client.h).
 *
 * Single blocks, which are metadata and the ends of files, go through a write-back cache. Longer
 * runs go to the device as they are.
 */
#ifndef SERVICE_FS_IO_H
#define SERVICE_FS_IO_H

#include <stdint.h>
#include <sys/types.h>

#include <ext2fs/ext2fs.h>

/* The name given to ext2fs_open2 is the block device's. */
extern struct struct_io_manager fs_io_manager;

/* Bytes on the device. */
uint64_t fs_io_size(io_channel channel);

#endif
