/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A program that is never run: its data is the boot archive, at a known address, for another task
 * to read. ARCHIVE names the file that boot/make-archive made.
 */
    .section .note.GNU-stack, "", %progbits
    .text
    .globl _start
_start:
1:  jmp 1b

    .section .archive, "a", %progbits
    .balign 4096
    .incbin ARCHIVE
    .balign 4096
