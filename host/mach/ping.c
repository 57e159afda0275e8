/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Answering whoever wants to know whether this task still listens.
 */
#include <interface/task_control_server.h>

#include <host/mach/port.h>

kern_return_t serve_task_control_ping(mach_port_t control, mach_port_t answer)
{
    mach_msg_header_t message = {
        .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
        .msgh_size = sizeof(message),
        .msgh_remote_port = answer,
    };

    (void)control;
    loop_send(&message);
    return MIG_NO_REPLY;
}
