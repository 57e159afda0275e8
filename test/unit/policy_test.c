/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The supervisor's configuration, and what a driver finds of its settings.
 */
#include <errno.h>
#include <string.h>

#include <kit/core/setting.h>
#include <server/supervisor/policy.h>
#include <test/unit/cmocka.h>

static struct policy policy;
static char problem[200];

static int parse(const char *text)
{
    problem[0] = '\0';
    return policy_parse(text, strlen(text), &policy, problem, sizeof(problem));
}

static void a_whole_configuration_is_understood(void **state)
{
    (void)state;
    assert_int_equal(parse("[faults]\npolicy = stop\n[settings]\n"
                           "nvme = poll-from=0 gather=8\nahci = gather=2\n"),
                     0);
    assert_true(policy.faults_stop);
    assert_int_equal(policy.restart.quick, 8);
    assert_string_equal(policy_settings(&policy, "nvme"), "poll-from=0 gather=8");
    assert_string_equal(policy_settings(&policy, "ahci"), "gather=2");
    assert_string_equal(policy_settings(&policy, "nvm"), "");
}

static void restarts_are_limited(void **state)
{
    const struct restart_limits limits = {.quick = 3, .deaths = 5};
    const uint64_t second = UINT64_C(1000000000);
    struct restart restart = {0};
    const char *reason;
    uint64_t delay;

    (void)state;
    assert_int_equal(parse("[restart]\nquick = 0\ndeaths = 12\n"), 0);
    assert_int_equal(policy.restart.quick, 0);
    assert_int_equal(policy.restart.deaths, 12);
    assert_int_equal(policy.progress, 10000);
    assert_int_equal(parse("[restart]\nprogress = 250\n"), 0);
    assert_int_equal(policy.progress, 250);
    assert_int_equal(parse("[restart]\nprogress = 0\n"), EBADMSG);

    /* At once, then ever later, then not at all. */
    assert_true(restart_decide(&restart, &limits, 1, 0, &delay, &reason));
    assert_int_equal(delay, 0);
    assert_true(restart_decide(&restart, &limits, 2, 0, &delay, &reason));
    assert_int_equal(delay, 10 * 1000 * 1000);
    assert_true(restart_decide(&restart, &limits, 3, 0, &delay, &reason));
    assert_int_equal(delay, 20 * 1000 * 1000);
    assert_false(restart_decide(&restart, &limits, 4, 0, &delay, &reason));
    assert_string_equal(reason, "it dies as soon as it is started");

    /* Who may die often at once is made to wait, but not for ever. */
    struct restart patient = {0};
    for (unsigned i = 0; i < 100; i++)
        assert_true(
            restart_decide(&patient, &(struct restart_limits){1000, 1000}, i, 0, &delay, &reason));
    assert_int_equal(delay, UINT64_C(10240000000));

    /* A minute later it is another matter. */
    assert_true(restart_decide(&restart, &limits, 61 * second, 0, &delay, &reason));
    assert_int_equal(delay, 0);

    /* Who lives longer is restarted at once, but not without end. */
    restart = (struct restart){0};
    for (unsigned i = 0; i < 5; i++) {
        assert_true(restart_decide(&restart, &limits, i * second, second, &delay, &reason));
        assert_int_equal(delay, 0);
    }
    assert_false(restart_decide(&restart, &limits, 6 * second, second, &delay, &reason));
    assert_string_equal(reason, "it dies too often");
    restart = (struct restart){0};
    for (unsigned i = 0; i < 1000; i++)
        assert_true(restart_decide(&restart, &limits, i * 20 * second, second, &delay, &reason));
}

static void what_is_not_understood_changes_nothing(void **state)
{
    static const char *const texts[] = {
        "[faults]\npolicy = shrug\n",
        "[faults]\nstop = policy\n",
        "[faults]\npolicy = stop\n[other]\nkey = value\n",
        "[restart]\nquick = many\n",
        "[restart]\nslow = 1\n",
        "[settings]\na-program-whose-name-is-much-too-long-for-one = gather=1\n",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(parse(texts[i]), EBADMSG);
        assert_string_not_equal(problem, "");
        assert_false(policy.faults_stop);
        assert_int_equal(policy.setting_count, 0);
    }
    assert_int_equal(policy_parse("[faults]\0", 9, &policy, problem, sizeof(problem)), EBADMSG);
}

static void settings_are_found_by_their_whole_name(void **state)
{
    static const char text[] = "gather-us=250  gather=8 poll-from=x big=99999999999 empty= end=7";
    unsigned value = 1;

    (void)state;
    assert_true(setting_find(text, "gather", &value));
    assert_int_equal(value, 8);
    assert_true(setting_find(text, "gather-us", &value));
    assert_int_equal(value, 250);
    assert_true(setting_find(text, "end", &value));
    assert_int_equal(value, 7);
    assert_true(setting_find(text, "big", &value));
    assert_int_equal(value, UINT32_MAX);
    value = 3;
    assert_false(setting_find(text, "poll-from", &value));
    assert_false(setting_find(text, "empty", &value));
    assert_false(setting_find(text, "us", &value));
    assert_false(setting_find("", "end", &value));
    assert_int_equal(value, 3);
}

static void filters_are_named_with_their_disks(void **state)
{
    char word[8];

    (void)state;
    assert_int_equal(
        parse("[integrity]\nchecked0 = nvme0n1  sample=8 nvme1n1 \nhome = nvme2n1p1\n"), 0);
    assert_int_equal(policy.filter_count, 2);
    assert_string_equal(policy.filter[0].program, "checked0");
    assert_true(setting_word(policy.filter[0].text, 0, word, sizeof(word)));
    assert_string_equal(word, "nvme0n1");
    assert_true(setting_word(policy.filter[0].text, 1, word, sizeof(word)));
    assert_string_equal(word, "nvme1n1");
    assert_false(setting_word(policy.filter[0].text, 2, word, sizeof(word)));
    assert_true(setting_text("a sums=b sum=c", "sum", word, sizeof(word)));
    assert_string_equal(word, "c");
    assert_false(setting_text("a sums= b", "sums", word, sizeof(word)));
    assert_false(setting_text("a sums=bcdefghijklmnopqrstuvwxyz", "sums", word, 8));
    assert_false(setting_word(policy.filter[1].text, 0, word, sizeof(word))); /* no room */
    assert_int_equal(parse("[integrity]\na=x\nb=x\nc=x\nd=x\ne=x\n"), EBADMSG);
    assert_int_equal(policy.filter_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_configuration_is_understood),
        cmocka_unit_test(restarts_are_limited),
        cmocka_unit_test(what_is_not_understood_changes_nothing),
        cmocka_unit_test(settings_are_found_by_their_whole_name),
        cmocka_unit_test(filters_are_named_with_their_disks),
    };

    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
