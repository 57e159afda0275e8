/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The shell's name space: which file system a path is in.
 */
#ifndef SERVICE_SHELL_MOUNTS_H
#define SERVICE_SHELL_MOUNTS_H

#include <stdbool.h>

#include <mach/port.h>

#include <interface/types.h>

enum { MOUNTS_MAX = 16, MOUNT_PATH_SIZE = 1024 };

struct mount {
    char path[MOUNT_PATH_SIZE]; /* absolute, no slash at the end; "" is the root */
    char device[OUTBOARD_NAME_SIZE];
    mach_port_t fs;
};

/* EBUSY: something is mounted there; ENOSPC; EINVAL: not an absolute path. Takes the right. */
int mounts_add(const char *path, const char *device, mach_port_t fs);
void mounts_remove(struct mount *mount);

/* The mount at exactly that path; null if there is none. */
struct mount *mounts_at(const char *path);
struct mount *mounts_first(void);
struct mount *mounts_next(struct mount *mount);

/* The mount that a path is in, and the path within it (which begins with a slash). Relative paths
 * are taken from the root. ENXIO: nothing is mounted there; ENAMETOOLONG. */
int mounts_resolve(const char *path, struct mount **mount, char inside[MOUNT_PATH_SIZE]);

#endif
