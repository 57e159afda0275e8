/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Time and timers. Nanoseconds since the machine started; the resolution is the host's (GNU Mach:
 * about a millisecond for sleeping and timers).
 */
#ifndef KIT_CLOCK_H
#define KIT_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_MILLISECOND UINT64_C(1000000)
#define CLOCK_SECOND      UINT64_C(1000000000)

uint64_t clock_now(void);

/* Block the whole task, event loop included. While attaching, or for a device that answers at once;
 * the supervisor ends a driver that does not listen for a second. */
void clock_sleep(uint64_t nanoseconds);

/* Likewise a little, to look again for what began at `start`: while (!ready && clock_wait(start,
 * limit)). False: that was longer ago than `limit`. */
bool clock_wait(uint64_t start, uint64_t limit);

/* A one-shot timer that the event loop calls. Zero-initialised by its owner; the owner keeps it
 * alive while it runs. */
struct clock_timer {
    uint64_t due;
    void (*expired)(void *context);
    void *context;
    struct clock_timer *next; /* the loop's: not null only while running */
    int running;
};

/* Start, or start again with another time. */
void clock_timer_start(struct clock_timer *timer, uint64_t after, void (*expired)(void *),
                       void *context);
void clock_timer_cancel(struct clock_timer *timer);

#endif
