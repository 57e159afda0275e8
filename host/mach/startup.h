/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What this task was started with (interface/startup.defs).
 */
#ifndef HOST_MACH_STARTUP_H
#define HOST_MACH_STARTUP_H

#include <mach/port.h>

#include <interface/lives.h>

/* The task's bootstrap port. */
mach_port_t startup_bootstrap_port(void);

/* The capability granted under that name: a send right. 0 or an errno value (ENOENT). */
int startup_capability(const char *name, mach_port_t *capability);

/* With what became of those whose device it was. */
int startup_capability_lives(const char *name, mach_port_t *capability, struct lives *lives);

/* Offer `port` (a receive right of ours) under the suffix and class. */
int startup_offer(const char *suffix, const char *class, mach_port_t port);

/* What was offered is not there any more, or not now. */
void startup_retract(const char *suffix, const char *class);

/* Tell the starter that all is up (0) or why not (errno). */
void startup_done(int status);

#endif
