/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One line per event, to the machine's log. No newline at the end; longer than LOG_LINE_SIZE is cut
 * off. The supervisor adds the time and who said it.
 */
#ifndef KIT_LOG_H
#define KIT_LOG_H

#include <stdbool.h>

#define LOG_LINE_SIZE 240

enum log_level { LOG_ERROR = 0, LOG_WARNING = 1, LOG_INFO = 2 };

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A device that fails without end must not fill the log: the first few of `count`, then ever fewer.
 */
static inline bool log_is_worth(unsigned count)
{
    return count <= 8 || (count & (count - 1)) == 0;
}

#define log_error(...)   log_write(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_INFO, __VA_ARGS__)

#endif
