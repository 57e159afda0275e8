/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The integrity filter's parts: checksums, the table of them, the choice between two copies.
 */
#include <string.h>

#include <service/integrity/checksum.h>
#include <service/integrity/mirror.h>
#include <test/unit/cmocka.h>

enum { BLOCK = 512 };

/* RFC 3720, B.4. */
static void checksums_are_castagnolis(void **state)
{
    unsigned char data[3 * 32];
    uint32_t sums[3];

    (void)state;
    memset(data, 0, 32);
    memset(data + 32, 0xff, 32);
    for (unsigned char i = 0; i < 32; i++)
        data[64 + i] = i;
    checksum_blocks(data, 32, 3, sums);
    assert_int_equal(sums[0], 0x8a9136aa);
    assert_int_equal(sums[1], 0x62a8ab43);
    assert_int_equal(sums[2], 0x46dd794e);
}

static void both_ways_agree(void **state)
{
    static unsigned char data[11 * 4096];
    uint32_t one[11], other[11];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i * i >> 3);
    for (size_t size = 512; size <= 4096; size *= 2) {
        checksum_blocks_by_table(data, size, 11, one);
        checksum_blocks(data, size, 11, other);
        assert_memory_equal(one, other, sizeof(one));
    }
}

static void the_table_knows_what_it_was_told(void **state)
{
    struct table *table = table_create(4);
    uint32_t sums[1000], sum;

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        sums[i] = i * 7;
    assert_false(table_lookup(table, 300, &sum));
    table_set(table, 300, 1000, sums);
    assert_true(table_knows_all(table, 300, 1000));
    assert_false(table_knows_all(table, 299, 2));
    assert_true(table_lookup(table, 800, &sum));
    assert_int_equal(sum, 500 * 7);
    assert_int_equal(table_mismatch(table, 300, 1000, sums), 1000);
    sums[777]++;
    assert_int_equal(table_mismatch(table, 300, 1000, sums), 777);
    table_forget(table, 1000, 100);
    assert_int_equal(table_mismatch(table, 300, 1000, sums), 1000);
    assert_false(table_knows_all(table, 300, 1000));
    table_set_all(table, 1000, 100, 9);
    assert_true(table_lookup(table, 1099, &sum));
    assert_int_equal(sum, 9);
    table_destroy(table);
}

/* Four pieces, and many more touched: what is left is right, and some of it is left. */
static void the_table_forgets_rather_than_grows(void **state)
{
    struct table *table = table_create(4);
    unsigned left = 0;

    (void)state;
    for (uint32_t piece = 0; piece < 100; piece++)
        table_set(table, (uint64_t)piece * TABLE_PIECE_BLOCKS, 1, &piece);
    for (uint32_t piece = 0; piece < 100; piece++) {
        uint32_t sum;
        if (!table_lookup(table, (uint64_t)piece * TABLE_PIECE_BLOCKS, &sum))
            continue;
        assert_int_equal(sum, piece);
        left++;
    }
    assert_int_equal(left, 4);
    table_destroy(table);
}

/* Two copies of one block: which is known, and what comes of it. */
static struct mirror_verdict merge(int left, int right, int known, unsigned prefer, int result)
{
    static unsigned char data[FILTER_DISKS][BLOCK];
    struct table *table = table_create(1);
    struct mirror_copies copies = {5, 1, BLOCK, {data[0], data[1]}, {left >= 0, right >= 0}};
    struct mirror_verdict verdict;
    uint32_t sum;

    if (known >= 0) {
        memset(data[0], known, BLOCK);
        checksum_blocks(data[0], BLOCK, 1, &sum);
        table_set(table, 5, 1, &sum);
    }
    memset(data[0], left, BLOCK);
    memset(data[1], right, BLOCK);
    mirror_merge(table, prefer, &copies, &verdict);
    if (verdict.outcome == MIRROR_SETTLED) {
        assert_int_equal(data[0][7], result);
        assert_true(table_lookup(table, 5, &sum));
    }
    table_destroy(table);
    return verdict;
}

static void copies_are_judged(void **state)
{
    static const struct {
        int left, right, known; /* -1: unreadable, not known */
        unsigned prefer;
        int result; /* -1: MIRROR_WRONG, -2: MIRROR_DIFFERS */
        unsigned wrong, lied;
    } cases[] = {
        {'a', 'a', 'a', 2, 'a', 0, 0}, {'a', 'b', 'a', 2, 'a', 2, 2}, {'b', 'a', 'a', 2, 'a', 1, 1},
        {'b', 'a', 'a', 0, 'a', 1, 1}, {'b', 'c', 'a', 0, -1, 0, 3},  {'b', 'b', 'a', 2, -1, 0, 3},
        {'a', 'a', -1, 2, 'a', 0, 0},  {'a', 'b', -1, 2, -2, 0, 0},   {'a', 'b', -1, 0, 'a', 2, 0},
        {'a', 'b', -1, 1, 'b', 1, 0},  {-1, 'a', -1, 2, 'a', 1, 0},   {'a', -1, -1, 2, 'a', 2, 0},
        {-1, 'a', 'a', 2, 'a', 1, 0},  {-1, 'b', 'a', 2, -1, 0, 2},   {-1, -1, 'a', 0, -1, 0, 0},
        {-1, -1, -1, 0, -1, 0, 0},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mirror_verdict verdict =
            merge(cases[i].left, cases[i].right, cases[i].known, cases[i].prefer, cases[i].result);
        assert_int_equal(verdict.outcome, cases[i].result == -1   ? MIRROR_WRONG
                                          : cases[i].result == -2 ? MIRROR_DIFFERS
                                                                  : MIRROR_SETTLED);
        assert_int_equal(verdict.wrong, cases[i].wrong);
        assert_int_equal(verdict.lied, cases[i].lied);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_are_castagnolis),
        cmocka_unit_test(both_ways_agree),
        cmocka_unit_test(the_table_knows_what_it_was_told),
        cmocka_unit_test(the_table_forgets_rather_than_grows),
        cmocka_unit_test(copies_are_judged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
