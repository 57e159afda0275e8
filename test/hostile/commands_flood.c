/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The shell as a hostile client: a command more (in the place of one table of its commands) that
 * sends what it can reach messages which no client sends.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <interface/block_class_user.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <service/shell/console.h>
#include <service/shell/device_port.h>
#include <service/shell/mounts.h>
#include <service/shell/shell.h>

#include "messages.h"

/* The class's port, and that of a session. */
static int block_ports(const char *name, mach_port_t ports[2])
{
    mach_port_t completions = mach_reply_port();
    char info[2048];
    mach_msg_type_number_t size = sizeof(info);
    int error = startup_capability(name, &ports[0]);

    return error ? error
                 : error_from_kernel(
                       block_class_open(ports[0], TRUE, completions, &ports[1], info, &size));
}

static int flood_run(unsigned count, char **words)
{
    mach_port_t ports[2] = {MACH_PORT_NULL, MACH_PORT_NULL};
    unsigned port_count = 1;
    uint64_t messages;
    int error = 0;

    if (count != 4 || !shell_number(words[3], &messages))
        return SHELL_USAGE;
    if (strcmp(words[1], "block") == 0) {
        error = block_ports(words[2], ports);
        port_count = 2;
    } else if (strcmp(words[1], "device") == 0) {
        ports[0] = device_port("flood", words[2], D_READ);
    } else if (strcmp(words[1], "fs") == 0 && mounts_at(words[2])) {
        ports[0] = mounts_at(words[2])->fs;
    } else if (strcmp(words[1], "starter") == 0) {
        ports[0] = startup_bootstrap_port();
    } else {
        error = startup_capability(words[2], &ports[0]);
    }
    if (error != 0 || ports[0] == MACH_PORT_NULL)
        return shell_complain("flood", words[2], error ? error : ENXIO);
    messages_send(ports, port_count, (unsigned)messages);
    console_print("%s %s: %u messages\n", words[1], words[2], (unsigned)messages);
    return 0; /* the rights are of no further use, and of no harm */
}

const struct command commands_churn[] = {
    {"flood", "block|device|fs|port|starter NAME COUNT", "messages that no client sends",
     flood_run},
    {0},
};
