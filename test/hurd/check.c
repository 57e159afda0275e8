/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>

#include <device/device_types.h>

#include <kernel/device_user.h>

#include <host/mach/trap.h>

#include "stand_in.h"

enum { LINE_SIZE = 200, LINES_MAX = 50 };

static mach_port_t console;
static unsigned long passed, failed;

void check_console(mach_port_t port)
{
    console = port;
}

static void line_write(const char *line)
{
    char text[LINE_SIZE + 16];
    int length = snprintf(text, sizeof(text), "stand-in: %s\r\n", line);

    if (console == MACH_PORT_NULL) {
        mach_print(text);
        return;
    }
    for (int sent = 0; sent < length;) {
        int piece = length - sent < IO_INBAND_MAX ? length - sent : IO_INBAND_MAX;
        int written = 0;
        if (device_write_inband(console, 0, 0, text + sent, (unsigned)piece, &written) != 0 ||
            written <= 0) {
            mach_print(text);
            return;
        }
        sent += written;
    }
}

void check_note(const char *format, ...)
{
    char line[LINE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    line_write(line);
}

void check_passed(void)
{
    passed++;
}

void check_failed(const char *format, ...)
{
    char line[LINE_SIZE];
    va_list arguments;

    failed++;
    if (failed > LINES_MAX) /* the count goes on */
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    line_write(line);
}

bool check_equal(const char *what, int64_t expected, int64_t got)
{
    if (got == expected)
        check_passed();
    else
        check_failed("%s: expected %lld, got %lld (%#llx)", what, (long long)expected,
                     (long long)got, (unsigned long long)got);
    return got == expected;
}

bool check_refused(const char *what, kern_return_t code)
{
    if (code != KERN_SUCCESS)
        check_passed();
    else
        check_failed("%s: expected a refusal, got success", what);
    return code != KERN_SUCCESS;
}

bool check_true(bool holds, const char *what, const char *expected)
{
    if (holds)
        check_passed();
    else
        check_failed("%s: expected %s, which it is not", what, expected);
    return holds;
}

void check_report(void)
{
    check_note("%lu checks, %lu failed", passed + failed, failed);
}
