/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Crimes by the kernel's calls: memory objects of registers, and what a task may do to itself.
 *
 * The kernel lets whoever has a memory object map what lies outside of it. It checks the range by
 * `offset + size`, which wraps round, so that what ends where the object begins passes; and an
 * object made of another one need not lie inside it, so that what passes can be moved anywhere.
 */
#include <string.h>

#include <interface/io_device_user.h>
#include <interface/memory_user.h>
#include <interface/types.h>
#include <kernel/gnumach_user.h>
#include <kernel/mach4_user.h>
#include <kernel/mach_port_user.h>
#include <kernel/mach_user.h>

#include <host/mach/device.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <kit/log.h>

#include "hostile.h"

/* The kernel's traps that take a task (mach/syscall_sw.h). */
kern_return_t syscall_vm_map(mach_port_t task, vm_address_t *address, vm_size_t size,
                             vm_address_t mask, boolean_t anywhere, mach_port_t object,
                             vm_offset_t offset, boolean_t copy, vm_prot_t protection,
                             vm_prot_t max_protection, vm_inherit_t inheritance);
kern_return_t syscall_task_create(mach_port_t parent, boolean_t inherits, mach_port_t *task);
kern_return_t syscall_task_set_special_port(mach_port_t task, int which, mach_port_t port);

enum { PAGE = 0x1000, OBJECTS_MAX = 8 };

/* What is not a driver's, whatever the machine: the IO-APIC, the remapping unit and QEMU's
 * configuration space. */
static const uint64_t others[] = {0xfec00000, 0xfed90000, 0xb0000000};

/* By message and by trap. */
static bool maps(mach_port_t object, uint64_t offset, uint64_t size)
{
    vm_address_t address = 0;

    if (vm_map(mach_task_self(), &address, size, 0, TRUE, object, offset, FALSE, VM_PROT_READ,
               VM_PROT_READ, VM_INHERIT_NONE) != KERN_SUCCESS &&
        syscall_vm_map(mach_task_self(), &address, size, 0, TRUE, object, offset, FALSE,
                       VM_PROT_READ, VM_PROT_READ, VM_INHERIT_NONE) != KERN_SUCCESS)
        return false;
    vm_deallocate(mach_task_self(), address, size);
    return true;
}

/* Memory objects of our registers, if there is a way to have one, and of where they are mapped. */
static unsigned objects_get(mach_port_t *objects)
{
    unsigned count = 0;
    vm_address_t window = (vm_address_t)hostile_regs.base;
    mach_port_t port = MACH_PORT_NULL;
    uint64_t address = 0;

    if (vm_region_create_proxy(mach_task_self(), window, VM_PROT_READ | VM_PROT_WRITE, PAGE,
                               &port) == KERN_SUCCESS)
        objects[count++] = port;
    /* In tasks that are no tasks of the authority's: it must not hand the object out by mapping. */
    if (io_device_window(device_io_port(hostile_device), 0, 0, PAGE, mach_reply_port(), &address) ==
            KERN_SUCCESS ||
        io_device_window(device_io_port(hostile_device), 0, 0, PAGE, startup_bootstrap_port(),
                         &address) == KERN_SUCCESS)
        objects[count++] = MACH_PORT_NULL;
    return count;
}

static uint64_t window_base(void)
{
    char record[2048];
    mach_msg_type_number_t size = sizeof(record);
    struct io_resource resource;

    if (io_device_describe(device_io_port(hostile_device), record, &size) != KERN_SUCCESS)
        return 0;
    for (size_t at = 0; at + sizeof(resource) <= size; at += sizeof(resource)) {
        memcpy(&resource, record + at, sizeof(resource));
        if (resource.kind == IO_RESOURCE_WINDOW && resource.index == 0)
            return resource.base;
    }
    return 0;
}

/* What ends where the window begins, near and far, by the kernel and by the authority. */
static enum outcome registers_below(void)
{
    static const uint64_t distances[] = {PAGE, 0x10000, 0x100000, 0x800000, 0x1000000, 0x3000000};
    mach_port_t objects[OBJECTS_MAX];
    unsigned count = objects_get(objects);
    uint64_t address = 0;
    bool any = count > 0;

    for (unsigned i = 0; i < sizeof(distances) / sizeof(distances[0]); i++) {
        for (unsigned j = 0; j < count; j++)
            any |= maps(objects[j], -distances[i], distances[i]) ||
                   maps(objects[j], -distances[i], PAGE);
        any |= io_device_window(device_io_port(hostile_device), 0, -distances[i], distances[i],
                                mach_task_self(), &address) == KERN_SUCCESS;
        any |= io_device_window(device_io_port(hostile_device), 0, -distances[i], PAGE,
                                mach_task_self(), &address) == KERN_SUCCESS;
    }
    return any ? SUCCEEDED : REFUSED;
}

static enum outcome registers_far_below(void)
{
    enum { FAR = 128 << 20 };
    mach_port_t objects[OBJECTS_MAX];
    unsigned count = objects_get(objects);
    bool any = count > 0;

    for (unsigned j = 0; j < count; j++)
        any |= maps(objects[j], -(uint64_t)FAR, FAR);
    return any ? SUCCEEDED : REFUSED;
}

/* Memory objects of the registers of others: an object made of ours, so that it lies elsewhere, and
 * of that what ends where it begins. */
static enum outcome registers_anywhere(void)
{
    mach_port_t objects[OBJECTS_MAX], made = MACH_PORT_NULL;
    unsigned count = objects_get(objects);
    uint64_t base = window_base();
    bool any = count > 0;

    for (unsigned j = 0; j < count; j++) {
        for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
            rpc_vm_offset_t at = 0, start = others[i] + PAGE - base;
            rpc_vm_size_t length = PAGE;
            any |= memory_object_create_proxy(mach_task_self(), VM_PROT_READ, &objects[j],
                                              MACH_MSG_TYPE_COPY_SEND, 1, &at, 1, &start, 1,
                                              &length, 1, &made) == KERN_SUCCESS &&
                   maps(made, -(uint64_t)PAGE, PAGE);
        }
    }
    return any ? SUCCEEDED : REFUSED;
}

/* Whether that part can be mapped; `*data`: and something is there. */
static bool shows(mach_port_t object, uint64_t offset, uint64_t size, bool *data)
{
    vm_address_t address = 0;

    if (vm_map(mach_task_self(), &address, size, 0, TRUE, object, offset, FALSE, VM_PROT_READ,
               VM_PROT_READ, VM_INHERIT_NONE) != KERN_SUCCESS)
        return false;
    for (uint64_t i = 0; i < size; i++)
        *data |= ((const char *)address)[i] != 0;
    vm_deallocate(mach_task_self(), address, size);
    return true;
}

/* What lies outside of memory that was lent to us, in the authority's own object of it; the
 * authority's memory on both sides is ours, too, and has something in it. */
static enum outcome memory_outside(void)
{
    static const struct {
        uint64_t offset, size;
    } wanted[] = {{-(uint64_t)PAGE, PAGE},
                  {-(uint64_t)(1 << 20), 1 << 20},
                  {-(uint64_t)(1 << 20), 2 << 20},
                  {PAGE, PAGE},
                  {0, 2 * PAGE},
                  {1 << 30, PAGE}};
    struct dma_buffer around[3];
    mach_port_t pool, memory, object, made = MACH_PORT_NULL;
    rpc_vm_offset_t at = 0, start = 1 << 20;
    rpc_vm_size_t length = PAGE;
    uint64_t size;
    bool any = false, data = false, own = false;

    for (unsigned i = 0; i < 3; i++) {
        if (dma_buffer_create(hostile_device, PAGE, &around[i]) != 0)
            return SUCCEEDED; /* nothing was tried */
        memset(around[i].memory, 0xa5, PAGE);
    }
    dma_buffer_destroy(hostile_device, &around[1]);
    if (startup_capability("pool", &pool) != 0 ||
        memory_allocate(pool, PAGE, &memory) != KERN_SUCCESS ||
        memory_map(memory, FALSE, &object, &size) != KERN_SUCCESS)
        return SUCCEEDED;
    for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        any |= shows(object, wanted[i].offset, wanted[i].size, &data);
    if (memory_object_create_proxy(mach_task_self(), VM_PROT_READ, &object, MACH_MSG_TYPE_COPY_SEND,
                                   1, &at, 1, &start, 1, &length, 1, &made) == KERN_SUCCESS)
        any |= shows(made, -(uint64_t)(2 << 20), 2 << 20, &data);
    data |= !shows(object, 0, PAGE, &own) || own; /* ours is still there, and empty */
    port_release(made);
    port_release(object);
    port_release(memory);
    dma_buffer_destroy(hostile_device, &around[0]);
    dma_buffer_destroy(hostile_device, &around[2]);
    return data ? SUCCEEDED : any ? CONTAINED : REFUSED;
}

/* Whatever else a task can ask the kernel to do to itself, and by its thread. */
static enum outcome more_tasks(void)
{
    mach_port_t task = mach_task_self(), right = MACH_PORT_NULL, *list;
    mach_msg_type_number_t count;
    bool any = false;

    any |= task_create(task, FALSE, &right) == KERN_SUCCESS;
    any |= task_create(task, TRUE, &right) == KERN_SUCCESS;
    any |= syscall_task_create(task, FALSE, &right) == KERN_SUCCESS;
    any |= syscall_task_set_special_port(task, 1, mach_reply_port()) == KERN_SUCCESS;
    any |= thread_create(task, &right) == KERN_SUCCESS;
    any |= task_create(mach_thread_self(), FALSE, &right) == KERN_SUCCESS;
    any |= task_threads(task, &list, &count) == KERN_SUCCESS;
    any |= mach_ports_lookup(task, &list, &count) == KERN_SUCCESS;
    any |= task_set_special_port(task, 1, mach_reply_port()) == KERN_SUCCESS;
    any |= task_get_special_port(task, 1, &right) == KERN_SUCCESS && right != task;
    any |= vm_set_size_limit(mach_host_self(), task, UINT64_MAX, UINT64_MAX) == KERN_SUCCESS;
    return any ? SUCCEEDED : REFUSED;
}

/* A memory object that never answers: whoever copies of it waits for ever. It must not be the
 * authority, nor be kept by it what memory comes with a message. */
static enum outcome object_of_our_own(void)
{
    enum { MESSAGES = 1000, LENGTH = 64 * 1024 };
    mach_port_t pager = mach_reply_port(), device = device_io_port(hostile_device);
    vm_address_t address = 0;
    char record[2048];
    mach_msg_type_number_t size = sizeof(record);
    bool any = false;

    mach_port_insert_right(mach_task_self(), pager, pager, MACH_MSG_TYPE_MAKE_SEND);
    for (int copy = 0; copy < 2; copy++)
        any |= vm_map(mach_task_self(), &address, PAGE, 0, TRUE, pager, 0, copy, VM_PROT_READ,
                      VM_PROT_READ, VM_INHERIT_NONE) == KERN_SUCCESS;
    /* vm_write carries memory: refused, each time. */
    if (vm_allocate(mach_task_self(), &address, LENGTH, TRUE) == KERN_SUCCESS) {
        for (unsigned i = 0; i < MESSAGES && !any; i++)
            any |= vm_write(mach_task_self(), address, address, LENGTH) == KERN_SUCCESS;
        vm_deallocate(mach_task_self(), address, LENGTH);
    }
    any |= io_device_describe(device, record, &size) != KERN_SUCCESS;
    return any ? SUCCEEDED : REFUSED;
}

const struct crime crimes_kernel[] = {
    {"registers-below", registers_below},
    {"registers-far-below", registers_far_below},
    {"registers-anywhere", registers_anywhere},
    {"more-tasks", more_tasks},
    {"memory-outside", memory_outside},
    {"object-of-our-own", object_of_our_own},
    {0},
};
