/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Starting tasks: an ELF loader and what a new task finds.
 */
#ifndef HOST_MACH_TASK_H
#define HOST_MACH_TASK_H

#include <stdbool.h>
#include <stddef.h>

#include <mach/port.h>

/* Make a task from a static ELF64 executable in memory and leave it stopped: a new one if `task` is
 * empty, or the spare that it is. The image is checked
 * before anything is created. `argv` ends with null. 0 or an errno value: ENOEXEC with a line in
 * the log that says what is wrong with the image. */
struct task_image {
    const void *data;
    size_t size;
    /* Pages that nobody writes to are the image's own in the task. Only for one without its task's
     * port: by that the kernel gives out a memory object of them that can be written to, and with
     * it the image, for all who run it (doc/security.md, "The kernel's hole"). */
    bool shared;
};
struct task {
    mach_port_t task, thread;
};
int task_load(const char *name, const struct task_image *image, const char *const *argv,
              mach_port_t bootstrap, struct task *task);
int task_begin(const struct task *task);

void task_kill(struct task *task);

/* A task without a program, whose memory is wired and whose thread may use what the kernel keeps
 * back for paging: once the kernel's answer (mig_reply_header_t) has come to `answer`, a receive
 * right, hold it, and it is ready. `host` is the privileged host port, which no program gets to
 * see. 0 or an errno value. */
int task_spare_create(mach_port_t host, mach_port_t answer, struct task *task);
int task_spare_hold(const struct task *task);

#endif
