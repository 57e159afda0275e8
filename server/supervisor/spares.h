/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Tasks that are kept ready for programs without which there is no paging (host/mach/task.h): when
 * memory is short, a new one could not be had.
 */
#ifndef SERVER_SUPERVISOR_SPARES_H
#define SERVER_SUPERVISOR_SPARES_H

#include <stdbool.h>

#include <host/mach/task.h>

/* Keep some from now on; serves what comes until they are ready. */
void spares_start(mach_port_t host);
bool spares_are_kept(void);

/* One of them, for task_load. False: none is ready, and `task` is left as it is; true also if none
 * are kept. */
bool spares_take(struct task *task);

#endif
