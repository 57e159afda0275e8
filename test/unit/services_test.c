/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Services that come back (server/supervisor/services.c), and what cannot be granted them.
 */
#include <errno.h>
#include <stdarg.h>

#include <kit/log.h>
#include <server/supervisor/journal.h>
#include <server/supervisor/supervisor.h>
#include <test/unit/cmocka.h>

struct policy supervisor_policy;

static uint64_t now;
static int grant_error;
static unsigned starts, begins;
static struct clock_timer *revival; /* null: it is not started again */

uint64_t clock_now(void)
{
    return now;
}

void clock_timer_start(struct clock_timer *timer, uint64_t after, void (*expired)(void *),
                       void *context)
{
    *timer = (struct clock_timer){.due = now + after, .expired = expired, .context = context};
    revival = timer;
}

void journal_note(enum log_level level, const char *format, ...)
{
    (void)level, (void)format;
}

int supervisor_grant_pool(struct child *child, uint64_t quota)
{
    (void)child, (void)quota;
    return grant_error;
}

int child_start(struct child *child, const char *argument)
{
    (void)argument;
    child->state = CHILD_STARTING;
    child->ready_at = 0;
    starts++;
    return 0;
}

uint64_t child_lived(const struct child *child)
{
    return child->ready_at ? now - child->ready_at : 0;
}

void child_end(struct child *child, enum child_state state, const char *cause)
{
    (void)cause;
    child->state = state;
    services_ended(child);
}

static unsigned given_up;

void partitions_given_up(struct child *child)
{
    (void)child;
    given_up++;
}

static void begin(struct child *child)
{
    begins++;
    supervisor_begin(child, 0, 1 << 20, NULL);
}

/* Start it again when it is time, until it is given up, or so often. */
static void revive_all(unsigned most)
{
    for (unsigned i = 0; i < most && revival; i++) {
        struct clock_timer *timer = revival;
        revival = NULL;
        now = timer->due;
        timer->expired(timer->context);
    }
}

/* It ran for long, dies, and then cannot be had: that is given up as one that dies at once. */
static void what_cannot_be_granted_is_given_up(void **state)
{
    static struct child child = {.name = "device", .begin = begin};

    (void)state;
    supervisor_policy.restart = RESTART_LIMITS_DEFAULT;
    now = CLOCK_SECOND;
    begin(&child);
    assert_int_equal(starts, 1);
    child.state = CHILD_RUNNING;
    child.ready_at = now;
    now += 100 * CLOCK_SECOND;
    grant_error = ENOMEM;
    child_end(&child, CHILD_DIED, "killed");
    begins = 0;
    revive_all(100);
    assert_int_equal(starts, 1);
    assert_int_equal(child.state, CHILD_FAILED);
    assert_int_equal(begins, RESTART_LIMITS_DEFAULT.quick + 1);
    assert_int_equal(given_up, 1);
}

/* What was missing only for a moment is not. */
static void what_can_be_granted_again_runs(void **state)
{
    static struct child child = {.name = "device", .begin = begin};

    (void)state;
    starts = 0;
    grant_error = ENOMEM;
    begin(&child);
    revive_all(2);
    grant_error = 0;
    revive_all(1);
    assert_int_equal(starts, 1);
    assert_int_equal(child.state, CHILD_STARTING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_granted_is_given_up),
        cmocka_unit_test(what_can_be_granted_again_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
