/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Device names as the Hurd uses them: which are the kernel's, which stand for another. Portable.
 */
#ifndef SERVER_HURD_NAMES_H
#define SERVER_HURD_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include <interface/types.h>

enum { NAMES_MAX = 16, NAMES_PAGING_MAX = 4 };

/* "wd0" stands for "nvme0n1", and then "wd0s2" for its partition "nvme0n1p2". */
struct names {
    unsigned count;
    struct {
        char alias[OUTBOARD_NAME_SIZE], device[OUTBOARD_NAME_SIZE];
    } list[NAMES_MAX];
    unsigned paging_count;
    char paging[NAMES_PAGING_MAX][OUTBOARD_NAME_SIZE]; /* devices that are paged to, as given */
};

/* "wd0=nvme0n1 sd0=virtio-blk0 paging=wd0s2". 0, EINVAL, or ENOSPC: too many of them. */
int names_parse(const char *text, struct names *names);

/* The device's own name, which is `name` itself if it is no alias. ENAMETOOLONG. */
int names_resolve(const struct names *names, const char *name, char device[OUTBOARD_NAME_SIZE]);

/* Whether the device of that own name is paged to. */
bool names_is_paged_to(const struct names *names, const char *device);

/* Whether the kernel serves it, and it gives no way round confinement: not its physical memory
 * ("mem") and not interrupts ("irq"). */
bool names_is_kernels(const char *name);

/* The device in a root specification of the Hurd's: "device:wd0s2", or "part:2:device:wd0", where
 * the Hurd looks for the partition itself. Null if there is none. */
const char *names_root(const char *specification);

#endif
