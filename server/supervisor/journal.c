/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/supervisor/journal.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <kernel/device_user.h>

#include <kit/clock.h>

enum { JOURNAL_LINES = 512, JOURNAL_LINE_SIZE = 320 };

static mach_port_t console;
static char lines[JOURNAL_LINES][JOURNAL_LINE_SIZE];
static unsigned written; /* in all; line n is in slot n % JOURNAL_LINES */

void journal_start(mach_port_t port)
{
    console = port;
}

/* The kernel takes so much inline and answers when it is in its own buffer. */
static void console_write(const char *data, size_t length)
{
    for (size_t sent = 0; sent < length && console != MACH_PORT_NULL;) {
        size_t piece = length - sent < IO_INBAND_MAX ? length - sent : IO_INBAND_MAX;
        int done = 0;
        if (device_write_inband(console, 0, 0, data + sent, (mach_msg_type_number_t)piece, &done) !=
                KERN_SUCCESS ||
            done <= 0)
            return;
        sent += (size_t)done;
    }
}

void journal_write(const char *who, enum log_level level, const char *text)
{
    static const char *const names[] = {" error:", " warning:", ""};
    char *line = lines[written++ % JOURNAL_LINES];
    uint64_t now = clock_now();
    unsigned which = level >= LOG_ERROR && level <= LOG_INFO ? (unsigned)level : LOG_INFO;

    snprintf(line, JOURNAL_LINE_SIZE, "[%5llu.%03llu] %s:%s %s",
             (unsigned long long)(now / CLOCK_SECOND),
             (unsigned long long)(now % CLOCK_SECOND / CLOCK_MILLISECOND), who, names[which], text);
    /* What comes from a task goes to a terminal: no control characters. */
    for (char *c = line; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    }
    console_write(line, strlen(line));
    console_write("\r\n", 2);
}

static void note(enum log_level level, const char *format, va_list arguments)
{
    char line[LOG_LINE_SIZE];

    vsnprintf(line, sizeof(line), format, arguments);
    journal_write("supervisor", level, line);
}

void journal_note(enum log_level level, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    note(level, format, arguments);
    va_end(arguments);
}

/* In place of the host's (host/mach/log.c, which is then not linked): what the ELF loader has to
 * say belongs in the journal too. */
void log_write(enum log_level level, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    note(level, format, arguments);
    va_end(arguments);
}

void journal_report(struct text *text)
{
    unsigned first = written > JOURNAL_LINES ? written - JOURNAL_LINES : 0;

    for (unsigned i = first; i < written; i++)
        text_print(text, "%s\n", lines[i % JOURNAL_LINES]);
}
