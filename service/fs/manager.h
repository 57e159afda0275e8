/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libext2fs's way to the disk.
 */
#ifndef SERVICE_FS_MANAGER_H
#define SERVICE_FS_MANAGER_H

#include <sys/types.h> /* ext2fs.h leaves it to us */

#include <ext2fs/ext2fs.h>

#include "disk.h"

/* The manager opens this disk, whatever name it is given. */
io_manager manager_for(struct disk *disk);

#endif
