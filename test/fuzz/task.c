/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a driver may ask the kernel through the authority (server/io/task.c): any message on its
 * task's port. What is passed on is a call that drivers need, whole as it came, to the kernel's
 * port and no other, and brings no memory along; what is not, is left as it came.
 */
#include <server/io/io.h>
#include <test/fuzz/fuzz.h>

#include <mach/mig_errors.h>
#include <mach/notify.h>

#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <interface/kernel_task_server.h>
#include <kernel/mach_user.h>

enum { OWN_TASK = 77, OUR_PORT = 78, TASK_GONE = 1 };

static const struct port_type *type;
static void *context;
static mach_msg_header_t came;
static bool was_passed, is_gone;

int port_create(const struct port_type *of, void *object, mach_port_t *port)
{
    type = of;
    context = object;
    *port = OUR_PORT;
    return 0;
}

void *port_context(mach_port_t port, const struct port_type *of)
{
    return port == OUR_PORT && of == type ? context : NULL;
}

mach_port_t port_make_send(mach_port_t port)
{
    return port;
}

void port_destroy(mach_port_t port)
{
}

void port_release(mach_port_t port)
{
}

bool io_memory_is_object(mach_port_t object, uint64_t size)
{
    return false;
}

kern_return_t vm_map(mach_port_t task, vm_address_t *address, vm_size_t size, vm_address_t mask,
                     boolean_t anywhere, mach_port_t object, vm_offset_t offset, boolean_t copy,
                     vm_prot_t protection, vm_prot_t most, vm_inherit_t inheritance)
{
    abort(); /* of an object that is none of ours */
}

/* Its own target is message-kernel_task. */
boolean_t kernel_task_server(mach_msg_header_t *request, mach_msg_header_t *reply)
{
    return FALSE;
}

/* As ipc_kmsg_copyin_body does: each descriptor with what is behind it, up to the next multiple of
 * eight. */
static bool brings_memory(const mach_msg_header_t *message)
{
    const uint8_t *item = (const uint8_t *)(message + 1);
    size_t left = message->msgh_size - sizeof(*message);

    while (left >= sizeof(mach_msg_type_t)) {
        mach_msg_type_t descriptor;
        memcpy(&descriptor, item, sizeof(descriptor));
        if (!descriptor.msgt_inline)
            return true;
        uint64_t bits = (uint64_t)descriptor.msgt_number * descriptor.msgt_size;
        uint64_t length = sizeof(descriptor) + (bits + 63) / 64 * 8;
        fuzz_require(length <= left);
        item += length;
        left -= length;
    }
    fuzz_require(left == 0);
    return false;
}

/* task_terminate, vm_allocate, vm_deallocate, task_get_special_port, task_get_assignment,
 * i386_io_perm_modify; mach_port.defs. */
static bool may_be_asked(int call)
{
    return call == 2008 || call == 2021 || call == 2023 || call == 2058 || call == 2618 ||
           call == 3806 || (call >= 3200 && call <= 3299);
}

mach_msg_return_t mach_msg(mach_msg_header_t *message, mach_msg_option_t option,
                           mach_msg_size_t send_size, mach_msg_size_t receive_limit,
                           mach_port_t receive_name, mach_msg_timeout_t timeout, mach_port_t notify)
{
    fuzz_require(option == MACH_SEND_MSG && send_size == came.msgh_size);
    fuzz_require(message->msgh_remote_port == OWN_TASK);
    fuzz_require(message->msgh_local_port == came.msgh_remote_port);
    fuzz_require(MACH_MSGH_BITS_REMOTE(message->msgh_bits) == MACH_MSG_TYPE_COPY_SEND);
    fuzz_require(MACH_MSGH_BITS_LOCAL(message->msgh_bits) == MACH_MSGH_BITS_REMOTE(came.msgh_bits));
    fuzz_require(message->msgh_id == came.msgh_id && may_be_asked(message->msgh_id));
    int what = 0;
    if (message->msgh_id == 3214)
        memcpy(&what, (const uint8_t *)message + 56, sizeof(what));
    fuzz_require(what != MACH_NOTIFY_PORT_DESTROYED);
    if (message->msgh_bits & MACH_MSGH_BITS_COMPLEX)
        fuzz_require(!brings_memory(message));
    was_passed = !is_gone;
    return is_gone ? MACH_SEND_INVALID_DEST : MACH_MSG_SUCCESS;
}

/* In memory that ends where the message does, so that what reads past it is seen. */
static void message_serve(const uint8_t *data, size_t size)
{
    mach_msg_header_t *message = malloc(size);
    mig_reply_header_t reply = {.RetCode = MIG_BAD_ID};

    if (!message)
        abort();
    memcpy(message, data, size);
    message->msgh_size = (mach_msg_size_t)size;
    message->msgh_local_port = OUR_PORT;
    came = *message;
    was_passed = false;
    bool served = type->serve(message, (mach_msg_header_t *)&reply);
    fuzz_require(served == was_passed);
    if (served)
        fuzz_require(reply.RetCode == MIG_NO_REPLY);
    else
        fuzz_require(memcmp(message, &came, sizeof(came)) == 0);
    free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mach_port_t limited;

    if (!type)
        fuzz_require(io_task_create(OWN_TASK, &limited) == 0);
    if (size < 1 + sizeof(mach_msg_header_t))
        return 0;
    is_gone = data[0] & TASK_GONE;
    message_serve(data + 1, (size - 1) & ~(size_t)7); /* the kernel's messages are whole words */
    return 0;
}
