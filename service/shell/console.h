/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The operator's console: a kernel tty. Output is gathered and goes out when it is full, when input
 * is wanted, or when somebody flushes.
 *
 * A program on the other end (obvm) talks in frames: it sends STX, a line of commands and a
 * newline, without echo; the answer is DLE B, the output with each DLE doubled, DLE E, the status
 * in decimal and a newline. So it can tell output from everything else on the line, byte for byte.
 */
#ifndef SERVICE_SHELL_CONSOLE_H
#define SERVICE_SHELL_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

#include <mach/port.h>

enum { CONSOLE_STX = 0x02, CONSOLE_DLE = 0x10, CONSOLE_LINE_SIZE = 8192 };

void console_start(mach_port_t port);

/* The next byte of input; -1 if the console is gone. */
int console_get(void);

/* For an operator: newline becomes carriage return and newline. In a frame: as it is, DLE doubled.
 */
void console_write(const void *data, size_t size);
void console_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void console_flush(void);

/* Exactly these bytes. */
void console_raw(const void *data, size_t size);

void console_frame_begin(void);
void console_frame_end(int status);

/* End a frame if one is open; either way everything is out. */
void console_frame_finish(int status);

#endif
