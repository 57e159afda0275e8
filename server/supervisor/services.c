/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Services and servers that come back when they die: those that hold nothing but what they can find
 * out again.
 */
#include <string.h>

#include <server/supervisor/journal.h>
#include <server/supervisor/supervisor.h>

static bool stopping;

void supervisor_begin(struct child *child, int error, uint64_t quota, const char *argument)
{
    if (error == 0)
        error = supervisor_grant_pool(child, quota);
    if (error == 0) {
        child_start(child, argument);
        return;
    }
    child->ready_at = 0; /* that was the one's before: this one lived for no time */
    journal_note(LOG_ERROR, "%s: cannot be started: %s", child->name, strerror(error));
    child_end(child, CHILD_FAILED, strerror(error));
}

static void revive(void *context)
{
    struct child *child = context;

    child->restarts++;
    child->begin(child);
}

void services_ended(struct child *child)
{
    uint64_t lived = child_lived(child), delay;
    const char *reason;

    if (!child->begin || stopping || child->state == CHILD_STOPPED ||
        child->state == CHILD_RESTARTING)
        return;
    if (!restart_decide(&child->restart, &supervisor_policy.restart, clock_now(), lived, &delay,
                        &reason)) {
        journal_note(LOG_ERROR, "%s: given up after %u deaths: %s", child->name,
                     child->restart.deaths, reason);
        partitions_given_up(child);
        return;
    }
    child->state = CHILD_RESTARTING;
    clock_timer_start(&child->revive, delay, revive, child);
}

void services_ready(const struct child *child)
{
    if (child->begin && child->restarts > 0)
        journal_note(LOG_INFO, "%s: running again (%u restarts)", child->name, child->restarts);
}

void services_stop(void)
{
    stopping = true;
}
