/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel's traps (trap.S); everything else is a message to a kernel port.
 */
#ifndef HOST_MACH_TRAP_H
#define HOST_MACH_TRAP_H

#include <mach/mach_types.h>
#include <mach/message.h>
#include <mach/port.h>

mach_msg_return_t mach_msg_trap(mach_msg_header_t *message, mach_msg_option_t option,
                                mach_msg_size_t send_size, mach_msg_size_t receive_limit,
                                mach_port_t receive_name, mach_msg_timeout_t timeout,
                                mach_port_t notify);
mach_msg_return_t mach_msg(mach_msg_header_t *message, mach_msg_option_t option,
                           mach_msg_size_t send_size, mach_msg_size_t receive_limit,
                           mach_port_t receive_name, mach_msg_timeout_t timeout,
                           mach_port_t notify);
mach_port_t mach_reply_port(void);
mach_port_t mach_thread_self(void);
mach_port_t mach_host_self(void);
/* Every routine of MIG's wants it: asked for once. */
mach_port_t mach_task_self(void);
mach_port_t mach_task_self_trap(void);
/* Let another thread of this processor run, if there is one. */
boolean_t swtch(void);
void mach_print(const char *text);
/* vm_allocate and vm_deallocate without a message. */
kern_return_t syscall_vm_allocate(mach_port_t task, vm_address_t *address, vm_size_t size,
                                  boolean_t anywhere);
kern_return_t syscall_vm_deallocate(mach_port_t task, vm_address_t address, vm_size_t size);
kern_return_t thread_set_self_state(int flavor, const void *state, unsigned count);

/* Destroy the rights and out-of-line memory that a message carries, and its own rights. */
void mach_msg_destroy(mach_msg_header_t *message);

#endif
