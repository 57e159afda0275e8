/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The integrity filter's parts: checksums, the table of them, the choice between two copies.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <service/integrity/checksum.h>
#include <service/integrity/mirror.h>
#include <service/integrity/pages.h>
#include <test/unit/cmocka.h>

enum { BLOCK = 512 };

/* RFC 3720, B.4: shorter than blocks are by instruction, which agrees (below). */
static void checksums_are_castagnolis(void **state)
{
    unsigned char data[3 * 32];
    uint32_t sums[3];

    (void)state;
    memset(data, 0, 32);
    memset(data + 32, 0xff, 32);
    for (unsigned char i = 0; i < 32; i++)
        data[64 + i] = i;
    checksum_by_table(data, NULL, NULL, 32, 3, sums);
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
        checksum_by_table(data, NULL, NULL, size, 11, one);
        checksum_blocks(data, size, 11, other);
        assert_memory_equal(one, other, sizeof(one));
    }
}

/* To one place and to two, one way and the other, and nothing beside them. */
static void copies_are_of_what_was_summed(void **state)
{
    enum { COUNT = 7, SIZE = COUNT * BLOCK, SPACE = SIZE + 16 };
    static unsigned char from[SPACE], to[SPACE], also[SPACE], around[8];
    uint32_t sums[COUNT], wanted[COUNT];

    (void)state;
    for (size_t i = 0; i < SPACE; i++)
        from[i] = (unsigned char)(i * i >> 3);
    checksum_blocks(from + 4, BLOCK, COUNT, wanted);
    for (unsigned way = 0; way < 4; way++) {
        memset(to, 0, SPACE);
        memset(also, 0, SPACE);
        (way < 2 ? checksum_by_table : checksum_copy)(from + 4, to + 8, way % 2 ? also + 4 : NULL,
                                                      BLOCK, COUNT, sums);
        assert_memory_equal(sums, wanted, sizeof(sums));
        assert_memory_equal(to, around, 8);
        assert_memory_equal(to + 8, from + 4, SIZE);
        assert_memory_equal(to + 8 + SIZE, around, 8);
        assert_memory_equal(also, around, 4);
        assert_memory_equal(also + 4, way % 2 ? from + 4 : to + SPACE, way % 2 ? SIZE : 8);
        assert_memory_equal(also + 4 + SIZE, around, 8);
    }
}

static volatile uint64_t changing[8 * BLOCK / 8];
static int running; /* 1: it writes; 2: it is to end */

static void *change(void *context)
{
    (void)context;
    for (uint64_t value = 1; __atomic_load_n(&running, __ATOMIC_ACQUIRE) != 2; value++) {
        changing[value * 7 % (8 * BLOCK / 8)] = value;
        if (value == 1)
            __atomic_store_n(&running, 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

/* What is settled is what is noted. */
static void merge_changing(unsigned char *to)
{
    const unsigned char *data = (const unsigned char *)changing;
    struct table *table = table_create(1);
    struct mirror_copies copies = {5, 8, BLOCK, {data, data}, {true, true}, to};
    struct mirror_verdict verdict;
    uint32_t sums[8];

    mirror_merge(table, 1, &copies, &verdict);
    assert_int_equal(verdict.outcome, MIRROR_SETTLED);
    checksum_blocks(to, BLOCK, 8, sums);
    assert_true(table_knows_all(table, 5, 8));
    assert_int_equal(table_mismatch(table, 5, 8, sums), 8);
    table_destroy(table);
}

/* A device that writes meanwhile: the sums are of the copy, whatever it is. */
static void what_changes_is_read_once(void **state)
{
    static unsigned char to[8 * BLOCK];
    uint32_t sums[8], wanted[8];
    pthread_t thread;

    (void)state;
    running = 0;
    assert_int_equal(pthread_create(&thread, NULL, change, NULL), 0);
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) == 0)
        sched_yield();
    for (unsigned i = 0; i < 3000; i++) {
        (i % 2 ? checksum_copy : checksum_by_table)((const void *)changing, to, NULL, BLOCK, 8,
                                                    sums);
        checksum_blocks(to, BLOCK, 8, wanted);
        assert_memory_equal(sums, wanted, sizeof(sums));
    }
    for (unsigned i = 0; i < 3000; i++)
        merge_changing(to);
    __atomic_store_n(&running, 2, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
}

/* Beside a plain list of which is whose. */
static void pages_are_given_once(void **state)
{
    enum { HOLDERS = 40 };
    struct pages pages;
    bool used[PAGES_COUNT] = {false};
    struct {
        unsigned first, count;
    } held[HOLDERS] = {{0, 0}};

    (void)state;
    pages_init(&pages);
    srand(1);
    for (unsigned i = 0; i < 100000; i++) {
        unsigned who = (unsigned)rand() % HOLDERS, count = 1 + (unsigned)rand() % PAGES_RUN;
        if (held[who].count > 0) {
            pages_give(&pages, held[who].first, held[who].count);
            for (unsigned at = 0; at < held[who].count; at++)
                used[held[who].first + at] = false;
            held[who].count = 0;
            continue;
        }
        int first = pages_take(&pages, count);
        if (first < 0)
            continue;
        assert_true((unsigned)first + count <= PAGES_COUNT);
        for (unsigned at = 0; at < count; at++) {
            assert_false(used[(unsigned)first + at]);
            used[(unsigned)first + at] = true;
        }
        held[who].first = (unsigned)first;
        held[who].count = count;
    }
    for (unsigned who = 0; who < HOLDERS; who++) {
        if (held[who].count > 0)
            pages_give(&pages, held[who].first, held[who].count);
    }
    for (unsigned i = 0; i < PAGES_COUNT / PAGES_RUN; i++)
        assert_true(pages_take(&pages, PAGES_RUN) >= 0);
    assert_int_equal(pages_take(&pages, 1), -1);
}

/* Of whatever length: the one that there is. */
static void a_run_that_just_fits_is_found(void **state)
{
    struct pages pages;

    (void)state;
    for (unsigned count = 1; count <= PAGES_RUN; count++) {
        pages_init(&pages);
        for (unsigned i = 0; i < PAGES_COUNT; i++)
            assert_int_equal(pages_take(&pages, 1), i);
        unsigned first = PAGES_RUN + PAGES_RUN - count;
        pages_give(&pages, first, count);
        if (count < PAGES_RUN)
            assert_int_equal(pages_take(&pages, count + 1), -1);
        assert_int_equal(pages_take(&pages, count), first);
        assert_int_equal(pages_take(&pages, 1), -1);
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
    static unsigned char data[FILTER_DISKS][BLOCK], settled[BLOCK];
    struct table *table = table_create(1);
    struct mirror_copies copies = {5,      1, BLOCK, {data[0], data[1]}, {left >= 0, right >= 0},
                                   settled};
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
        assert_int_equal(settled[7], result);
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
        cmocka_unit_test(copies_are_of_what_was_summed),
        cmocka_unit_test(what_changes_is_read_once),
        cmocka_unit_test(pages_are_given_once),
        cmocka_unit_test(a_run_that_just_fits_is_found),
        cmocka_unit_test(the_table_knows_what_it_was_told),
        cmocka_unit_test(the_table_forgets_rather_than_grows),
        cmocka_unit_test(copies_are_judged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
