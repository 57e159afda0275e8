/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where log lines go: to the starter (log_starter.c), or, in tasks that link log_console.c, to the
 * kernel's console.
 */
#ifndef HOST_MACH_LOG_H
#define HOST_MACH_LOG_H

#include <mach/port.h>

#include <kit/log.h>

/* One line, without its end. */
void log_line_write(enum log_level level, const char *line);

/* From now on write lines, prefixed with `name`, to this kernel device. */
void log_to_console(mach_port_t console, const char *name);

#endif
