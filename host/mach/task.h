/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Starting tasks: an ELF loader and what a new task finds.
 */
#ifndef HOST_MACH_TASK_H
#define HOST_MACH_TASK_H

#include <stddef.h>

#include <mach/port.h>

/* Create a task from a static ELF64 executable in memory and leave it stopped. The image is checked
 * before anything is created. `argv` ends with null. 0 or an errno value: ENOEXEC with a line in
 * the log that says what is wrong with the image. */
struct task_image {
    const void *data;
    size_t size;
};
struct task {
    mach_port_t task, thread;
};
int task_load(const char *name, const struct task_image *image, const char *const *argv,
              mach_port_t bootstrap, struct task *task);
int task_begin(const struct task *task);

/* The same, and its thread may use memory that the kernel keeps back for paging. `host` is the
 * privileged host port, which the task's program does not get to see. */
int task_begin_with_reserve(const struct task *task, mach_port_t host);
void task_kill(struct task *task);

#endif
