/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <host/mach/memory.h>

#include <stdint.h>

#include <mach/mig_support.h>

#include <kernel/mach_user.h>

#include <host/mach/error.h>
#include <host/mach/trap.h>

int memory_map_object(mach_port_t pager, size_t size, bool writable, void **address)
{
    vm_address_t where = 0;
    vm_prot_t protection = VM_PROT_READ | (writable ? VM_PROT_WRITE : 0);
    kern_return_t code = vm_map(mach_task_self(), &where, size, 0, TRUE, pager, 0, FALSE,
                                protection, protection, VM_INHERIT_NONE);

    if (code != KERN_SUCCESS)
        return error_from_kernel(code);
    *address = (void *)where;
    return 0;
}

void *memory_pages_allocate(size_t size)
{
    vm_address_t where = 0;

    if (size != 0)
        mig_allocate(&where, size);
    return (void *)where;
}

void memory_pages_free(void *address, size_t size)
{
    if (address && size)
        mig_deallocate((vm_address_t)address, size);
}
