/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the boot file system asks on its bootstrap port. As this is the bottom of the chain, nothing
 * is passed further down. exec_startup_get_info, which comes first, is answered by its not being
 * served: MIG_BAD_ID.
 */
#include <errno.h>

#include <interface/hurd/fsys_server.h>
#include <kernel/gnumach_user.h>
#include <kernel/mach_port_user.h>
#include <kernel/mach_user.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/log.h>

#include "hurd.h"

static const struct port_type bootstrap_type = {.name = "bootstrap", .serve = fsys_server};

/* The Hurd makes a process of the task of whoever answers here. It gets one in which nothing runs:
 * the right to ours would be the right to all that we hold. */
static int stand_for_us(mach_port_t *task)
{
    int error = error_from_kernel(task_create(mach_task_self(), FALSE, task));

    if (error == 0)
        task_set_name(*task, "outboard");
    return error;
}

kern_return_t serve_fsys_getpriv(mach_port_t bootstrap, mach_port_t reply_port,
                                 mach_msg_type_name_t reply_type, mach_port_t *host,
                                 mach_msg_type_name_t *host_type, mach_port_t *master,
                                 mach_msg_type_name_t *master_type, mach_port_t *task,
                                 mach_msg_type_name_t *task_type)
{
    static mach_port_t our_host, our_master, our_stand_in;
    int error = 0;

    (void)bootstrap, (void)reply_port, (void)reply_type;
    if (our_master == MACH_PORT_NULL)
        error = master_port(&our_master);
    if (error == 0 && our_host == MACH_PORT_NULL)
        error = privilege_port(&our_host);
    if (error == 0 && our_stand_in == MACH_PORT_NULL)
        error = stand_for_us(&our_stand_in);
    if (error != 0)
        return KERN_RESOURCE_SHORTAGE;
    *host = hurd.host_is_real ? hurd.host : our_host;
    *host_type = hurd.host_is_real ? MACH_MSG_TYPE_COPY_SEND : MACH_MSG_TYPE_MAKE_SEND;
    *master = our_master;
    *master_type = MACH_MSG_TYPE_MAKE_SEND;
    *task = our_stand_in;
    *task_type = MACH_MSG_TYPE_COPY_SEND;
    return KERN_SUCCESS;
}

static mach_port_t control;

kern_return_t serve_fsys_startup(mach_port_t bootstrap, mach_port_t reply_port,
                                 mach_msg_type_name_t reply_type, int flags,
                                 mach_port_t file_system, mach_port_t *realnode,
                                 mach_msg_type_name_t *realnode_type)
{
    (void)bootstrap, (void)reply_port, (void)reply_type, (void)flags;
    port_release(control);
    control = file_system;
    *realnode = MACH_PORT_NULL;
    *realnode_type = MACH_MSG_TYPE_COPY_SEND;
    log_info("the root file system is there");
    return KERN_SUCCESS;
}

kern_return_t serve_fsys_init(mach_port_t bootstrap, mach_port_t reply_port,
                              mach_msg_type_name_t reply_type, mach_port_t process_server,
                              mach_port_t auth)
{
    (void)bootstrap, (void)reply_port, (void)reply_type;
    port_release(process_server);
    port_release(auth);
    if (control != MACH_PORT_NULL)
        shutdown_register(control);
    control = MACH_PORT_NULL;
    return KERN_SUCCESS;
}

int bootstrap_port(mach_port_t *port)
{
    return port_create(&bootstrap_type, NULL, port);
}
