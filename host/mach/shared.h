/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory that devices may reach, allocated from this task's pool (interface/memory.defs).
 */
#ifndef HOST_MACH_SHARED_H
#define HOST_MACH_SHARED_H

#include <stdbool.h>
#include <stddef.h>

#include <mach/port.h>

#include <interface/types.h>

struct shared_memory {
    void *address; /* mapped here, read-write */
    size_t size;
    mach_port_t memory; /* owner's right */
};

/* 0 or an errno value. */
int shared_memory_allocate(size_t size, struct shared_memory *memory);
void shared_memory_free(struct shared_memory *memory);

/* A send right that lets its holder map the memory for a device, and what `access` says besides;
 * the caller releases it. */
int shared_memory_lease(const struct shared_memory *memory, enum memory_access access,
                        mach_port_t *lease);

/* Every lease of it stands for nothing any more, and no device reaches it. */
void shared_memory_revoke(const struct shared_memory *memory);

/* Map the first `size` bytes (whole pages) of another task's memory, of which it sent a readable
 * lease. EPROTO: there is less; EOPNOTSUPP: it is no such lease. Unmap with memory_pages_free. */
int shared_memory_open(mach_port_t lease, size_t size, const void **address);

/* All of it, however much that is, to be written to as well. */
int shared_memory_open_writable(mach_port_t lease, void **address, size_t *size);

#endif
