/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a spare task's thread runs (reserve.c): it sends one message, and lets others run until it is
 * stopped. Copied into the task; the message follows.
 */
#define MACH_MSG_TRAP -25
#define SWTCH_TRAP    -60
#define MACH_SEND_MSG 1
#define MESSAGE_SIZE  64

    .section .note.GNU-stack, "", %progbits
    .section .rodata
    .globl reserve_code, reserve_code_end
    .balign 8
reserve_code:
    leaq reserve_code_end(%rip), %rdi
    movl $MACH_SEND_MSG, %esi
    movl $MESSAGE_SIZE, %edx
    xorl %r10d, %r10d /* receive nothing, from nowhere */
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    movq $MACH_MSG_TRAP, %rax /* the seventh argument, of no use here, is read from the stack */
    syscall
1:  movq $SWTCH_TRAP, %rax
    syscall
    jmp 1b

    .balign 8
reserve_code_end:
