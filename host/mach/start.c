/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From the first instruction to main: thread-local storage and the C library's locale.
 */
#include <elf.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <mach/machine/thread_status.h>

#include <host/mach/trap.h>

int main(int argc, char **argv);
void host_start(uintptr_t *stack);

/* The static TLS block: the executable's TLS image, then the thread's own block, whose first word
 * is its own address (System V ABI for x86-64, TLS variant II). musl keeps errno and the like in
 * the latter; its struct is well below 512 bytes. */
enum { TLS_SIZE = 8192, THREAD_SIZE = 512 };
static _Alignas(64) unsigned char tls_block[TLS_SIZE + THREAD_SIZE];

extern const Elf64_Ehdr __ehdr_start;

static void tls_init(void)
{
    unsigned char *thread = tls_block + TLS_SIZE;
    const Elf64_Phdr *segment =
        (const Elf64_Phdr *)((uintptr_t)&__ehdr_start + __ehdr_start.e_phoff);

    for (unsigned i = 0; i < __ehdr_start.e_phnum; i++) {
        if (segment[i].p_type == PT_TLS) {
            size_t align = segment[i].p_align ? segment[i].p_align : 1;
            size_t size = (segment[i].p_memsz + align - 1) & ~(align - 1);

            if (size > TLS_SIZE)
                __builtin_trap();
            memcpy(thread - size, (const void *)segment[i].p_vaddr, segment[i].p_filesz);
        }
    }

    *(void **)thread = thread;
    struct i386_fsgs_base_state base = {.fs_base = (uintptr_t)thread};
    thread_set_self_state(i386_FSGS_BASE_STATE, &base, i386_FSGS_BASE_STATE_COUNT);
}

void host_start(uintptr_t *stack)
{
    tls_init();
    uselocale(LC_GLOBAL_LOCALE);
    exit(main((int)stack[0], (char **)&stack[1]));
}
