/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The supervisor's configuration, and what a driver finds of its settings.
 */
#include <errno.h>
#include <string.h>

#include <kit/setting.h>
#include <server/supervisor/policy.h>
#include <test/unit/cmocka.h>

static struct policy policy;
static char problem[160];

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
    assert_string_equal(policy_settings(&policy, "nvme"), "poll-from=0 gather=8");
    assert_string_equal(policy_settings(&policy, "ahci"), "gather=2");
    assert_string_equal(policy_settings(&policy, "nvm"), "");
}

static void what_is_not_understood_changes_nothing(void **state)
{
    static const char *const texts[] = {
        "[faults]\npolicy = shrug\n",
        "[faults]\nstop = policy\n",
        "[faults]\npolicy = stop\n[other]\nkey = value\n",
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_configuration_is_understood),
        cmocka_unit_test(what_is_not_understood_changes_nothing),
        cmocka_unit_test(settings_are_found_by_their_whole_name),
    };

    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
