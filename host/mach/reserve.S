/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a task's first thread runs before the program (reserve.c): one message, and on to the entry.
 * Copied into the task.
 */
#define MACH_MSG_TRAP -25
#define MACH_SEND_MSG 1
#define MESSAGE_SIZE  64

    .section .note.GNU-stack, "", %progbits
    .section .rodata
    .globl reserve_code, reserve_code_end
    .balign 8
reserve_code:
    leaq message(%rip), %rdi
    movl $MACH_SEND_MSG, %esi
    movl $MESSAGE_SIZE, %edx
    xorl %r10d, %r10d /* receive nothing, from nowhere */
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    movq $MACH_MSG_TRAP, %rax /* the seventh argument, of no use here, is read from the stack */
    syscall
    jmp *entry(%rip)

    .balign 8
reserve_code_end: /* struct reserve_data follows */
entry:
    .quad 0
message:
