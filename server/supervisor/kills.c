/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ending drivers on purpose: once, or again and again while something works with their devices.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <kit/clock.h>
#include <server/supervisor/journal.h>
#include <server/supervisor/supervisor.h>

static struct {
    char driver[OUTBOARD_NAME_SIZE];
    unsigned left, done;
    uint64_t period;
    uint32_t seed;
    struct clock_timer timer;
} kills;

static void kill_next(void *context);

static void kill_later(void)
{
    kills.seed = kills.seed * 1664525 + 1013904223;
    uint64_t thousandths = 500 + (kills.seed >> 16) % 1000;
    clock_timer_start(&kills.timer, kills.period / 1000 * thousandths, kill_next, NULL);
}

static void kill_next(void *context)
{
    struct child *child = drivers_lookup(kills.driver);

    (void)context;
    if (child && child->state == CHILD_RUNNING) {
        kills.left--;
        kills.done++;
        child_end(child, CHILD_DIED, "killed");
    }
    if (kills.left > 0)
        kill_later();
    else
        journal_note(LOG_INFO, "%s: killed %u times", kills.driver, kills.done);
}

int kills_start(const char *name, unsigned times, unsigned milliseconds, unsigned seed)
{
    struct child *child = drivers_lookup(name);

    clock_timer_cancel(&kills.timer);
    if (!child)
        return ENOENT;
    if (times > 0 && child->task.task == MACH_PORT_NULL)
        return ENODEV;
    journal_note(LOG_WARNING, "%s: killed by the operator", name);
    snprintf(kills.driver, sizeof(kills.driver), "%s", name);
    kills.left = times;
    kills.done = 0;
    kills.period = milliseconds * CLOCK_MILLISECOND;
    kills.seed = seed;
    if (times > 0)
        kill_next(NULL);
    return 0;
}
