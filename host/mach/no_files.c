/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A task has no files, no threads but one, and no other processes. Libraries that could use them
 * are told so here, where musl would ask Linux.
 */
#include <errno.h>
#include <stddef.h>

/* Each fails with -1, or a null pointer, and errno ENOSYS. One definition serves every name: a
 * caller finds its result in the register it expects, and reads no argument's effect. */
#define ABSENT(name, type, result)                                                                 \
    type name(void);                                                                               \
    type name(void)                                                                                \
    {                                                                                              \
        errno = ENOSYS;                                                                            \
        return result;                                                                             \
    }

#define ABSENT_NUMBER(name)  ABSENT(name, long, -1)
#define ABSENT_POINTER(name) ABSENT(name, void *, NULL)

#pragma GCC diagnostic ignored "-Wbuiltin-declaration-mismatch"

ABSENT_POINTER(fopen)
ABSENT_POINTER(fopen64)
ABSENT_POINTER(fgets)
ABSENT_NUMBER(fclose)
ABSENT_NUMBER(fflush)
ABSENT_NUMBER(fputs)
ABSENT_NUMBER(open)
ABSENT_NUMBER(open64)
ABSENT_NUMBER(__open_2)
ABSENT_NUMBER(__open64_2)
ABSENT_NUMBER(close)
ABSENT_NUMBER(read)
ABSENT_NUMBER(write)
ABSENT_NUMBER(pread)
ABSENT_NUMBER(pread64)
ABSENT_NUMBER(pwrite)
ABSENT_NUMBER(pwrite64)
ABSENT_NUMBER(lseek)
ABSENT_NUMBER(lseek64)
ABSENT_NUMBER(ftruncate)
ABSENT_NUMBER(ftruncate64)
ABSENT_NUMBER(fallocate)
ABSENT_NUMBER(fallocate64)
ABSENT_NUMBER(fsync)
ABSENT_NUMBER(fcntl)
ABSENT_NUMBER(fcntl64)
ABSENT_NUMBER(posix_fadvise)
ABSENT_NUMBER(posix_fadvise64)
ABSENT_NUMBER(ioctl)
ABSENT_NUMBER(stat)
ABSENT_NUMBER(stat64)
ABSENT_NUMBER(fstat)
ABSENT_NUMBER(fstat64)
ABSENT_NUMBER(lstat)
ABSENT_NUMBER(lstat64)
ABSENT_NUMBER(getrlimit)
ABSENT_NUMBER(getrlimit64)
ABSENT_NUMBER(setrlimit)
ABSENT_NUMBER(setrlimit64)
ABSENT_NUMBER(gethostname)
ABSENT_NUMBER(uname)
ABSENT_NUMBER(sysconf)
ABSENT_NUMBER(getpid)
ABSENT_NUMBER(getuid)
ABSENT_NUMBER(geteuid)
ABSENT_NUMBER(getgid)
ABSENT_NUMBER(getegid)
ABSENT_NUMBER(prctl)
ABSENT_NUMBER(isatty)
ABSENT_NUMBER(unlink)
ABSENT_NUMBER(pthread_create)
ABSENT_NUMBER(pthread_join)
ABSENT_NUMBER(endmntent)
ABSENT_NUMBER(sleep)
ABSENT_NUMBER(putc)
ABSENT_POINTER(setmntent)
ABSENT_POINTER(getmntent)
ABSENT_POINTER(hasmntopt)

/* One thread needs no locks. */
#define NO_LOCK(name)                                                                              \
    int name(void);                                                                                \
    int name(void)                                                                                 \
    {                                                                                              \
        return 0;                                                                                  \
    }

NO_LOCK(pthread_attr_init)
NO_LOCK(pthread_attr_destroy)
NO_LOCK(pthread_mutex_init)
NO_LOCK(pthread_mutex_destroy)
NO_LOCK(pthread_mutex_lock)
NO_LOCK(pthread_mutex_unlock)

/* What is printed to a stream goes nowhere (glibc_names.c says some of it on the console). */
void *stdout, *stderr;
ABSENT_NUMBER(fputc)
ABSENT_NUMBER(perror)
ABSENT_NUMBER(tcgetattr)
ABSENT_NUMBER(tcsetattr)
