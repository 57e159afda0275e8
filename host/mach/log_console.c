/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Root and io run before there is a supervisor: they write to the kernel's console.
 */
#include <stdio.h>

#include <kernel/device_user.h>

#include <host/mach/log.h>
#include <host/mach/trap.h>

static mach_port_t console;
static const char *console_name;

void log_to_console(mach_port_t port, const char *name)
{
    console = port;
    console_name = name;
}

void log_line_write(enum log_level level, const char *line)
{
    char text[LOG_LINE_SIZE + 64];
    int length = snprintf(text, sizeof(text), "%s: %s\r\n", console_name, line);

    (void)level;
    if (console == MACH_PORT_NULL)
        mach_print(line);
    for (int sent = 0; console != MACH_PORT_NULL && sent < length;) {
        int piece = length - sent < IO_INBAND_MAX ? length - sent : IO_INBAND_MAX;
        int written = 0;
        if (device_write_inband(console, 0, 0, text + sent, (unsigned)piece, &written) != 0)
            return;
        sent += piece;
    }
}
