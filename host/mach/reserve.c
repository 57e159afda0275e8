/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory that the kernel keeps back for those on whom paging depends. It gives it to a thread that
 * asks for itself, on the privileged host port (mach/mach_host.defs, thread_wire), and a program
 * must not have that port. So the thread asks before the program runs: it begins in a page of
 * ours, whose only message takes the rights away with it.
 */
#include <host/mach/task.h>

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <mach/machine/thread_status.h>
#include <mach/mig_errors.h>

#include <kernel/mach_port_user.h>
#include <kernel/mach_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>

enum { PAGE = 4096, THREAD_WIRE = 2637, ANSWER_MS = 1000 };
enum { NAME_HOST = 0x5000, NAME_THREAD, NAME_ANSWER }; /* in the new task, where nobody has names */

extern const unsigned char reserve_code[], reserve_code_end[]; /* reserve.S */

struct reserve_data {
    uint64_t entry;
    struct { /* as MIG lays it out */
        mach_msg_header_t head;
        mach_msg_type_t thread_type;
        mach_port_name_inlined_t thread;
        mach_msg_type_t wired_type;
        boolean_t wired;
        char padding[4];
    } message;
};
static_assert(sizeof(((struct reserve_data *)0)->message) == 64, "as reserve.S sends it");
static_assert(offsetof(struct reserve_data, message) == 8, "as reserve.S has it");

static void data_make(struct reserve_data *data, uint64_t entry)
{
    *data = (struct reserve_data){
        .entry = entry,
        .message = {
            .head = {.msgh_bits =
                         MACH_MSGH_BITS_COMPLEX |
                         MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_MOVE_SEND_ONCE),
                     .msgh_size = sizeof(data->message),
                     .msgh_remote_port = NAME_HOST,
                     .msgh_local_port = NAME_ANSWER,
                     .msgh_id = THREAD_WIRE},
            .thread_type = {.msgt_name = MACH_MSG_TYPE_MOVE_SEND,
                            .msgt_size = sizeof(data->message.thread) * 8,
                            .msgt_number = 1,
                            .msgt_inline = 1},
            .thread = {.name = NAME_THREAD},
            .wired_type = {.msgt_name = MACH_MSG_TYPE_BOOLEAN,
                           .msgt_size = sizeof(boolean_t) * 8,
                           .msgt_number = 1,
                           .msgt_inline = 1},
            .wired = TRUE,
        }};
}

/* The page, at any address of the new task's. */
static kern_return_t page_load(mach_port_t task, uint64_t entry, vm_address_t *address)
{
    size_t code_size = (size_t)(reserve_code_end - reserve_code);
    struct reserve_data data;
    unsigned char *page = memory_pages_allocate(PAGE);

    if (!page)
        return KERN_RESOURCE_SHORTAGE;
    data_make(&data, entry);
    memcpy(page, reserve_code, code_size);
    memcpy(page + code_size, &data, sizeof(data));
    *address = 0;
    kern_return_t code = vm_allocate(task, address, PAGE, TRUE);
    if (code == KERN_SUCCESS)
        code = vm_write(task, *address, (vm_offset_t)page, PAGE);
    if (code == KERN_SUCCESS)
        code = vm_protect(task, *address, PAGE, FALSE, VM_PROT_READ | VM_PROT_EXECUTE);
    memory_pages_free(page, PAGE);
    return code;
}

static kern_return_t thread_redirect(const struct task *task)
{
    struct i386_thread_state state = {0};
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;
    vm_address_t page;
    kern_return_t code =
        thread_get_state(task->thread, i386_THREAD_STATE, (thread_state_t)&state, &count);

    if (code == KERN_SUCCESS)
        code = page_load(task->task, state.rip, &page);
    if (code != KERN_SUCCESS)
        return code;
    state.rip = page;
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

static kern_return_t answer_receive(mach_port_t answer)
{
    mig_reply_header_t reply = {.RetCode = KERN_FAILURE};
    mach_msg_return_t code = mach_msg(&reply.Head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0,
                                      sizeof(reply), answer, ANSWER_MS, MACH_PORT_NULL);

    return code == MACH_MSG_SUCCESS ? reply.RetCode : code;
}

int task_begin_with_reserve(const struct task *task, mach_port_t host)
{
    mach_port_t answer = mach_reply_port();
    kern_return_t code = rights_insert(task, host, answer);

    if (code == KERN_SUCCESS)
        code = thread_redirect(task);
    if (code == KERN_SUCCESS)
        code = thread_resume(task->thread);
    if (code == KERN_SUCCESS)
        code = answer_receive(answer);
    mach_port_mod_refs(mach_task_self(), answer, MACH_PORT_RIGHT_RECEIVE, -1);
    return error_from_kernel(code);
}
