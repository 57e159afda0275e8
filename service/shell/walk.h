/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Directories, one by one or a whole tree.
 */
#ifndef SERVICE_SHELL_WALK_H
#define SERVICE_SHELL_WALK_H

#include <stdint.h>

#include <mach/port.h>

struct walk_entry {
    uint32_t inode;
    uint8_t type;
    char name[256];
};

struct walk_file {
    uint32_t inode;
    char *path; /* from where the walk began, no slash in front */
};

/* Each entry of a directory in its order; stop when `visit` returns non-zero, and return that. */
int walk_directory(mach_port_t fs, uint32_t inode,
                   int (*visit)(void *context, const struct walk_entry *entry), void *context);

/* Every regular file below a directory, sorted by path, byte by byte; all are visited, and the
 * first non-zero result is returned. */
int walk_tree(mach_port_t fs, uint32_t inode,
              int (*visit)(void *context, const struct walk_file *file), void *context);

#endif
