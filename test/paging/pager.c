/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel's memory objects: it creates one when it first wants to page out anonymous memory,
 * gives pages to it and asks for them again (mach/memory_object_default.defs, memory_object.defs).
 */
#include "paging.h"

#include <errno.h>
#include <stdlib.h>

#include <kernel/mach_port_user.h>
#include <kernel/mach_user.h>
#include <kernel/memory_object_default_server.h>
#include <kernel/memory_object_server.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>

struct object {
    mach_port_t port;
    uint64_t pages;
    uint32_t *slots; /* 0: that page was never paged out */
};

static struct pager_counts counts;

const struct pager_counts *pager_counts(void)
{
    return &counts;
}

static boolean_t object_serve(mach_msg_header_t *request, mach_msg_header_t *reply)
{
    return memory_object_server(request, reply) || memory_object_default_server(request, reply);
}

static const struct port_type manager_type = {.name = "default pager",
                                              .serve = memory_object_default_server};
static const struct port_type object_type = {.name = "memory object", .serve = object_serve};

kern_return_t memory_object_create(mach_port_t manager, mach_port_t port, vm_size_t size,
                                   mach_port_t control, mach_port_t name, vm_size_t page_size)
{
    struct object *object = calloc(1, sizeof(*object));

    (void)manager, (void)control, (void)name, (void)page_size;
    if (object) {
        *object = (struct object){.port = port, .pages = (size + PAGING_PAGE - 1) / PAGING_PAGE};
        object->slots = calloc(object->pages ? object->pages : 1, sizeof(*object->slots));
    }
    if (!object || !object->slots || port_adopt(&object_type, object, port) != 0)
        counts.failed++;
    counts.created++;
    return KERN_SUCCESS;
}

/* The slot of a page that is in the object; null if it is not. */
static uint32_t *slot_of(struct object *object, vm_offset_t offset)
{
    return object && offset / PAGING_PAGE < object->pages ? &object->slots[offset / PAGING_PAGE]
                                                          : NULL;
}

static void page_out(struct object *object, vm_offset_t offset, void *data)
{
    uint32_t *slot = slot_of(object, offset);

    if (slot && *slot == 0)
        *slot = swap_allocate();
    if (!slot || *slot == 0) {
        memory_pages_free(data, PAGING_PAGE);
        counts.failed++;
    } else if (swap_write(*slot, data)) {
        counts.out++;
    } else {
        counts.failed++;
    }
}

static void pages_out(mach_port_t port, vm_offset_t offset, vm_offset_t data, vm_size_t size)
{
    for (vm_size_t at = 0; at < size; at += PAGING_PAGE)
        page_out(port_context(port, &object_type), offset + at, (void *)(data + at));
}

kern_return_t memory_object_data_initialize(mach_port_t port, mach_port_t control,
                                            vm_offset_t offset, vm_offset_t data,
                                            mach_msg_type_number_t size)
{
    pages_out(port, offset, data, size);
    port_release(control);
    return KERN_SUCCESS;
}

kern_return_t memory_object_data_return(mach_port_t port, mach_port_t control, vm_offset_t offset,
                                        vm_offset_t data, mach_msg_type_number_t size,
                                        boolean_t dirty, boolean_t kernel_copy)
{
    (void)dirty, (void)kernel_copy;
    pages_out(port, offset, data, size);
    port_release(control);
    return KERN_SUCCESS;
}

static void page_in(struct object *object, mach_port_t control, vm_offset_t offset)
{
    const uint32_t *slot = slot_of(object, offset);
    void *data = slot && *slot != 0 ? swap_read(*slot) : NULL;

    if (data) {
        memory_object_data_supply(control, offset, (vm_offset_t)data, PAGING_PAGE, TRUE,
                                  VM_PROT_NONE, FALSE, MACH_PORT_NULL);
        counts.in++;
    } else if (slot && *slot == 0) {
        memory_object_data_unavailable(control, offset, PAGING_PAGE);
        counts.absent++;
    } else {
        memory_object_data_error(control, offset, PAGING_PAGE, KERN_MEMORY_ERROR);
        counts.failed++;
    }
}

kern_return_t memory_object_data_request(mach_port_t port, mach_port_t control, vm_offset_t offset,
                                         vm_size_t size, vm_prot_t access)
{
    (void)access;
    for (vm_size_t at = 0; at < size; at += PAGING_PAGE)
        page_in(port_context(port, &object_type), control, offset + at);
    port_release(control);
    return KERN_SUCCESS;
}

/* The two rights are receive rights now: with them the object is over. */
kern_return_t memory_object_terminate(mach_port_t port, mach_port_t control, mach_port_t name)
{
    struct object *object = port_context(port, &object_type);

    mach_port_destroy(mach_task_self(), control);
    mach_port_destroy(mach_task_self(), name);
    if (!object)
        return KERN_INVALID_ARGUMENT;
    for (uint64_t i = 0; i < object->pages; i++) {
        if (object->slots[i] != 0)
            swap_free(object->slots[i]);
    }
    port_destroy(object->port);
    free(object->slots);
    free(object);
    counts.ended++;
    return KERN_SUCCESS;
}

/* What concerns pagers of files only. */

kern_return_t memory_object_init(mach_port_t port, mach_port_t control, mach_port_t name,
                                 vm_size_t page_size)
{
    (void)port, (void)control, (void)name, (void)page_size;
    return KERN_FAILURE;
}

kern_return_t memory_object_copy(mach_port_t port, mach_port_t control, vm_offset_t offset,
                                 vm_size_t size, mach_port_t copy)
{
    (void)port, (void)control, (void)offset, (void)size, (void)copy;
    return KERN_FAILURE;
}

kern_return_t memory_object_data_unlock(mach_port_t port, mach_port_t control, vm_offset_t offset,
                                        vm_size_t size, vm_prot_t access)
{
    (void)port, (void)control, (void)offset, (void)size, (void)access;
    return KERN_FAILURE;
}

kern_return_t memory_object_lock_completed(mach_port_t port, mach_port_t control,
                                           vm_offset_t offset, vm_size_t size)
{
    (void)port, (void)control, (void)offset, (void)size;
    return KERN_FAILURE;
}

kern_return_t memory_object_supply_completed(mach_port_t port, mach_port_t control,
                                             vm_offset_t offset, vm_size_t size,
                                             kern_return_t result, vm_offset_t error_offset)
{
    (void)port, (void)control, (void)offset, (void)size, (void)result, (void)error_offset;
    return KERN_FAILURE;
}

kern_return_t memory_object_change_completed(mach_port_t port, boolean_t may_cache, int strategy)
{
    (void)port, (void)may_cache, (void)strategy;
    return KERN_FAILURE;
}

/* Outboard's authority is one for a moment at a time (doc/architecture.md). */
static int nobody_wait(mach_port_t host)
{
    enum { TRIES = 1000 };

    for (unsigned i = 0; i < TRIES; i++) {
        mach_port_t current = MACH_PORT_NULL;
        kern_return_t code = vm_set_default_memory_manager(host, &current);
        if (code != KERN_SUCCESS)
            return error_from_kernel(code);
        if (!MACH_PORT_VALID(current))
            return 0;
        port_release(current);
        swtch();
    }
    return EBUSY;
}

int pager_start(mach_port_t host)
{
    mach_port_t port;
    int error = port_create(&manager_type, &counts, &port);

    if (error == 0)
        error = nobody_wait(host);
    return error == 0 ? error_from_kernel(vm_set_default_memory_manager(host, &port)) : error;
}
