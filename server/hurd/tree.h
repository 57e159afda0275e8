/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * PCI functions as a tree of names, as libpciaccess walks it on the Hurd: segment, bus, device and
 * function ("0000/00/02/0"), and in there "config", "region0" to "region5", and "rom". Portable.
 */
#ifndef SERVER_HURD_TREE_H
#define SERVER_HURD_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include <interface/bus.h>

enum { TREE_ROOT = 0, TREE_FUNCTION = 4, TREE_FILE = 5 };

/* A function's; those that it has. */
enum tree_file { TREE_CONFIG, TREE_REGION, TREE_ROM = TREE_REGION + 6, TREE_FILES };

struct tree_node {
    unsigned depth;   /* directories above it */
    unsigned address; /* as far as the depth says; as pci_bus.defs has it */
    unsigned file;    /* at TREE_FILE: enum tree_file; of regions the number is added */
};

/* Functions as they are now, in ascending order of their addresses. */
struct tree {
    const struct pci_function_info *functions;
    size_t count;
};

unsigned tree_address(const struct pci_function_info *function);

/* From a node down a path, of which "." and empty parts count for nothing. False: no such name. */
bool tree_walk(const struct tree *tree, const char *path, struct tree_node *node);

/* A directory's entries (struct hurd_directory_entry) from number `first` on, at most `most` of
 * them (negative: all) that have room in `size` bytes. How many there are is in `*listed`, and what
 * is returned is how many bytes they have. */
size_t tree_list(const struct tree *tree, const struct tree_node *node, unsigned first, int most,
                 unsigned char *bytes, size_t size, unsigned *listed);

#endif
