/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver's calls on its own task.
 *
 * Who may call the kernel for its task can make a memory object of whatever it has mapped
 * (vm_region_create_proxy), another of that one (memory_object_create_proxy), and map what it likes
 * of it: the kernel checks neither range against the first one's (doc/security.md, "Registers"). Of
 * a window of registers that is every register of the machine, those of the IOMMU too. So a driver
 * never has its task's port. In its place is one of ours, by which the calls that a driver needs,
 * and that keep nobody waiting, are passed on to the kernel, who answers by itself; memory objects
 * it can map only whole from the start, and only those of the memory that we lend. Registers we map
 * for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mach/notify.h>

#include <interface/kernel_task_server.h>
#include <kernel/mach_user.h>

#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <server/io/io.h>

struct io_task {
    mach_port_t port, task;
};

/* By the kernel's numbers: task_terminate, vm_allocate, vm_deallocate, task_get_special_port,
 * task_get_assignment, i386_io_perm_modify; and all of mach_port.defs, subsystem 3200, but for
 * mach_port_request_notification (3214) of a port-destroyed notification: whoever has an interrupt
 * line asks for another with it, and is given the right by which lines come home (interrupt.c). */
static bool is_needed(const mach_msg_header_t *message)
{
    /* Which notification: behind the port's type and name, each in 8 bytes, and its own type. */
    enum { WHICH = (sizeof(*message) + 3 * sizeof(mach_msg_type_t)) / sizeof(int) };
    static const int needed[] = {2008, 2021, 2023, 2058, 2618, 3806};
    const int *word = (const void *)message;
    int call = message->msgh_id;
    bool found = call >= 3200 && call < 3300 &&
                 (call != 3214 || (message->msgh_size / sizeof(int) > WHICH &&
                                   word[WHICH] != MACH_NOTIFY_PORT_DESTROYED));

    for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        found |= call == needed[i];
    return found;
}

/* Memory that comes in a message would be ours to free: none of these calls has any. */
static bool is_inline(const mach_msg_header_t *message)
{
    const unsigned char *item = (const void *)(message + 1);
    size_t left = message->msgh_size - sizeof(*message);

    while ((message->msgh_bits & MACH_MSGH_BITS_COMPLEX) && left > 0) {
        mach_msg_type_t type;
        if (left < sizeof(type))
            return false;
        memcpy(&type, item, sizeof(type));
        uint64_t bits = (uint64_t)type.msgt_number * type.msgt_size;
        uint64_t size = sizeof(type) + (bits + 63) / 64 * 8;
        if (!type.msgt_inline || size > left)
            return false;
        item += size;
        left -= size;
    }
    return true;
}

/* The answer goes straight to the driver. */
static bool pass(const struct io_task *task, const mach_msg_header_t *request)
{
    mach_msg_header_t *message = (mach_msg_header_t *)request;
    const mach_msg_header_t came = *request;

    message->msgh_bits =
        (came.msgh_bits & MACH_MSGH_BITS_COMPLEX) |
        MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSGH_BITS_REMOTE(came.msgh_bits));
    message->msgh_remote_port = task->task;
    message->msgh_local_port = came.msgh_remote_port;
    if (mach_msg(message, MACH_SEND_MSG, came.msgh_size, 0, MACH_PORT_NULL, 0, MACH_PORT_NULL) ==
        MACH_MSG_SUCCESS)
        return true;
    *message = came; /* the task is gone */
    return false;
}

static boolean_t task_serve(mach_msg_header_t *request, mach_msg_header_t *reply);

static void task_no_senders(void *context)
{
    struct io_task *task = context;

    port_destroy(task->port);
    port_release(task->task);
    free(task);
}

static const struct port_type task_type = {"task", task_serve, NULL, task_no_senders};

static boolean_t task_serve(mach_msg_header_t *request, mach_msg_header_t *reply)
{
    const struct io_task *task = port_context(request->msgh_local_port, &task_type);

    if (kernel_task_server(request,
                           reply)) /* makes an answer that refuses of what it does not know */
        return TRUE;
    if (!is_needed(request) || !is_inline(request) || !pass(task, request))
        return FALSE;
    ((mig_reply_header_t *)reply)->RetCode = MIG_NO_REPLY;
    return TRUE;
}

kern_return_t serve_kernel_task_map(mach_port_t port, rpc_vm_address_t *address, rpc_vm_size_t size,
                                    rpc_vm_address_t mask, boolean_t anywhere, mach_port_t object,
                                    rpc_vm_offset_t offset, boolean_t copy, vm_prot_t protection,
                                    vm_prot_t max_protection, vm_inherit_t inheritance)
{
    mach_port_t task = io_task_lookup(port);

    if (task == MACH_PORT_NULL || offset != 0 || copy || !io_memory_is_object(object, size))
        return KERN_NO_ACCESS;
    kern_return_t code = vm_map(task, address, size, mask, anywhere, object, 0, FALSE, protection,
                                max_protection, inheritance);
    if (code == KERN_SUCCESS)
        port_release(object);
    return code;
}

int io_task_create(mach_port_t own, mach_port_t *result)
{
    struct io_task *task = calloc(1, sizeof(*task));
    int error = task ? port_create(&task_type, task, &task->port) : ENOMEM;

    if (error != 0) {
        free(task);
        return error;
    }
    task->task = own;
    *result = port_make_send(task->port);
    return 0;
}

mach_port_t io_task_lookup(mach_port_t port)
{
    const struct io_task *task = port_context(port, &task_type);

    return task ? task->task : MACH_PORT_NULL;
}
