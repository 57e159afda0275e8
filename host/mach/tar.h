/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A tar file in memory (POSIX.1-2017, pax, "ustar Interchange Format"). Portable; every field is
 * checked before it is used.
 */
#ifndef HOST_MACH_TAR_H
#define HOST_MACH_TAR_H

#include <stddef.h>
#include <stdint.h>

struct tar_file {
    char name[101];
    const void *data;
    size_t size;
};

/* The file at `*offset`, which moves on to the next; start with 0. 0, ENOENT at the end, EBADMSG if
 * the archive is malformed. Entries that are no regular files are passed over. */
int tar_next(const uint8_t *data, size_t size, size_t *offset, struct tar_file *file);

#endif
