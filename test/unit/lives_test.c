/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Of several drivers that end one after the other, a client asks about the one that it had.
 */
#include <interface/lives.h>
#include <test/unit/cmocka.h>

static void who_is_there_is_not_gone(void **state)
{
    struct lives lives = {7, UINT32_MAX};

    (void)state;
    assert_false(lives_excused(&lives, 7));
    assert_false(lives_excused(&lives, 8));
}

static void each_is_told_apart(void **state)
{
    static const bool excused[] = {true, false, false, true, true, false};
    struct lives lives = {UINT32_MAX - 2, 0};
    uint32_t first = lives.ended;

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        lives_end(&lives, excused[i]);
        for (unsigned j = 0; j <= i; j++)
            assert_int_equal(lives_excused(&lives, first + j), excused[j]);
    }
}

/* It died by itself and the next one was killed, or the other way round. */
static void the_next_ones_end_does_not_matter(void **state)
{
    struct lives lives = {0};

    (void)state;
    lives_end(&lives, false);
    lives_end(&lives, true);
    assert_false(lives_excused(&lives, 0));
    lives_end(&lives, false);
    assert_true(lives_excused(&lives, 1));
}

static void what_is_long_ago_is_not_excused(void **state)
{
    struct lives lives = {0};

    (void)state;
    for (unsigned i = 0; i < LIVES_KNOWN; i++)
        lives_end(&lives, true);
    assert_true(lives_excused(&lives, 0));
    lives_end(&lives, true);
    assert_false(lives_excused(&lives, 0));
    assert_true(lives_excused(&lives, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_there_is_not_gone),
        cmocka_unit_test(each_is_told_apart),
        cmocka_unit_test(the_next_ones_end_does_not_matter),
        cmocka_unit_test(what_is_long_ago_is_not_excused),
    };

    return cmocka_run_group_tests_name("lives", tests, NULL, NULL);
}
