/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include <server/resource/map.h>
#include <test/unit/cmocka.h>

static int owner_a, owner_b;

static void claims_do_not_overlap(void **state)
{
    struct resource_map map = {0};
    const struct resource_range *conflict;

    (void)state;
    assert_int_equal(resource_map_claim(&map, 0x2000, 0x1000, &owner_a, "a", NULL), 0);
    assert_int_equal(resource_map_claim(&map, 0x1000, 0x1000, &owner_b, "b", NULL), 0);
    assert_int_equal(resource_map_claim(&map, 0x3000, 0x1000, &owner_b, "b", NULL), 0);

    assert_int_equal(resource_map_claim(&map, 0x2fff, 1, &owner_b, "c", &conflict), EBUSY);
    assert_string_equal(conflict->name, "a");
    assert_int_equal(resource_map_claim(&map, 0, 0x1001, &owner_b, "c", &conflict), EBUSY);
    assert_string_equal(conflict->name, "b");
    assert_int_equal(resource_map_claim(&map, 0, UINT64_MAX, &owner_b, "c", NULL), EBUSY);

    resource_map_release(&map, &owner_b);
    assert_int_equal(resource_map_claim(&map, 0x3000, 0x1000, &owner_a, "a", NULL), 0);
    resource_map_release(&map, &owner_a);
    assert_null(map.first);
}

static void ends_of_the_space_do_not_wrap(void **state)
{
    struct resource_map map = {0};

    (void)state;
    assert_int_equal(resource_map_claim(&map, UINT64_MAX, 2, &owner_a, "a", NULL), EINVAL);
    assert_int_equal(resource_map_claim(&map, 8, UINT64_MAX, &owner_a, "a", NULL), EINVAL);
    assert_int_equal(resource_map_claim(&map, 0, 0, &owner_a, "a", NULL), EINVAL);
    assert_int_equal(resource_map_claim(&map, UINT64_MAX, 1, &owner_a, "a", NULL), 0);
    assert_non_null(resource_map_find(&map, UINT64_MAX - 1, 100, &owner_b));
    assert_null(resource_map_find(&map, UINT64_MAX - 1, 1, &owner_b));
    assert_null(resource_map_find(&map, UINT64_MAX - 1, 100, &owner_a));
    resource_map_release(&map, &owner_a);
}

static void one_range_is_released_by_its_base(void **state)
{
    struct resource_map map = {0};

    (void)state;
    assert_int_equal(resource_map_claim(&map, 0x1000, 0x1000, &owner_a, "a", NULL), 0);
    assert_int_equal(resource_map_claim(&map, 0x2000, 0x1000, &owner_a, "a", NULL), 0);
    resource_map_release_range(&map, 0x1000);
    resource_map_release_range(&map, 0x1800); /* no range begins there */
    assert_null(resource_map_find(&map, 0x1000, 0x1000, NULL));
    assert_non_null(resource_map_find(&map, 0x2000, 1, NULL));
    resource_map_release(&map, &owner_a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_do_not_overlap),
        cmocka_unit_test(ends_of_the_space_do_not_wrap),
        cmocka_unit_test(one_range_is_released_by_its_base),
    };

    return cmocka_run_group_tests_name("resource map", tests, NULL, NULL);
}
