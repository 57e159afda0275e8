/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What MIG's stubs call, and the message trap behind them.
 */
#include <mach/mig_support.h>

#include <stdbool.h>

#include <kernel/mach_port_user.h>
#include <kernel/mach_user.h>

#include <host/mach/trap.h>

mach_port_t mach_task_self(void)
{
    static mach_port_t self;

    if (self == MACH_PORT_NULL)
        self = mach_task_self_trap();
    return self;
}

/* Tasks have one thread, and a stub finishes before the next begins: one reply port serves all. */
static mach_port_t reply_port;

mach_port_t mig_get_reply_port(void)
{
    if (reply_port == MACH_PORT_NULL)
        reply_port = mach_reply_port();
    return reply_port;
}

void mig_dealloc_reply_port(mach_port_t port)
{
    /* The stub found the port unusable or saw a stray reply: a fresh one next time. */
    if (port == reply_port)
        reply_port = MACH_PORT_NULL;
    mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1);
}

void mig_put_reply_port(mach_port_t port)
{
    (void)port;
}

void mig_allocate(vm_address_t *address, vm_size_t size)
{
    kern_return_t code = syscall_vm_allocate(mach_task_self(), address, size, TRUE);

    if (code ==
        MACH_SEND_INTERRUPTED) /* no task's port for a trap: a driver's is the authority's */
        code = vm_allocate(mach_task_self(), address, size, TRUE);
    if (code != KERN_SUCCESS)
        *address = 0;
}

void mig_deallocate(vm_address_t address, vm_size_t size)
{
    if (syscall_vm_deallocate(mach_task_self(), address, size) == MACH_SEND_INTERRUPTED)
        vm_deallocate(mach_task_self(), address, size);
}

size_t mig_strncpy(char *destination, const char *source, size_t size)
{
    size_t length = strnlen(source, size ? size - 1 : 0);

    if (size == 0)
        return 0;
    memcpy(destination, source, length);
    memset(destination + length, 0, size - length);
    return length;
}

mach_msg_return_t mach_msg(mach_msg_header_t *message, mach_msg_option_t option,
                           mach_msg_size_t send_size, mach_msg_size_t receive_limit,
                           mach_port_t receive_name, mach_msg_timeout_t timeout, mach_port_t notify)
{
    mach_msg_return_t result;

    /* A trap can be interrupted (by task_suspend and the like); what was sent is not sent again. */
    do {
        result =
            mach_msg_trap(message, option, send_size, receive_limit, receive_name, timeout, notify);
        if (result == MACH_RCV_INTERRUPTED)
            option &= ~(MACH_SEND_MSG | MACH_SEND_TIMEOUT);
    } while (result == MACH_SEND_INTERRUPTED || result == MACH_RCV_INTERRUPTED);
    return result;
}

static void right_destroy(mach_port_t name, mach_msg_type_name_t type)
{
    /* What is copied or made stays ours. */
    if (!MACH_PORT_VALID(name))
        return;
    if (type == MACH_MSG_TYPE_MOVE_SEND || type == MACH_MSG_TYPE_MOVE_SEND_ONCE)
        mach_port_deallocate(mach_task_self(), name);
    else if (type == MACH_MSG_TYPE_MOVE_RECEIVE)
        mach_port_mod_refs(mach_task_self(), name, MACH_PORT_RIGHT_RECEIVE, -1);
}

/* One item of the body; returns its length in the message, 0 if it does not fit. */
static size_t item_destroy(unsigned char *item, size_t left)
{
    mach_msg_type_t *type = (mach_msg_type_t *)item;

    if (left < sizeof(*type))
        return 0;

    size_t bytes = ((size_t)type->msgt_number * type->msgt_size + 7) / 8;
    bool ports = MACH_MSG_TYPE_PORT_ANY(type->msgt_name);
    size_t inside = type->msgt_inline ? bytes : sizeof(void *);

    if (inside > left - sizeof(*type))
        return 0;

    unsigned char *data = item + sizeof(*type);
    if (!type->msgt_inline)
        memcpy(&data, item + sizeof(*type), sizeof(data));
    if (ports) {
        /* Inlined names are padded to the size of a kernel port pointer. */
        size_t step =
            type->msgt_inline ? sizeof(mach_port_name_inlined_t) : sizeof(mach_port_name_t);
        for (size_t i = 0; i < type->msgt_number; i++) {
            mach_port_name_t name;
            memcpy(&name, data + i * step, sizeof(name));
            right_destroy(name, type->msgt_name);
        }
    }
    if (!type->msgt_inline && bytes != 0)
        vm_deallocate(mach_task_self(), (vm_address_t)data, bytes);

    return sizeof(*type) + ((inside + 7) & ~(size_t)7);
}

void mach_msg_destroy(mach_msg_header_t *message)
{
    right_destroy(message->msgh_remote_port, MACH_MSGH_BITS_REMOTE(message->msgh_bits));

    if (!(message->msgh_bits & MACH_MSGH_BITS_COMPLEX) || message->msgh_size < sizeof(*message))
        return;
    unsigned char *item = (unsigned char *)(message + 1);
    size_t left = message->msgh_size - sizeof(*message);
    while (left > 0) {
        size_t length = item_destroy(item, left);
        if (length == 0 || length > left)
            return;
        item += length;
        left -= length;
    }
}
