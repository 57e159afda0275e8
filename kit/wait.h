/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Waiting for a device, with the event loop standing still: for attaching and detaching.
 *
 *     for (uint64_t start = clock_now(); !is_ready();) {
 *         if (!wait_more(start, limit))
 *             return ETIMEDOUT;
 *     }
 */
#ifndef KIT_WAIT_H
#define KIT_WAIT_H

#include <stdbool.h>

#include <kit/clock.h>

/* Most answers come at once. Who sleeps does so for up to two of the kernel's ticks, of 10 ms, and
 * the clock of a task that has just begun tells no shorter times either: so that a device of which
 * it takes a moment more is not slept for, there are two of them before that. */
#define WAIT_SPIN  (2 * CLOCK_MILLISECOND)
#define WAIT_YIELD (20 * CLOCK_MILLISECOND)

/* Let others that are ready have the processor. */
void wait_yield(void);

/* Wait a little; false: it has been going on for longer than `limit`. */
static inline bool wait_more(uint64_t start, uint64_t limit)
{
    uint64_t waited = clock_now() - start;

    if (waited > WAIT_YIELD)
        clock_sleep(CLOCK_MILLISECOND);
    else if (waited > WAIT_SPIN)
        wait_yield();
    return waited <= limit;
}

#endif
