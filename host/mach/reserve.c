/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Tasks whose thread may use the memory that the kernel keeps back for those on whom paging
 * depends. The kernel allows that to a thread that asks for itself, on the privileged host port
 * (mach/mach_host.defs, thread_wire), and a program must not have that port. So the thread asks
 * before there is a program: in a page of ours, with one message that takes the rights away with
 * it. As a thread that has not asked yet may have to wait for memory, this is done in time.
 */
#include <host/mach/task.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <mach/machine/thread_status.h>
#include <mach/vm_wire.h>

#include <kernel/gnumach_user.h>
#include <kernel/mach_port_user.h>
#include <kernel/mach_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>

enum { PAGE = 4096, THREAD_WIRE = 2637 };
enum { NAME_HOST = 0x5000, NAME_THREAD, NAME_ANSWER }; /* in the new task, where nobody has names */

extern const unsigned char reserve_code[], reserve_code_end[]; /* reserve.S */

struct wire_message { /* as MIG lays it out */
    mach_msg_header_t head;
    mach_msg_type_t thread_type;
    mach_port_name_inlined_t thread;
    mach_msg_type_t wired_type;
    boolean_t wired;
    char padding[4];
};
static_assert(sizeof(struct wire_message) == 64, "as reserve.S sends it");

static const struct wire_message wire_message = {
    .head = {.msgh_bits = MACH_MSGH_BITS_COMPLEX |
                          MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_MOVE_SEND_ONCE),
             .msgh_size = sizeof(wire_message),
             .msgh_remote_port = NAME_HOST,
             .msgh_local_port = NAME_ANSWER,
             .msgh_id = THREAD_WIRE},
    .thread_type = {.msgt_name = MACH_MSG_TYPE_MOVE_SEND,
                    .msgt_size = sizeof(wire_message.thread) * 8,
                    .msgt_number = 1,
                    .msgt_inline = 1},
    .thread = {.name = NAME_THREAD},
    .wired_type = {.msgt_name = MACH_MSG_TYPE_BOOLEAN,
                   .msgt_size = sizeof(boolean_t) * 8,
                   .msgt_number = 1,
                   .msgt_inline = 1},
    .wired = TRUE,
};

/* The page, at any address of the new task's. */
static kern_return_t page_load(mach_port_t task, vm_address_t *address)
{
    size_t code_size = (uintptr_t)reserve_code_end - (uintptr_t)reserve_code;
    unsigned char *page = memory_pages_allocate(PAGE);

    if (!page)
        return KERN_RESOURCE_SHORTAGE;
    memcpy(page, reserve_code, code_size);
    memcpy(page + code_size, &wire_message, sizeof(wire_message));
    *address = 0;
    kern_return_t code = vm_allocate(task, address, PAGE, TRUE);
    if (code == KERN_SUCCESS)
        code = vm_write(task, *address, (vm_offset_t)page, PAGE);
    if (code == KERN_SUCCESS)
        code = vm_protect(task, *address, PAGE, FALSE, VM_PROT_READ | VM_PROT_EXECUTE);
    memory_pages_free(page, PAGE);
    return code;
}

static kern_return_t state_get(const struct task *task, struct i386_thread_state *state)
{
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;

    *state = (struct i386_thread_state){0};
    return thread_get_state(task->thread, i386_THREAD_STATE, (thread_state_t)state, &count);
}

static kern_return_t thread_place(const struct task *task, vm_address_t page)
{
    struct i386_thread_state state;
    kern_return_t code = state_get(task, &state);

    if (code != KERN_SUCCESS)
        return code;
    state.rip = page;
    state.ursp = page + PAGE / 2; /* nothing is put there, but the kernel looks for arguments */
    return thread_set_state(task->thread, i386_THREAD_STATE, (thread_state_t)&state,
                            i386_THREAD_STATE_COUNT);
}

static kern_return_t rights_insert(const struct task *task, mach_port_t host, mach_port_t answer)
{
    kern_return_t code =
        mach_port_insert_right(task->task, NAME_HOST, host, MACH_MSG_TYPE_COPY_SEND);

    if (code == KERN_SUCCESS)
        code =
            mach_port_insert_right(task->task, NAME_THREAD, task->thread, MACH_MSG_TYPE_COPY_SEND);
    if (code == KERN_SUCCESS)
        code =
            mach_port_insert_right(task->task, NAME_ANSWER, answer, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    return code;
}

int task_spare_create(mach_port_t host, mach_port_t answer, struct task *result)
{
    struct task task = {MACH_PORT_NULL, MACH_PORT_NULL};
    vm_address_t page;
    kern_return_t code = task_create(mach_task_self(), FALSE, &task.task);

    if (code == KERN_SUCCESS)
        code = page_load(task.task, &page);
    if (code == KERN_SUCCESS) /* now that there is something: with an empty map the kernel panics */
        code = vm_wire_all(host, task.task, VM_WIRE_CURRENT | VM_WIRE_FUTURE);
    if (code == KERN_SUCCESS)
        code = thread_create(task.task, &task.thread);
    if (code == KERN_SUCCESS)
        code = rights_insert(&task, host, answer);
    if (code == KERN_SUCCESS)
        code = thread_place(&task, page);
    if (code == KERN_SUCCESS)
        code = thread_resume(task.thread);
    if (code != KERN_SUCCESS)
        task_kill(&task);
    *result = task;
    return error_from_kernel(code);
}

int task_spare_hold(const struct task *task)
{
    struct i386_thread_state state;
    kern_return_t code = thread_suspend(task->thread);

    if (code == KERN_SUCCESS)
        code = state_get(task, &state);
    if (code == KERN_SUCCESS)
        code = vm_deallocate(task->task, state.rip & ~(uint64_t)(PAGE - 1), PAGE);
    return error_from_kernel(code);
}
