/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The first task. The kernel gives it everything; it gives the privileges to io, the archive to the
 * supervisor, and ends.
 * argv, as the boot script fills it in: host port, device master port, the archive module's task.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <interface/io_control_user.h>
#include <kernel/device_user.h>
#include <kernel/mach_host_user.h>
#include <kernel/mach_port_user.h>
#include <kernel/mach_user.h>

#include <host/mach/archive.h>
#include <host/mach/error.h>
#include <host/mach/log.h>
#include <host/mach/port.h>
#include <host/mach/task.h>
#include <host/mach/trap.h>
#include <kit/log.h>

/* Rights are inserted in a new task under names far above those that the kernel hands out there. */
enum { NAME_FIRST = 0x4000 };

/* sys/reboot.h of the kernel. */
enum { REBOOT_HALT = 0x08 };

struct grant {
    mach_port_t right;
    mach_msg_type_name_t type;
};

/* Start `program` from the archive with rights, whose names it finds in argv. */
static int start(const struct archive *archive, const char *program, const struct grant *grants,
                 unsigned count)
{
    struct task_image image;
    struct task task;
    char text[4][16];
    const char *argv[6] = {program};
    int error = archive_find(archive, program, &image.data, &image.size);

    if (error != 0) {
        log_error("%s is missing from the boot archive", program);
        return error;
    }
    for (unsigned i = 0; i < count; i++) {
        snprintf(text[i], sizeof(text[i]), "%u", NAME_FIRST + i);
        argv[1 + i] = text[i];
    }
    error = task_load(program, &image, argv, MACH_PORT_NULL, &task);
    if (error != 0)
        return error;
    for (unsigned i = 0; i < count && error == 0; i++)
        error = error_from_kernel(
            mach_port_insert_right(task.task, NAME_FIRST + i, grants[i].right, grants[i].type));
    if (error == 0)
        error = task_begin(&task);
    if (error != 0) {
        log_error("%s cannot be started: %s", program, strerror(error));
        task_kill(&task);
    }
    return error;
}

int main(int argc, char **argv)
{
    mach_port_t console, control;
    struct archive archive;

    if (argc < 4)
        return EXIT_FAILURE;
    mach_port_t host = (mach_port_t)strtoul(argv[1], NULL, 10);
    mach_port_t device_master = (mach_port_t)strtoul(argv[2], NULL, 10);
    mach_port_t archive_task = (mach_port_t)strtoul(argv[3], NULL, 10);

    if (device_open(device_master, D_READ | D_WRITE, "console", &console) == 0)
        log_to_console(console, "root");
    int error = archive_take(archive_task, &archive);
    if (error == 0)
        error = error_from_kernel(
            mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &control));
    if (error == 0 && port_make_send(control) == MACH_PORT_NULL)
        error = ENOMEM;
    if (error == 0)
        error = start(&archive, "io",
                      (struct grant[]){{host, MACH_MSG_TYPE_MOVE_SEND},
                                       {device_master, MACH_MSG_TYPE_MOVE_SEND},
                                       {control, MACH_MSG_TYPE_MOVE_RECEIVE}},
                      3);
    if (error != 0) {
        log_error("the machine cannot start: %s", strerror(error));
        host_reboot(host, REBOOT_HALT);
        return EXIT_FAILURE;
    }

    error = start(&archive, "supervisor",
                  (struct grant[]){{control, MACH_MSG_TYPE_COPY_SEND},
                                   {archive_task, MACH_MSG_TYPE_COPY_SEND}},
                  2);
    if (error != 0) {
        log_error("there is nobody to start the drivers: powering off");
        io_control_power(control, 0);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
