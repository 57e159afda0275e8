/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "walk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <interface/fs.h>
#include <interface/fs_user.h>
#include <interface/types.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>

/* ext2's file types (interface/types.h). */
enum { TYPE_REGULAR = 1, TYPE_DIRECTORY = 2, DEPTH_MAX = 64, FILES_MAX = 1 << 20 };

int walk_directory(mach_port_t fs, uint32_t inode,
                   int (*visit)(void *context, const struct walk_entry *entry), void *context)
{
    records_t data = NULL;
    mach_msg_type_number_t size = 0;
    int error = error_from_kernel(fs_list(fs, inode, &data, &size));

    for (size_t at = 0; error == 0 && size - at >= sizeof(struct fs_entry);) {
        struct fs_entry raw;
        struct walk_entry entry;

        memcpy(&raw, data + at, sizeof(raw));
        at += sizeof(raw);
        size_t padded = (raw.name_length + 7u) & ~(size_t)7;
        if (padded > size - at) {
            error = EPROTO;
            break;
        }
        entry.inode = raw.inode;
        entry.type = raw.type;
        memcpy(entry.name, data + at, raw.name_length);
        entry.name[raw.name_length] = '\0';
        at += padded;
        error = visit(context, &entry);
    }
    memory_pages_free(data, size);
    return error;
}

struct tree {
    mach_port_t fs;
    unsigned depth;
    char path[4096];
    size_t length;
    struct walk_file *files;
    size_t count, capacity;
};

static int file_add(struct tree *tree, const struct walk_entry *entry)
{
    if (tree->count == tree->capacity) {
        size_t capacity = tree->capacity ? tree->capacity * 2 : 1024;
        struct walk_file *grown =
            capacity <= FILES_MAX ? realloc(tree->files, capacity * sizeof(*grown)) : NULL;
        if (!grown)
            return ENOMEM;
        tree->files = grown;
        tree->capacity = capacity;
    }
    char *path = strdup(tree->path);
    if (!path)
        return ENOMEM;
    tree->files[tree->count++] = (struct walk_file){entry->inode, path};
    return 0;
}

static int entry_visit(void *context, const struct walk_entry *entry)
{
    struct tree *tree = context;
    size_t before = tree->length;
    int added = snprintf(tree->path + before, sizeof(tree->path) - before, "%s%s",
                         before ? "/" : "", entry->name);
    int error = 0;

    if (added < 0 || (size_t)added >= sizeof(tree->path) - before)
        return ENAMETOOLONG;
    tree->length += (size_t)added;
    if (entry->type == TYPE_REGULAR) {
        error = file_add(tree, entry);
    } else if (entry->type == TYPE_DIRECTORY) {
        error = tree->depth < DEPTH_MAX ? 0 : ELOOP;
        tree->depth++;
        if (error == 0)
            error = walk_directory(tree->fs, entry->inode, entry_visit, tree);
        tree->depth--;
    }
    tree->length = before;
    tree->path[before] = '\0';
    return error;
}

static int file_compare(const void *a, const void *b)
{
    return strcmp(((const struct walk_file *)a)->path, ((const struct walk_file *)b)->path);
}

int walk_tree(mach_port_t fs, uint32_t inode,
              int (*visit)(void *context, const struct walk_file *file), void *context)
{
    struct tree *tree = calloc(1, sizeof(*tree));

    if (!tree)
        return ENOMEM;
    tree->fs = fs;
    int error = walk_directory(fs, inode, entry_visit, tree);
    qsort(tree->files, tree->count, sizeof(tree->files[0]), file_compare);
    for (size_t i = 0; i < tree->count; i++) {
        int result = visit(context, &tree->files[i]);
        error = error ? error : result;
        free(tree->files[i].path);
    }
    free(tree->files);
    free(tree);
    return error;
}
