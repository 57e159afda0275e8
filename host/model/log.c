/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The log, kept for tests to look at, and the violations. MODEL_LOG=1 in the environment prints it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/log.h>

#include "internal.h"

enum { LINES_MAX = 4096 };

static char lines[LINES_MAX][LOG_LINE_SIZE];
static unsigned line_count;
static unsigned violations;

void model_log_begin(void)
{
    line_count = 0;
    violations = 0;
}

void log_write(enum log_level level, const char *format, ...)
{
    va_list arguments;

    if (line_count == LINES_MAX) {
        model_violation("more than %u lines in the log", LINES_MAX);
        return;
    }
    va_start(arguments, format);
    int length = vsnprintf(lines[line_count], LOG_LINE_SIZE, format, arguments);
    va_end(arguments);
    if (length >= LOG_LINE_SIZE || memchr(lines[line_count], '\n', LOG_LINE_SIZE))
        model_violation("a log line that is too long or more than one: %s", lines[line_count]);
    if (getenv("MODEL_LOG"))
        fprintf(stderr, "<%d> %s\n", level, lines[line_count]);
    line_count++;
}

unsigned model_log_count(const char *text)
{
    unsigned count = 0;

    for (unsigned i = 0; i < line_count; i++)
        count += strstr(lines[i], text) != NULL;
    return count;
}

bool model_log_has(const char *text)
{
    return model_log_count(text) > 0;
}

void model_violation(const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "violation: ");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    violations++;
}

unsigned model_violations(void)
{
    return violations;
}
