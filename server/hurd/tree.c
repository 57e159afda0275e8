/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree.h"

#include <stdio.h>
#include <string.h>

#include <interface/hurd/directory_entry.h>

enum { NAME_SIZE = 16 };

/* Of each depth's names: how many digits, and where in the address. */
static const struct {
    unsigned digits, shift;
} levels[TREE_FILE] = {{0, 32}, {4, 16}, {2, 8}, {2, 3}, {1, 0}};

unsigned tree_address(const struct pci_function_info *function)
{
    return (unsigned)function->segment << 16 | (unsigned)function->bus << 8 |
           (unsigned)function->device << 3 | function->function;
}

/* Whether a function is in a directory of that depth. */
static bool is_under(const struct pci_function_info *function, const struct tree_node *node)
{
    return (uint64_t)tree_address(function) >> levels[node->depth].shift ==
           (uint64_t)node->address >> levels[node->depth].shift;
}

static const struct pci_function_info *first_under(const struct tree *tree,
                                                   const struct tree_node *node)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (is_under(&tree->functions[i], node))
            return &tree->functions[i];
    }
    return NULL;
}

/* A function's part of its name at that depth. */
static void name_make(const struct pci_function_info *function, unsigned depth, char *name)
{
    const unsigned parts[] = {0, function->segment, function->bus, function->device,
                              function->function};

    snprintf(name, NAME_SIZE, "%0*x", (int)levels[depth].digits, parts[depth]);
}

/* False: the function does not have that one. */
static bool file_name(const struct pci_function_info *function, unsigned file, char *name)
{
    if (file == TREE_CONFIG)
        return strcpy(name, "config");
    if (file == TREE_ROM)
        return strcpy(name, "rom") && function->rom_size != 0;
    snprintf(name, NAME_SIZE, "region%u", file - TREE_REGION);
    return function->bar[file - TREE_REGION].size != 0;
}

/* The next of a directory's children after the function that the one before was made of (null: the
 * first); null: no more. */
static const struct pci_function_info *child_next(const struct tree *tree,
                                                  const struct tree_node *node,
                                                  const struct pci_function_info *before)
{
    const struct pci_function_info *end = tree->functions + tree->count;
    unsigned shift = levels[node->depth + 1].shift;

    for (const struct pci_function_info *next = before ? before + 1 : tree->functions; next < end;
         next++) {
        if (is_under(next, node) &&
            (!before || tree_address(next) >> shift != tree_address(before) >> shift))
            return next;
    }
    return NULL;
}

static bool step_down(const struct tree *tree, const char *part, struct tree_node *node)
{
    const struct pci_function_info *child = NULL;
    char name[NAME_SIZE];

    if (node->depth == TREE_FUNCTION) {
        const struct pci_function_info *function = first_under(tree, node);
        for (unsigned file = 0; function && file < TREE_FILES; file++) {
            if (!file_name(function, file, name) || strcmp(name, part) != 0)
                continue;
            node->depth = TREE_FILE;
            node->file = file;
            return true;
        }
        return false;
    }
    while (node->depth < TREE_FUNCTION && (child = child_next(tree, node, child)) != NULL) {
        name_make(child, node->depth + 1, name);
        if (strcmp(name, part) != 0)
            continue;
        node->depth++;
        node->address = tree_address(child);
        return true;
    }
    return false;
}

bool tree_walk(const struct tree *tree, const char *path, struct tree_node *node)
{
    while (*path != '\0') {
        char part[NAME_SIZE];
        size_t length = strcspn(path, "/");
        if (length >= sizeof(part))
            return false;
        memcpy(part, path, length);
        part[length] = '\0';
        path += length + (path[length] == '/');
        if (length != 0 && strcmp(part, ".") != 0 && !step_down(tree, part, node))
            return false;
    }
    return true;
}

struct writer {
    unsigned skip, listed;
    int most;
    unsigned char *bytes;
    size_t size, used;
    bool full;
};

static void entry_add(struct writer *writer, const char *name, bool directory, uint64_t number)
{
    size_t length = strlen(name);
    size_t size = (sizeof(struct hurd_directory_entry) + length + 1 + 7) & ~(size_t)7;
    struct hurd_directory_entry entry = {.number = number,
                                         .size = (uint16_t)size,
                                         .type = directory ? HURD_ENTRY_DIRECTORY : HURD_ENTRY_FILE,
                                         .name_length = (uint8_t)length};

    if (writer->skip > 0) {
        writer->skip--;
        return;
    }
    writer->full |= writer->most == 0 || size > writer->size - writer->used;
    if (writer->full)
        return;
    memset(writer->bytes + writer->used, 0, size);
    memcpy(writer->bytes + writer->used, &entry, sizeof(entry));
    memcpy(writer->bytes + writer->used + sizeof(entry), name, length);
    writer->used += size;
    writer->listed++;
    writer->most -= writer->most > 0;
}

/* No two nodes have the same; 0 would be an entry that is not there. */
static uint64_t node_number(unsigned depth, unsigned address)
{
    return (uint64_t)(depth + 1) << 32 | address;
}

size_t tree_list(const struct tree *tree, const struct tree_node *node, unsigned first, int most,
                 unsigned char *bytes, size_t size, unsigned *listed)
{
    struct writer writer = {.skip = first, .most = most, .bytes = bytes, .size = size};
    const struct pci_function_info *child = NULL;
    char name[NAME_SIZE];

    entry_add(&writer, ".", true, node_number(node->depth, node->address));
    entry_add(&writer, "..", true, node_number(node->depth ? node->depth - 1 : 0, node->address));
    while (node->depth < TREE_FUNCTION && (child = child_next(tree, node, child)) != NULL) {
        name_make(child, node->depth + 1, name);
        entry_add(&writer, name, true, node_number(node->depth + 1, tree_address(child)));
    }
    child = node->depth == TREE_FUNCTION ? first_under(tree, node) : NULL;
    for (unsigned file = 0; child && file < TREE_FILES; file++) {
        if (file_name(child, file, name))
            entry_add(&writer, name, false, node_number(TREE_FILE + file, node->address));
    }
    *listed = writer.listed;
    return writer.used;
}
