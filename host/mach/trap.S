/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Entry from the kernel or the ELF loader, and the kernel's traps.
 */
#define mach_task_self mach_task_self_trap /* mig.c remembers it */
#include <mach/syscall_sw.h>

    .section .note.GNU-stack, "", %progbits
    .text
    .globl _start
_start:
    movq %rsp, %rdi /* argc, argv as the System V ABI lays them out; no environment */
    xorl %ebp, %ebp
    andq $-16, %rsp
    call host_start
1:  jmp 1b
