/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The shell as a hostile client: a command more (in the place of one table of its commands) that
 * sends what it can reach messages which no client sends.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <interface/block_class_user.h>
#include <kernel/mach_port_user.h>

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

static mach_port_t held; /* the receive right of a driver's line */

/* Ask a driver that gives it away for its line. */
static int hold_run(unsigned count, char **words)
{
    mach_port_t driver, reply = mach_reply_port();
    union {
        struct given_line given;
        char room[256];
    } message = {0};

    if (count != 2)
        return SHELL_USAGE;
    int error = startup_capability(words[1], &driver);
    if (error != 0)
        return shell_complain("hold", words[1], error);
    mach_msg_header_t *header = &message.given.header;
    *header = (mach_msg_header_t){
        .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
        .msgh_size = sizeof(*header),
        .msgh_remote_port = driver,
        .msgh_local_port = reply,
    };
    mach_msg_return_t code =
        mach_msg(header, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT, sizeof(*header),
                 sizeof(message), reply, 1000, MACH_PORT_NULL);
    held = message.given.right.name;
    console_print("holds the line: %x\n", code);
    return 0;
}

static int let_go_run(unsigned count, char **words)
{
    (void)words;
    if (count != 1)
        return SHELL_USAGE;
    console_print("lets go of the line: %x\n",
                  mach_port_mod_refs(mach_task_self(), held, MACH_PORT_RIGHT_RECEIVE, -1));
    return 0;
}

const struct command commands_churn[] = {
    {"hold", "NAME", "the line of a driver that gives it away", hold_run},
    {"let-go", "", "of that line", let_go_run},
    {"flood", "block|device|fs|port|starter NAME COUNT", "messages that no client sends",
     flood_run},
    {0},
};
