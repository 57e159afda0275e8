/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Names that Debian's static libraries want because they were compiled against glibc:
 * bounds-checked variants (_FORTIFY_SOURCE), the C23 number parsers, and 64-bit spellings. musl has
 * the functions themselves. What would need a file or a stream fails, or says its text on the
 * kernel's console.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <host/mach/trap.h>

/* glibc's headers declare these; musl's do not. */
void *__memcpy_chk(void *, const void *, size_t, size_t);
void *__memmove_chk(void *, const void *, size_t, size_t);
void *__memset_chk(void *, int, size_t, size_t);
char *__strcpy_chk(char *, const char *, size_t);
char *__strcat_chk(char *, const char *, size_t);
char *__strncpy_chk(char *, const char *, size_t, size_t);
char *__stpcpy_chk(char *, const char *, size_t);
int __snprintf_chk(char *, size_t, int, size_t, const char *, ...);
int __vsnprintf_chk(char *, size_t, int, size_t, const char *, va_list);
int __sprintf_chk(char *, int, size_t, const char *, ...);
int __fprintf_chk(FILE *, int, const char *, ...);
int __vfprintf_chk(FILE *, int, const char *, va_list);
long __isoc23_strtol(const char *, char **, int);
unsigned long __isoc23_strtoul(const char *, char **, int);
unsigned long long __isoc23_strtoull(const char *, char **, int);

/* The caller knew the size of the object at compile time; the write would go past it. */
static void check(size_t length, size_t size)
{
    if (length > size)
        abort();
}

void *__memcpy_chk(void *to, const void *from, size_t length, size_t size)
{
    check(length, size);
    return memcpy(to, from, length);
}

void *__memmove_chk(void *to, const void *from, size_t length, size_t size)
{
    check(length, size);
    return memmove(to, from, length);
}

void *__memset_chk(void *to, int value, size_t length, size_t size)
{
    check(length, size);
    return memset(to, value, length);
}

char *__strcpy_chk(char *to, const char *from, size_t size)
{
    size_t length = strlen(from) + 1;

    check(length, size);
    return memcpy(to, from, length);
}

char *__stpcpy_chk(char *to, const char *from, size_t size)
{
    return __strcpy_chk(to, from, size) + strlen(from);
}

char *__strcat_chk(char *to, const char *from, size_t size)
{
    size_t used = strnlen(to, size);

    __strcpy_chk(to + used, from, size - used);
    return to;
}

char *__strncpy_chk(char *to, const char *from, size_t length, size_t size)
{
    check(length, size);
    return strncpy(to, from, length);
}

int __vsnprintf_chk(char *to, size_t length, int flag, size_t size, const char *format,
                    va_list arguments)
{
    (void)flag;
    check(length, size);
    return vsnprintf(to, length, format, arguments);
}

int __snprintf_chk(char *to, size_t length, int flag, size_t size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int result = __vsnprintf_chk(to, length, flag, size, format, arguments);
    va_end(arguments);
    return result;
}

int __sprintf_chk(char *to, int flag, size_t size, const char *format, ...)
{
    va_list arguments;

    (void)flag;
    va_start(arguments, format);
    int result = vsnprintf(to, size, format, arguments);
    va_end(arguments);
    check(result < 0 ? SIZE_MAX : (size_t)result + 1, size);
    return result;
}

int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list arguments)
{
    char text[240];

    (void)stream, (void)flag;
    int result = vsnprintf(text, sizeof(text), format, arguments);
    mach_print(text);
    return result;
}

int __fprintf_chk(FILE *stream, int flag, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int result = __vfprintf_chk(stream, flag, format, arguments);
    va_end(arguments);
    return result;
}

/* C23 differs only in "0b" prefixes, which nothing that we link writes. */
long __isoc23_strtol(const char *text, char **end, int base)
{
    return strtol(text, end, base);
}

unsigned long __isoc23_strtoul(const char *text, char **end, int base)
{
    return strtoul(text, end, base);
}

unsigned long long __isoc23_strtoull(const char *text, char **end, int base)
{
    return strtoull(text, end, base);
}
