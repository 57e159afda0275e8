/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <host/mach/shared.h>

#include <errno.h>
#include <stdint.h>

#include <interface/memory_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>

static int pool_get(mach_port_t *pool)
{
    static mach_port_t own;
    int error = 0;

    if (own == MACH_PORT_NULL)
        error = startup_capability("pool", &own);
    *pool = own;
    return error;
}

int shared_memory_allocate(size_t size, struct shared_memory *result)
{
    struct shared_memory memory = {NULL, 0, MACH_PORT_NULL};
    mach_port_t pool, pager;
    uint64_t length = 0;
    int error = pool_get(&pool);

    if (error == 0)
        error = error_from_kernel(memory_allocate(pool, size, &memory.memory));
    if (error != 0)
        return error;

    error = error_from_kernel(memory_map(memory.memory, 0, &pager, &length));
    if (error == 0) {
        memory.size = length;
        error = memory_map_object(pager, length, true, &memory.address);
        port_release(pager);
    }
    if (error != 0) {
        port_release(memory.memory);
        return error;
    }
    *result = memory;
    return 0;
}

void shared_memory_free(struct shared_memory *memory)
{
    memory_pages_free(memory->address, memory->size);
    port_release(memory->memory);
    *memory = (struct shared_memory){NULL, 0, MACH_PORT_NULL};
}

int shared_memory_lease(const struct shared_memory *memory, enum memory_access access,
                        mach_port_t *lease)
{
    return error_from_kernel(memory_lease(memory->memory, access, lease));
}

void shared_memory_revoke(const struct shared_memory *memory)
{
    memory_revoke(memory->memory);
}

static int pager_get(mach_port_t lease, bool writable, mach_port_t *pager, uint64_t *length)
{
    mach_port_t pool;
    int error = pool_get(&pool);

    return error == 0 ? error_from_kernel(memory_open(pool, lease, writable, pager, length))
                      : error;
}

int shared_memory_open(mach_port_t lease, size_t size, const void **address)
{
    mach_port_t pager;
    uint64_t length = 0;
    void *mapped;
    int error = pager_get(lease, false, &pager, &length);

    if (error != 0)
        return error;
    error = length < size ? EPROTO : memory_map_object(pager, size, false, &mapped);
    port_release(pager);
    if (error == 0)
        *address = mapped;
    return error;
}

int shared_memory_open_writable(mach_port_t lease, void **address, size_t *size)
{
    mach_port_t pager;
    uint64_t length = 0;
    int error = pager_get(lease, true, &pager, &length);

    if (error != 0)
        return error;
    error = memory_map_object(pager, length, true, address);
    port_release(pager);
    if (error == 0)
        *size = length;
    return error;
}
