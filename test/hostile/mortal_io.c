/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The authority as it is, but that it dies when a file system is mounted: linked with
 * io_pool_create wrapped.
 */
#include <stdlib.h>
#include <string.h>

#include <server/io/io.h>

int __real_io_pool_create(const char *name, uint64_t quota, mach_port_t *right);
int __wrap_io_pool_create(const char *name, uint64_t quota, mach_port_t *right);

int __wrap_io_pool_create(const char *name, uint64_t quota, mach_port_t *right)
{
    if (strncmp(name, "fs:", 3) == 0)
        abort();
    return __real_io_pool_create(name, quota, right);
}
