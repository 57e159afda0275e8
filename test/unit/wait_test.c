/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Waiting for a device, by a clock that tells ticks of 10 ms only, as a task's is that has just
 * begun, and by one that tells more.
 */
#include <kit/core/wait.h>
#include <test/unit/cmocka.h>

static uint64_t now, tick; /* what the clock tells is a multiple of it */
static unsigned yields, sleeps;

uint64_t clock_now(void)
{
    return now / tick * tick;
}

void clock_sleep(uint64_t nanoseconds)
{
    now += nanoseconds;
    sleeps++;
}

void wait_yield(void)
{
    yields++;
}

/* Look every microsecond, from `begin` on, for something that takes as long as that. */
static bool await(uint64_t begin, uint64_t takes, uint64_t limit)
{
    now = begin;
    yields = sleeps = 0;
    for (uint64_t start = clock_now(); now < begin + takes; now += 1000) {
        if (!clock_wait(start, limit))
            return false;
    }
    return true;
}

/* Wherever in a tick it begins, and also just before the next one. */
static void a_moment_is_not_slept_for(void **state)
{
    (void)state;
    tick = 10 * CLOCK_MILLISECOND;
    for (uint64_t begin = CLOCK_SECOND; begin < CLOCK_SECOND + tick; begin += tick / 100) {
        assert_true(await(begin, 10 * CLOCK_MILLISECOND, CLOCK_SECOND));
        assert_int_equal(sleeps, 0);
    }
    assert_true(await(CLOCK_SECOND + tick - 1000, 5 * CLOCK_MILLISECOND, CLOCK_SECOND));
    assert_true(yields > 0);
}

static void others_run_after_a_while(void **state)
{
    (void)state;
    tick = 1000;
    assert_true(await(CLOCK_SECOND, WAIT_SPIN, CLOCK_SECOND));
    assert_int_equal(yields, 0);
    assert_true(await(CLOCK_SECOND, WAIT_YIELD, CLOCK_SECOND));
    assert_true(yields > 0);
    assert_int_equal(sleeps, 0);
    assert_true(await(CLOCK_SECOND, 500 * CLOCK_MILLISECOND, CLOCK_SECOND));
    assert_true(sleeps > 400);
}

static void it_ends(void **state)
{
    (void)state;
    tick = 1000;
    assert_false(await(CLOCK_SECOND, 3 * CLOCK_SECOND, CLOCK_SECOND));
    assert_true(now < 2 * CLOCK_SECOND + 3 * CLOCK_MILLISECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moment_is_not_slept_for),
        cmocka_unit_test(others_run_after_a_while),
        cmocka_unit_test(it_ends),
    };

    return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
