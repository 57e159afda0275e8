/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where log lines go. Tasks with a bootstrap port send them there; root and io, which run before
 * there is a supervisor, write to the kernel's console.
 */
#ifndef HOST_MACH_LOG_H
#define HOST_MACH_LOG_H

#include <mach/port.h>

/* From now on write lines, prefixed with `name`, to this kernel device. */
void log_to_console(mach_port_t console, const char *name);

#endif
