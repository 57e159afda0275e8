/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The machine's log: to the kernel's console, and the last lines in memory.
 */
#ifndef SERVER_SUPERVISOR_JOURNAL_H
#define SERVER_SUPERVISOR_JOURNAL_H

#include <mach/port.h>

#include <kit/log.h>
#include <server/supervisor/text.h>

void journal_start(mach_port_t console);
void journal_write(const char *who, enum log_level level, const char *line);
void journal_report(struct text *text);

/* From the supervisor itself. */
void journal_note(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
