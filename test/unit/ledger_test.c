/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Checksums that are kept: on a disk that tears pages, fails, and forgets what was not flushed.
 */
#include <errno.h>
#include <string.h>

#include <service/integrity/checksum.h>
#include <service/integrity/ledger.h>
#include <test/unit/cmocka.h>

enum { PAGES = 9, BLOCKS = 8 * TABLE_PIECE_BLOCKS - 100 };

static struct {
    unsigned char media[PAGES][LEDGER_PAGE], cache[PAGES][LEDGER_PAGE];
    unsigned reads, writes, flushes, settles;
    int fails, unsettled;
    int flush_fails;
    bool fails_late; /* what is written is there although it failed */
    unsigned good;   /* writes that do not fail yet */
    uint64_t busy;   /* a block that is being written, or none */
    struct table *table;
    struct ledger ledger;
    struct block_info info[2];
} t;

static int disk_read(uint64_t page, void *data)
{
    assert_in_range(page, 0, PAGES - 1);
    t.reads++;
    memcpy(data, t.cache[page], LEDGER_PAGE);
    return 0;
}

static int disk_write(uint64_t page, const void *data)
{
    assert_in_range(page, 0, PAGES - 1);
    bool fails = t.fails && t.good == 0;
    t.good -= t.good > 0;
    if (fails && !t.fails_late)
        return t.fails;
    t.writes++;
    memcpy(t.cache[page], data, LEDGER_PAGE);
    return fails ? t.fails : 0;
}

static int disk_flush(void)
{
    if (t.flush_fails)
        return t.flush_fails;
    t.flushes++;
    memcpy(t.media, t.cache, sizeof(t.media));
    return 0;
}

static int disk_settle(void)
{
    t.settles++;
    return t.unsettled;
}

static struct ledger_disk disk = {PAGES, disk_read, disk_write, disk_flush, disk_settle};

/* A larger one. */
static int many_read(uint64_t page, void *data);
static int many_write(uint64_t page, const void *data);
static struct {
    unsigned char (*page)[LEDGER_PAGE];
    unsigned writes;
    struct ledger_disk disk;
} many = {.disk = {UINT32_MAX, many_read, many_write, disk_flush, disk_settle}};

static int many_read(uint64_t page, void *data)
{
    memcpy(data, many.page[page], LEDGER_PAGE);
    return 0;
}

static int many_write(uint64_t page, const void *data)
{
    many.writes++;
    memcpy(many.page[page], data, LEDGER_PAGE);
    return 0;
}

static bool is_writing(void *context, uint64_t first, uint64_t count)
{
    assert_ptr_equal(context, &t);
    return t.busy >= first && t.busy - first < count;
}

static int open_again(void)
{
    if (t.table)
        table_destroy(t.table);
    t.table = table_create(4);
    t.ledger = (struct ledger){.name = "sums", .disk = &disk, .table = t.table};
    t.reads = t.writes = t.flushes = t.settles = 0;
    return ledger_open(&t.ledger, t.info, 2, 77);
}

/* The power fails: what was not flushed is not there. */
static int power_fails(void)
{
    memcpy(t.cache, t.media, sizeof(t.cache));
    return open_again();
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    disk.pages = PAGES;
    t.busy = UINT64_MAX;
    t.info[0] = (struct block_info){.blocks = BLOCKS, .block_size = 512, .serial = "A"};
    t.info[1] = (struct block_info){.blocks = BLOCKS, .block_size = 512, .serial = "B"};
    return open_again();
}

static int teardown(void **state)
{
    (void)state;
    table_destroy(t.table);
    return 0;
}

static void save(bool rested)
{
    assert_true(ledger_save(&t.ledger, rested, is_writing, &t));
}

static void block_write(uint64_t block, uint32_t sum)
{
    assert_true(ledger_admit(&t.ledger, block, 1));
    table_set(t.table, block, 1, &sum);
}

static bool knows(uint64_t block, uint32_t wanted)
{
    uint32_t sum;

    ledger_load(&t.ledger, block, 1);
    if (!table_lookup(t.table, block, &sum))
        return false;
    assert_int_equal(sum, wanted);
    return true;
}

static void what_was_saved_is_known_again(void **state)
{
    (void)state;
    block_write(3, 33);
    block_write(BLOCKS - 1, 44);
    save(false);
    assert_int_equal(t.settles, 1);
    assert_int_equal(power_fails(), 0);
    assert_true(knows(3, 33));
    assert_true(knows(BLOCKS - 1, 44));
    assert_false(knows(4, 0));
    assert_int_equal(t.writes, 0);
}

static void what_is_being_written_is_not(void **state)
{
    (void)state;
    block_write(3, 33);
    save(false);
    block_write(3, 34); /* and no more */
    assert_int_equal(power_fails(), 0);
    assert_false(knows(3, 0));
    block_write(3, 35); /* from the other's page nothing is known, either */
    save(false);
    assert_int_equal(power_fails(), 0);
    assert_true(knows(3, 35));
}

/* Only the first write to a piece waits for the disk. */
static void a_page_is_cleared_once(void **state)
{
    (void)state;
    t.writes = t.flushes = 0;
    for (uint32_t block = 0; block < 100; block++)
        block_write(block, block);
    assert_int_equal(t.writes, 1);
    assert_int_equal(t.flushes, 1);
    assert_true(ledger_admit(&t.ledger, TABLE_PIECE_BLOCKS - 1, TABLE_PIECE_BLOCKS + 2));
    assert_int_equal(t.writes, 3); /* two further pieces */
    assert_int_equal(t.flushes, 2);
}

static void what_is_at_work_is_saved_later(void **state)
{
    (void)state;
    block_write(3, 33);
    block_write(TABLE_PIECE_BLOCKS, 44);
    save(true); /* both were written to since the last time */
    assert_int_equal(t.settles, 0);
    block_write(3, 34);
    save(true);
    assert_int_equal(t.settles, 1);
    t.busy = 5;
    save(true);
    t.busy = UINT64_MAX;
    assert_int_equal(power_fails(), 0);
    assert_false(knows(3, 0));
    assert_true(knows(TABLE_PIECE_BLOCKS, 44));
}

static void nothing_is_saved_before_the_disks_have_it(void **state)
{
    (void)state;
    block_write(3, 33);
    t.unsettled = EAGAIN;
    save(false);
    assert_int_equal(power_fails(), 0);
    assert_false(knows(3, 0));
    block_write(3, 33);
    save(false);
    t.unsettled = 0;
    save(false);
    assert_int_equal(power_fails(), 0);
    assert_true(knows(3, 33));
}

/* What only was read costs no flush of anybody's, and is saved when there is news. */
static void what_was_read_is_saved_once(void **state)
{
    const uint32_t sums[] = {1, 2, 3};

    (void)state;
    ledger_load(&t.ledger, 10, 3);
    table_set(t.table, 10, 3, sums);
    t.writes = 0;
    save(true);
    assert_int_equal(t.writes, 1);
    table_set(t.table, 10, 3, sums);
    save(true);
    assert_int_equal(t.writes, 1);
    assert_int_equal(power_fails(), 0);
    assert_true(knows(12, 3));
}

static void a_page_that_is_damaged_says_nothing(void **state)
{
    (void)state;
    block_write(3, 33);
    save(false);
    for (unsigned at = 0; at < LEDGER_PAGE; at += 64) {
        t.media[1][at] ^= 4;
        assert_int_equal(power_fails(), 0);
        assert_false(at < 2136 && knows(3, 33));
        t.media[1][at] ^= 4;
    }
    memcpy(t.media[2], t.media[1], LEDGER_PAGE); /* another's page */
    assert_int_equal(power_fails(), 0);
    assert_false(knows(TABLE_PIECE_BLOCKS + 3, 0));
    assert_true(knows(3, 33));
}

/* What it cannot take back must stay true. */
static void nothing_is_written_that_cannot_be_taken_back(void **state)
{
    (void)state;
    block_write(3, 33);
    save(false);
    block_write(TABLE_PIECE_BLOCKS, 1);
    t.fails = EIO;
    assert_false(ledger_admit(&t.ledger, 3, 1));
    assert_true(ledger_admit(&t.ledger, TABLE_PIECE_BLOCKS, 1)); /* that was already */
    t.fails = 0;
    assert_false(ledger_admit(&t.ledger, 3, 1));
    assert_int_equal(power_fails(), 0);
    assert_true(knows(3, 33));
}

/* What was refused as its page could not be cleared for good is refused again. */
static void what_is_not_cleared_for_good_is_not_open(void **state)
{
    (void)state;
    block_write(3, 33);
    save(false);
    t.flush_fails = EIO;
    assert_false(ledger_admit(&t.ledger, 3, 1));
    assert_false(ledger_admit(&t.ledger, 3, 1));
    t.flush_fails = 0;
    assert_int_equal(power_fails(), 0);
    assert_true(knows(3, 33));
}

/* Likewise if it is one of several. */
static void nor_is_what_was_cleared_before_another_could_not_be(void **state)
{
    (void)state;
    block_write(3, 33);
    save(false);
    t.fails = EIO;
    t.good = 1;
    assert_false(ledger_admit(&t.ledger, 3, TABLE_PIECE_BLOCKS));
    assert_false(ledger_admit(&t.ledger, 3, 1));
    t.fails = 0;
    assert_int_equal(power_fails(), 0);
    assert_true(knows(3, 33));
}

/* A page that is said not to be written may be there. */
static void what_may_be_saved_is_open_no_more(void **state)
{
    (void)state;
    block_write(3, 33);
    t.fails = EIO;
    t.fails_late = true;
    save(false);
    assert_false(ledger_admit(&t.ledger, 3, 1));
    t.fails = 0;
    disk_flush();
    assert_int_equal(power_fails(), 0);
    assert_true(knows(3, 33));
}

/* With more pieces than there is memory for in one write, each page is cleared, and what is known
 * of those that are left is true. */
static void a_write_of_more_pieces_than_there_are(void **state)
{
    enum { COUNT = BLOCKS };
    static uint32_t sums[COUNT];

    (void)state;
    for (unsigned piece = 0; piece < 8; piece++) {
        block_write(piece * TABLE_PIECE_BLOCKS, 1);
        save(false);
    }
    assert_true(ledger_admit(&t.ledger, 0, COUNT));
    assert_int_equal(power_fails(), 0);
    for (unsigned piece = 0; piece < 8; piece++)
        assert_false(knows(piece * TABLE_PIECE_BLOCKS, 0));

    assert_true(ledger_admit(&t.ledger, 0, COUNT));
    for (unsigned i = 0; i < COUNT; i++)
        sums[i] = i;
    table_set(t.table, 0, COUNT, sums);
    table_forget(t.table, COUNT - 1, 1);
    save(false);
    assert_int_equal(power_fails(), 0);
    assert_false(knows(0, 0)); /* made first, it had to go */
    assert_true(knows(COUNT - 2, COUNT - 2));
    assert_false(knows(COUNT - 1, 0));
}

/* Whatever way checksums are made, a page is right for both. */
static void pages_do_not_depend_on_the_processor(void **state)
{
    const uint32_t *words = (const uint32_t *)t.media[0];
    uint32_t by_table;

    (void)state;
    checksum_by_table(t.media[0], NULL, NULL, LEDGER_PAGE - 64, 1, &by_table);
    assert_int_equal(words[LEDGER_PAGE / 4 - 1], by_table);
}

static void more_than_there_is_memory_for(void **state)
{
    (void)state;
    for (unsigned piece = 0; piece < 8; piece++) {
        block_write(piece * TABLE_PIECE_BLOCKS, piece);
        save(false);
    }
    for (unsigned piece = 0; piece < 8; piece++)
        assert_true(knows(piece * TABLE_PIECE_BLOCKS, piece));
    block_write(0, 100); /* and is forgotten before it is saved */
    for (unsigned piece = 1; piece < 8; piece++)
        assert_true(knows(piece * TABLE_PIECE_BLOCKS, piece));
    assert_false(knows(0, 0));
}

/* Clients wait meanwhile. What is written to between two of several calls is not at rest. */
static void many_are_saved_in_several_calls(void **state)
{
    enum { PIECES = 2 * LEDGER_SAVES + 1 };
    static unsigned char pages[PIECES + 1][LEDGER_PAGE];

    (void)state;
    many.page = pages;
    t.ledger.disk = &many.disk;
    table_destroy(t.table);
    t.ledger.table = t.table = table_create(PIECES);
    for (unsigned piece = 0; piece < PIECES; piece++)
        block_write(piece * TABLE_PIECE_BLOCKS, piece);
    save(true); /* all were written to */
    assert_int_equal(t.settles, 0);
    many.writes = 0;
    assert_false(ledger_save(&t.ledger, true, is_writing, &t));
    assert_int_equal(many.writes, LEDGER_SAVES);
    assert_int_equal(t.settles, 1);
    block_write(0, 1000); /* of the next round */
    block_write((PIECES - 1) * TABLE_PIECE_BLOCKS, 1000);
    many.writes = 0;
    assert_false(ledger_save(&t.ledger, true, is_writing, &t));
    save(true);
    assert_int_equal(many.writes, LEDGER_SAVES);
    assert_int_equal(t.settles, 2);
    save(true);
    assert_int_equal(many.writes, LEDGER_SAVES + 1); /* the last one */
    for (unsigned piece = 0; piece < PIECES; piece++)
        block_write(piece * TABLE_PIECE_BLOCKS, 2);
    many.writes = 0;
    save(false);
    assert_int_equal(many.writes, PIECES);
}

static void it_is_for_these_disks_only(void **state)
{
    (void)state;
    t.info[1].serial[0] = 'C';
    assert_int_equal(open_again(), EEXIST);
    t.info[1].serial[0] = 'B';
    assert_int_equal(open_again(), 0);
    t.info[0].first = 1;
    assert_int_equal(open_again(), EEXIST);
    t.info[0].first = 0;
    t.cache[0][300] ^= 1;
    assert_int_equal(open_again(), EEXIST);
    memset(t.cache[0], 0, LEDGER_PAGE);
    assert_int_equal(open_again(), 0);
    disk.pages = PAGES - 1;
    assert_int_equal(open_again(), ENOSPC);
    disk.pages = 0;
    assert_int_equal(open_again(), ENOSPC);
}

/* Some leave the beginning of a disk as it was. Nothing is written there. */
static void what_begins_later_is_not_written_over(void **state)
{
    (void)state;
    for (unsigned page = 0; page < PAGES; page++) {
        memset(t.cache, 0, sizeof(t.cache));
        t.cache[page][0] = 1;
        assert_int_equal(open_again(), EEXIST);
        assert_int_equal(t.writes, 0);
    }
    memset(t.cache, 0, sizeof(t.cache));
    t.cache[5][600] = 1; /* of a page of ours that is torn */
    assert_int_equal(open_again(), 0);
}

/* Pages of before it was for these disks say nothing. */
static void pages_of_another_life_say_nothing(void **state)
{
    (void)state;
    block_write(3, 33);
    save(false);
    memset(t.media[0], 0, LEDGER_PAGE);
    memcpy(t.cache, t.media, sizeof(t.cache));
    if (t.table)
        table_destroy(t.table);
    t.table = table_create(4);
    t.ledger = (struct ledger){.name = "sums", .disk = &disk, .table = t.table};
    assert_int_equal(ledger_open(&t.ledger, t.info, 2, 78), 0);
    assert_false(knows(3, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_saved_is_known_again),
        TEST(what_is_being_written_is_not),
        TEST(a_page_is_cleared_once),
        TEST(what_is_at_work_is_saved_later),
        TEST(nothing_is_saved_before_the_disks_have_it),
        TEST(what_was_read_is_saved_once),
        TEST(a_page_that_is_damaged_says_nothing),
        TEST(nothing_is_written_that_cannot_be_taken_back),
        TEST(what_is_not_cleared_for_good_is_not_open),
        TEST(nor_is_what_was_cleared_before_another_could_not_be),
        TEST(what_may_be_saved_is_open_no_more),
        TEST(a_write_of_more_pieces_than_there_are),
        TEST(pages_do_not_depend_on_the_processor),
        TEST(more_than_there_is_memory_for),
        TEST(many_are_saved_in_several_calls),
        TEST(it_is_for_these_disks_only),
        TEST(what_begins_later_is_not_written_over),
        TEST(pages_of_another_life_say_nothing),
    };

    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
