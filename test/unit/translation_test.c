/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include <test/unit/cmocka.h>

/* The whole of it, to look into its tables. */
#include <server/io/translation.c>

/* Does the unit reach this address, and which memory is it? */
static bool translation_reaches(const struct translation *translation, uint64_t address,
                                uint64_t *physical)
{
    unsigned level, index;
    struct table *table =
        address < reach(translation) ? entry_find(translation, address, &level, &index) : NULL;

    if (!table)
        return false;
    *physical = (table->entries[index] & ENTRY_ADDRESS & ~(level_size(level) - 1)) +
                address % level_size(level);
    return true;
}

#define MIB UINT64_C(0x100000)

static unsigned pages, pages_limit;

static void *page_allocate(uint64_t *physical)
{
    void *page = pages < pages_limit ? aligned_alloc(4096, 4096) : NULL;

    if (page) {
        for (unsigned i = 0; i < 512; i++)
            ((uint64_t *)page)[i] = 0;
        pages++;
    }
    *physical = (uint64_t)(uintptr_t)page;
    return page;
}

static void page_release(void *page)
{
    free(page);
    pages--;
}

static const struct translation_memory memory = {page_allocate, page_release, NULL};

/* Walk the tables as the unit does (VT-d 3.7), not as the code under test does. */
static bool unit_walk(const struct translation *translation, uint64_t address, uint64_t *physical)
{
    const uint64_t *table = (const uint64_t *)(uintptr_t)translation_root(translation);

    for (unsigned level = translation_levels(translation); level > 0; level--) {
        uint64_t entry = table[address >> (12 + 9 * (level - 1)) & 511];
        uint64_t page = UINT64_C(1) << (12 + 9 * (level - 1));
        if ((entry & 3) != 3)
            return false;
        if (level == 1 || (entry & 0x80)) {
            *physical = (entry & UINT64_C(0xffffffffff000) & ~(page - 1)) + address % page;
            return true;
        }
        table = (const uint64_t *)(uintptr_t)(entry & ~UINT64_C(4095));
    }
    return false;
}

static void assert_maps(const struct translation *translation, uint64_t address, uint64_t expected)
{
    uint64_t by_unit = 1, by_code = 2;

    assert_true(unit_walk(translation, address, &by_unit));
    assert_true(translation_reaches(translation, address, &by_code));
    assert_int_equal(by_unit, expected);
    assert_int_equal(by_code, expected);
}

static void assert_unmapped(const struct translation *translation, uint64_t address)
{
    uint64_t physical;

    assert_false(unit_walk(translation, address, &physical));
    assert_false(translation_reaches(translation, address, &physical));
}

static void maps_what_was_asked_and_no_more(void **state)
{
    struct translation *translation;

    (void)state;
    pages_limit = 100;
    for (unsigned levels = 3; levels <= 4; levels++) {
        assert_int_equal(translation_create(&memory, levels, true, &translation), 0);
        assert_unmapped(translation, 0);
        assert_int_equal(translation_map(translation, 16 * MIB, 0x7000, 0x3000), 0);
        assert_maps(translation, 16 * MIB + 0x2fff, 0x7000 + 0x2fff);
        assert_unmapped(translation, 16 * MIB + 0x3000);
        assert_unmapped(translation, 16 * MIB - 1);
        translation_unmap(translation, 16 * MIB, 0x3000);
        assert_unmapped(translation, 16 * MIB);
        assert_unmapped(translation, 16 * MIB + 0x2000);
        translation_destroy(translation);
        assert_int_equal(pages, 0);
    }
}

static void large_pages_where_both_sides_are_aligned(void **state)
{
    struct translation *translation;

    (void)state;
    pages_limit = 100;
    assert_int_equal(translation_create(&memory, 3, true, &translation), 0);
    assert_int_equal(translation_map(translation, 32 * MIB, 64 * MIB, 4 * MIB + 0x1000), 0);
    assert_int_equal(pages, 3 + 0); /* root, middle, and one table for the odd page */
    assert_maps(translation, 35 * MIB + 5, 67 * MIB + 5);
    assert_maps(translation, 36 * MIB + 0xfff, 68 * MIB + 0xfff);
    assert_unmapped(translation, 36 * MIB + 0x1000);
    translation_unmap(translation, 32 * MIB, 4 * MIB + 0x1000);
    assert_unmapped(translation, 32 * MIB);
    assert_unmapped(translation, 36 * MIB);

    /* Where a table of small pages was left behind, a large mapping still works. */
    assert_int_equal(translation_map(translation, 36 * MIB, 128 * MIB, 2 * MIB), 0);
    assert_maps(translation, 37 * MIB, 129 * MIB);
    translation_destroy(translation);
    assert_int_equal(pages, 0);
}

static void refuses_and_leaves_nothing_behind(void **state)
{
    struct translation *translation;

    (void)state;
    pages_limit = 100;
    assert_int_equal(translation_create(&memory, 3, false, &translation), 0);
    assert_int_equal(translation_map(translation, 0x1001, 0, 0x1000), EINVAL);
    assert_int_equal(translation_map(translation, 0x1000, 0, 0), EINVAL);
    assert_int_equal(translation_map(translation, 0x1000, 0, 0x1800), EINVAL);
    assert_int_equal(translation_map(translation, UINT64_C(1) << 39, 0, 0x1000), EINVAL);
    assert_int_equal(translation_map(translation, (UINT64_C(1) << 39) - 0x1000, 0, 0x2000), EINVAL);
    assert_int_equal(translation_map(translation, 0x1000, UINT64_MAX - 0xfff, 0x1000), EINVAL);

    assert_int_equal(translation_map(translation, 0x4000, 0x4000, 0x1000), 0);
    assert_int_equal(translation_map(translation, 0x2000, 0x8000, 0x4000), EEXIST);
    assert_unmapped(translation, 0x2000);
    assert_unmapped(translation, 0x3000);
    assert_maps(translation, 0x4000, 0x4000);

    pages_limit = pages; /* no memory for another table */
    assert_int_equal(translation_map(translation, 0x1ff000, 0x8000, 0x2000), ENOMEM);
    assert_unmapped(translation, 0x1ff000);
    translation_destroy(translation);
    assert_int_equal(pages, 0);

    pages_limit = 0;
    assert_int_equal(translation_create(&memory, 3, false, &translation), ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_what_was_asked_and_no_more),
        cmocka_unit_test(large_pages_where_both_sides_are_aligned),
        cmocka_unit_test(refuses_and_leaves_nothing_behind),
    };

    return cmocka_run_group_tests_name("translation", tests, NULL, NULL);
}
