/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <kit/log.h>

#include <stdarg.h>
#include <stdio.h>

#include <host/mach/log.h>

void log_write(enum log_level level, const char *format, ...)
{
    char line[LOG_LINE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    log_line_write(level, line);
}
