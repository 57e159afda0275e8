/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The calls of the kernel's device interface that are refused for every device, whichever service
 * it is of: nobody maps a device, and interrupts are the authority's to give.
 */
#include <device/device_types.h>

#include <kernel/device_server.h>

kern_return_t ds_device_map(mach_port_t device, vm_prot_t protection, vm_offset_t offset,
                            vm_size_t size, mach_port_t *pager, int unmap)
{
    (void)device, (void)protection, (void)offset, (void)size, (void)pager, (void)unmap;
    return D_INVALID_OPERATION;
}

kern_return_t ds_device_intr_register(mach_port_t device, int id, int flags, mach_port_t receiver)
{
    (void)device, (void)id, (void)flags, (void)receiver;
    return D_INVALID_OPERATION;
}

kern_return_t ds_device_intr_ack(mach_port_t device, mach_port_t receiver)
{
    (void)device, (void)receiver;
    return D_INVALID_OPERATION;
}
