/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <kit/log.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <interface/startup_user.h>
#include <kernel/device_user.h>

#include <host/mach/log.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <kit/clock.h>

static mach_port_t console;
static const char *console_name;

void log_to_console(mach_port_t port, const char *name)
{
    console = port;
    console_name = name;
}

static void console_write(const char *line)
{
    char text[LOG_LINE_SIZE + 64];
    int length = snprintf(text, sizeof(text), "%s: %s\r\n", console_name, line);

    for (int sent = 0; sent < length;) {
        int piece = length - sent < IO_INBAND_MAX ? length - sent : IO_INBAND_MAX;
        int written = 0;
        if (device_write_inband(console, 0, 0, text + sent, (unsigned)piece, &written) != 0)
            return;
        sent += piece;
    }
}

/* The starter may be waiting for an answer of ours just now: give it time, but never wait for ever.
 */
static void starter_write(enum log_level level, const char *line)
{
    enum { TRIES = 50 };
    for (unsigned i = 0; i < TRIES; i++) {
        kern_return_t code =
            startup_log(startup_bootstrap_port(), MACH_SEND_TIMEOUT, (int)level, line);
        if (code != MACH_SEND_TIMED_OUT)
            return;
        clock_sleep(2 * CLOCK_MILLISECOND);
    }
}

void log_write(enum log_level level, const char *format, ...)
{
    char line[LOG_LINE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);

    if (console != MACH_PORT_NULL)
        console_write(line);
    else if (startup_bootstrap_port() != MACH_PORT_NULL)
        starter_write(level, line);
    else
        mach_print(line);
}
