/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Physical ranges as memory objects, through the kernel's `mem` device.
 */
#include <errno.h>

#include <kernel/device_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <server/io/io.h>

int io_physical_object(uint64_t base, uint64_t size, mach_port_t *pager)
{
    if (size == 0 || base % IO_PAGE || size % IO_PAGE || size - 1 > UINT64_MAX - base)
        return EINVAL;
    return error_from_kernel(
        device_map(io_privilege.memory_device, VM_PROT_READ | VM_PROT_WRITE, base, size, pager, 0));
}

int io_physical_map(uint64_t base, size_t size, bool writable, void **address)
{
    uint64_t start = base & ~(uint64_t)(IO_PAGE - 1);
    uint64_t offset = base - start;
    mach_port_t pager;
    void *pages;

    if (size == 0 || size > UINT64_MAX - 2 * IO_PAGE - base)
        return EINVAL;
    uint64_t length = (offset + size + IO_PAGE - 1) & ~(uint64_t)(IO_PAGE - 1);
    int error = io_physical_object(start, length, &pager);
    if (error != 0)
        return error;
    error = memory_map_object(pager, length, writable, &pages);
    port_release(pager);
    if (error == 0)
        *address = (char *)pages + offset;
    return error;
}

void io_physical_unmap(void *address, size_t size)
{
    uintptr_t start = (uintptr_t)address & ~(uintptr_t)(IO_PAGE - 1);

    memory_pages_free((void *)start, (uintptr_t)address - start + size);
}
