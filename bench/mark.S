/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mark begin | mark end: runs past an address that bench/count.c watches for, on a peer whose
 * programs are not ours to put marks into. It is linked at an address that no other program uses.
 */
    .globl _start, bench_mark_begin, bench_mark_end
    .text
_start:
    mov 16(%rsp), %rax      /* argv[1], or NULL */
    test %rax, %rax
    jz 1f
    cmpb $'b', (%rax)
    jne bench_mark_end
bench_mark_begin:
    nop
    jmp 1f
bench_mark_end:
    nop
1:  mov $60, %eax           /* exit(0) */
    xor %edi, %edi
    syscall
    .section .note.GNU-stack, "", @progbits
