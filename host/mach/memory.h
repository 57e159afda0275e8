/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory of this task.
 */
#ifndef HOST_MACH_MEMORY_H
#define HOST_MACH_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include <mach/port.h>

/* Map a memory object, from its start. Does not consume the right. 0 or an errno value. */
int memory_map_object(mach_port_t pager, size_t size, bool writable, void **address);

/* Zero-filled whole pages of our own; null if there are none. */
void *memory_pages_allocate(size_t size);
void memory_pages_free(void *address, size_t size);

#endif
