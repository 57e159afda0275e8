/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Editing a line at the console: cursor keys, Home, End, Delete, history with up and down, and the
 * usual control characters. Debian's libraries for this (readline, libedit) want a terminal
 * database, files and signals, none of which a task has.
 */
#ifndef SERVICE_SHELL_EDITOR_H
#define SERVICE_SHELL_EDITOR_H

#include <stdbool.h>
#include <stddef.h>

/* Read a line; `first` is its first byte, which the caller has already read. False: given up with
 * control-C or the console is gone. */
bool editor_read(const char *prompt, int first, char *line, size_t size);

#endif
