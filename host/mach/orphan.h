/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a task does when its supervisor is gone. Nobody starts anything any more, so the machine is
 * stopped, in the order in which tasks depend on each other and without anybody who tells them to:
 * each goes when its clients have gone (doc/recovery.md).
 */
#ifndef HOST_MACH_ORPHAN_H
#define HOST_MACH_ORPHAN_H

#include <stdbool.h>

/* The rest of main: tell the supervisor that all is up (0) or why not (an errno value); if all is,
 * serve until loop_stop. `leave` is called once when the supervisor is gone, as soon as nobody is
 * served any more, or after five seconds. The task's exit status. */
int orphan_serve(int error, void (*leave)(void));

/* Who knows whether somebody is served. */
void orphan_stays_while(bool (*serves)(void));

#endif
