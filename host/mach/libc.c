/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The bottom layer of the C library: what musl would ask Linux for. A task has no files, no signals
 * and no other processes; memory comes from the kernel's vm_allocate, and klibc's malloc sits on
 * the mmap below. Nothing else of musl may reach a Linux system call: `test/no-linux-calls` looks
 * at every linked program.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <kernel/mach_host_user.h>
#include <kernel/mach_user.h>

#include <host/mach/memory.h>
#include <host/mach/monotonic.h>
#include <host/mach/trap.h>

_Noreturn void _Exit(int status)
{
    (void)status; /* whoever started us learned it from startup_done; the kernel keeps none */
    for (;;)
        task_terminate(mach_task_self());
}

_Noreturn void exit(int status)
{
    _Exit(status);
}

_Noreturn void abort(void)
{
    mach_print("abort\n");
    __builtin_trap(); /* an exception, so that the supervisor sees where */
}

/* Called by code compiled against glibc and musl alike. */
_Noreturn void __assert_fail(const char *, const char *, int, const char *);
_Noreturn void __stack_chk_fail(void);

_Noreturn void __assert_fail(const char *expression, const char *file, int line,
                             const char *function)
{
    char text[200];

    snprintf(text, sizeof(text), "%s:%d: %s: %s failed\n", file, line, function, expression);
    mach_print(text);
    abort();
}

_Noreturn void __stack_chk_fail(void)
{
    abort();
}

#undef errno
/* klibc's malloc was compiled for klibc, where errno is a plain variable, and asks for its idea of
 * a page. */
int errno;
unsigned int __page_size = 4096;

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset)
{
    (void)address, (void)protection, (void)file, (void)offset;
    void *memory = NULL;

    if ((flags & MAP_ANONYMOUS) && !(flags & MAP_FIXED))
        memory = memory_pages_allocate(length);
    return memory ? memory : MAP_FAILED;
}

int munmap(void *address, size_t length)
{
    memory_pages_free(address, length);
    return 0;
}

void *klibc_malloc(size_t size);
void *klibc_calloc(size_t count, size_t size);
void *klibc_realloc(void *memory, size_t size);
void klibc_free(void *memory);

/* Much memory that is to be zero is pages of the kernel's, which are zero already: what of it is
 * never used need not be there. Each has such a header. */
struct zeroed {
    struct zeroed *next;
    size_t size;
};
enum { PAGE = 4096, ZEROED_FROM = 4 * PAGE };

static struct zeroed *zeroed;

/* Where that memory is in the list; null: it is klibc's. */
static struct zeroed **zeroed_find(const void *memory)
{
    struct zeroed **link = &zeroed;

    if ((uintptr_t)memory % PAGE != sizeof(struct zeroed))
        return NULL;
    while (*link && *link + 1 != memory)
        link = &(*link)->next;
    return *link ? link : NULL;
}

static void *zeroed_allocate(size_t size)
{
    struct zeroed *pages = memory_pages_allocate(sizeof(*pages) + size);

    if (!pages)
        return NULL;
    *pages = (struct zeroed){zeroed, size};
    zeroed = pages;
    return pages + 1;
}

/* klibc has no memory of no size; libraries written for glibc take that for a failure. */
void *malloc(size_t size)
{
    return klibc_malloc(size ? size : 1);
}

void *calloc(size_t count, size_t size)
{
    size_t all;

    if (__builtin_mul_overflow(count, size, &all) || all > SIZE_MAX / 2)
        return NULL;
    return all >= ZEROED_FROM ? zeroed_allocate(all) : klibc_calloc(1, all ? all : 1);
}

void free(void *memory)
{
    struct zeroed **link = zeroed_find(memory), *pages = link ? *link : NULL;

    if (!pages) {
        klibc_free(memory);
        return;
    }
    *link = pages->next;
    memory_pages_free(pages, sizeof(*pages) + pages->size);
}

void *realloc(void *memory, size_t size)
{
    struct zeroed **link = zeroed_find(memory);

    if (!link)
        return klibc_realloc(memory, size ? size : 1);
    void *copy = malloc(size);
    if (!copy)
        return NULL;
    memcpy(copy, memory, size < (*link)->size ? size : (*link)->size);
    free(memory);
    return copy;
}

/* klibc's malloc aligns to 16 bytes. libext2fs asks for more, for the sake of direct I/O on a file,
 * which there is not here: its blocks go through our own manager, which does not mind. */
int posix_memalign(void **memory, size_t alignment, size_t size)
{
    (void)alignment;
    *memory = malloc(size);
    return *memory ? 0 : ENOMEM;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    time_value64_t value;

    if (clock == CLOCK_MONOTONIC) {
        uint64_t now = monotonic_now();
        time->tv_sec = (time_t)(now / 1000000000);
        time->tv_nsec = (long)(now % 1000000000);
        return 0;
    }
    if (host_get_time64(mach_host_self(), &value) != KERN_SUCCESS)
        return -1;
    time->tv_sec = value.seconds;
    time->tv_nsec = value.nanoseconds;
    return 0;
}

time_t time(time_t *result)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_REALTIME, &now);
    if (result)
        *result = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *result, void *zone)
{
    struct timespec now = {0};

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    result->tv_sec = now.tv_sec;
    result->tv_usec = now.tv_nsec / 1000;
    return 0;
}

char *getenv(const char *name)
{
    (void)name;
    return NULL;
}
