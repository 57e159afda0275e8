/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How clock_wait waits, and what it needs of a host.
 */
#ifndef KIT_CORE_WAIT_H
#define KIT_CORE_WAIT_H

#include <kit/clock.h>

/* Most answers come at once. Who sleeps does so for up to two of the kernel's ticks, of 10 ms, and
 * the clock of a task that has just begun tells no shorter times either: so that a device of which
 * it takes a moment more is not slept for, there are two of them before that. */
#define WAIT_SPIN  (2 * CLOCK_MILLISECOND)
#define WAIT_YIELD (20 * CLOCK_MILLISECOND)

/* Let others that are ready have the processor. */
void wait_yield(void);

#endif
