/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The boot archive: everything that is started, in memory from the beginning. A POSIX ustar file
 * behind a header with length and CRC-32, carried in the data section of a boot module
 * (boot/archive.S).
 */
#ifndef HOST_MACH_ARCHIVE_H
#define HOST_MACH_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

#include <mach/port.h>

#define ARCHIVE_BASE  UINT64_C(0x10000000) /* where the module's data begins */
#define ARCHIVE_MAGIC UINT64_C(0x31766863724f4f42)

struct archive_header {
    uint64_t magic;
    uint64_t size;  /* of the tar file that follows, bytes */
    uint32_t crc32; /* of the tar file */
    uint32_t reserved;
    uint8_t padding[4096 - 24];
};

struct archive {
    const uint8_t *data;
    size_t size;
};

/* Take the archive out of its boot module's task. 0 or an errno value; EBADMSG if it is corrupt,
 * with a line in the log. The task is not touched. */
int archive_take(mach_port_t task, struct archive *archive);

/* Check a tar image in memory. 0 or EBADMSG. Portable. */
int archive_check(const uint8_t *data, size_t size);

/* The file of that name; EBADMSG, ENOENT. */
int archive_find(const struct archive *archive, const char *name, const void **data, size_t *size);

/* Call for each regular file until it returns non-zero, which is passed on. */
int archive_each(const struct archive *archive,
                 int (*visit)(void *context, const char *name, const void *data, size_t size),
                 void *context);

#endif
