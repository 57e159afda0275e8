/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <server/hurd/names.h>

#include <test/unit/cmocka.h>

static void resolves(const struct names *names, const char *name, const char *device)
{
    char found[OUTBOARD_NAME_SIZE];

    assert_int_equal(names_resolve(names, name, found), 0);
    assert_string_equal(found, device);
}

static void names_stand_for_devices(void **state)
{
    struct names names;
    char device[OUTBOARD_NAME_SIZE], longest[80];

    (void)state;
    assert_int_equal(names_parse("wd0=nvme0n1  sd0=virtio-blk0 ", &names), 0);
    resolves(&names, "wd0", "nvme0n1");
    resolves(&names, "wd0s12", "nvme0n1p12");
    resolves(&names, "sd0s1", "virtio-blk0p1");
    resolves(&names, "wd01", "wd01");     /* another name that begins so */
    resolves(&names, "wd0s", "wd0s");     /* no number */
    resolves(&names, "wd0s1a", "wd0s1a"); /* nor here */
    resolves(&names, "nvme0n1p2", "nvme0n1p2");
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(names_resolve(&names, longest, device), ENAMETOOLONG);
}

static void devices_that_are_paged_to_are_known_by_any_name(void **state)
{
    struct names names;

    (void)state;
    assert_int_equal(
        names_parse("wd0=nvme0n1 paging=wd0s2 paging=virtio-blk0 paging=a paging=b", &names), 0);
    assert_int_equal(names.count, 1);
    assert_true(names_is_paged_to(&names, "nvme0n1p2"));
    assert_true(names_is_paged_to(&names, "virtio-blk0"));
    assert_false(names_is_paged_to(&names, "nvme0n1"));
    assert_false(names_is_paged_to(&names, "wd0s2")); /* a device's own name is meant */
    assert_int_equal(names_parse("paging=a paging=b paging=c paging=d paging=e", &names), ENOSPC);
    assert_int_equal(names_parse("paging=", &names), EINVAL);
    assert_int_equal(names_parse("wd0=nvme0n1", &names), 0);
    assert_false(names_is_paged_to(&names, "nvme0n1"));
}

static void what_is_no_list_is_refused(void **state)
{
    static const char *const wrong[] = {"wd0", "=nvme0n1", "wd0=", "wd0=nvme0n1 sd0"};
    char many[400] = "";
    struct names names;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(names_parse(wrong[i], &names), EINVAL);
    assert_int_equal(names_parse("", &names), 0);
    assert_int_equal(names.count, 0);
    for (int i = 0; i < NAMES_MAX; i++)
        strcat(many, "wd0=nvme0n1 ");
    assert_int_equal(names_parse(many, &names), 0);
    assert_int_equal(names_parse(strcat(many, "wd0=nvme0n1"), &names), ENOSPC);
}

static void only_harmless_devices_are_the_kernels(void **state)
{
    static const char *const kernels[] = {"console", "time", "kbd", "mouse",
                                          "com0",    "lpr0", "kmsg"};
    static const char *const not [] = {"mem", "irq", "", "com", "com10", "comx", "consoles", "hd0"};

    (void)state;
    for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++)
        assert_true(names_is_kernels(kernels[i]));
    for (size_t i = 0; i < sizeof(not ) / sizeof(not [0]); i++)
        assert_false(names_is_kernels(not [i]));
}

static void root_specifications(void **state)
{
    (void)state;
    assert_string_equal(names_root("device:wd0s1"), "wd0s1");
    assert_string_equal(names_root("part:2:device:wd0"), "wd0");
    assert_null(names_root("device:"));
    assert_null(names_root("part:device:wd0"));
    assert_null(names_root("part:2:file:wd0"));
    assert_null(names_root("wd0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_stand_for_devices),
        cmocka_unit_test(devices_that_are_paged_to_are_known_by_any_name),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(only_harmless_devices_are_the_kernels),
        cmocka_unit_test(root_specifications),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
