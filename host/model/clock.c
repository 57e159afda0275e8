/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Simulated time. It passes when somebody sleeps, when the event loop has nothing to do, and a
 * little whenever the clock is read, so that a loop that polls until a deadline ends. The device
 * runs whenever time passes.
 */
#include <stddef.h>

#include <kit/clock.h>
#include <kit/core/block.h>
#include <kit/core/wait.h>

#include "internal.h"

#define READING_TIME (CLOCK_MILLISECOND / 1000)
#define IDLE_TIME    CLOCK_MILLISECOND

static uint64_t now;
static struct clock_timer *timers; /* soonest first */

static void (*turn_hook)(void);

void model_at_turn_end(void (*run)(void))
{
    turn_hook = run;
}

void model_clock_begin(void)
{
    turn_hook = NULL;
    now = CLOCK_SECOND; /* a machine is not at 0 when a driver starts */
    timers = NULL;
}

uint64_t model_time(void)
{
    return now;
}

bool model_timer_is_set(void)
{
    return timers;
}

void model_clock_advance(uint64_t nanoseconds)
{
    now += nanoseconds;
    model_device_step();
}

uint64_t clock_now(void)
{
    model_clock_advance(READING_TIME);
    return now;
}

void clock_sleep(uint64_t nanoseconds)
{
    model_clock_advance(nanoseconds);
}

void wait_yield(void)
{
}

void clock_timer_cancel(struct clock_timer *timer)
{
    struct clock_timer **link = &timers;

    if (!timer->running)
        return;
    while (*link && *link != timer)
        link = &(*link)->next;
    if (*link)
        *link = timer->next;
    timer->next = NULL;
    timer->running = 0;
}

void clock_timer_start(struct clock_timer *timer, uint64_t after, void (*expired)(void *),
                       void *context)
{
    struct clock_timer **link = &timers;

    clock_timer_cancel(timer);
    timer->due = now + after;
    timer->expired = expired;
    timer->context = context;
    timer->running = 1;
    while (*link && (*link)->due <= timer->due)
        link = &(*link)->next;
    timer->next = *link;
    *link = timer;
}

bool model_timers_run(void)
{
    struct clock_timer *timer = timers;

    if (!timer || timer->due > now)
        return false;
    clock_timer_cancel(timer);
    timer->expired(timer->context);
    return true;
}

void model_turn(void)
{
    model_clock_advance(READING_TIME);
    bool busy = model_interrupts_deliver();
    busy |= model_timers_run();
    block_turn();
    if (turn_hook)
        turn_hook();
    if (!busy)
        model_clock_advance(IDLE_TIME);
}

void model_run(uint64_t nanoseconds)
{
    uint64_t end = now + nanoseconds;

    while (now < end)
        model_turn();
}
