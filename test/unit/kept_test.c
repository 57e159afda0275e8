/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The disk of the filter's checksums: what is saved when, and what is not.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/clock.h>
#include <service/integrity/kept.h>
#include <service/integrity/sessions.h>
#include <service/integrity/work.h>
#include <test/unit/cmocka.h>

enum { BLOCKS = 4 * TABLE_PIECE_BLOCKS, SUMS_BLOCKS = 64 };

struct block_client {
    char name[8];
    struct block_info info;
    unsigned flushes;
    struct block_client_counts counts;
};

static struct {
    struct filter filter;
    struct block_client sums, disk[FILTER_DISKS];
    unsigned char media[SUMS_BLOCKS * 512], page[LEDGER_PAGE];
    uint32_t block_size; /* of the disk for checksums */
    bool writing, repeats, lacks, closing;
    uint64_t oldest;
    bool sums_read_only;
    struct clock_timer *timer;
    uint64_t after;
} t;

void clock_timer_start(struct clock_timer *timer, uint64_t after, void (*expired)(void *),
                       void *context)
{
    *timer = (struct clock_timer){.expired = expired, .context = context};
    t.timer = timer;
    t.after = after;
}

bool filter_is_writing(void *filter, uint64_t first, uint64_t count)
{
    assert_ptr_equal(filter, &t.filter);
    assert_true(first < BLOCKS && count == TABLE_PIECE_BLOCKS);
    return t.writing;
}

uint64_t filter_oldest(const struct filter *filter)
{
    assert_ptr_equal(filter, &t.filter);
    return t.oldest;
}

bool sessions_may_repeat(uint64_t first, uint64_t count, struct table *table)
{
    assert_true(first < BLOCKS && count == TABLE_PIECE_BLOCKS);
    assert_true(t.closing ? !table : table == t.filter.table);
    return t.repeats;
}

bool disk_is_there(const struct filter *filter, unsigned disk)
{
    return disk < filter->disk_count && !filter->disk[disk].dropped;
}

bool sessions_lack_driver(void)
{
    return t.lacks;
}

/* Who only flushes does not open for writing, for which copies would be kept. */
int block_client_open(const char *name, bool write, struct block_client **result)
{
    bool is_sums = strcmp(name, "sums") == 0;
    unsigned disk = strcmp(name, "disk1") == 0;

    assert_int_equal(write, is_sums);
    if (is_sums && t.sums_read_only)
        return EROFS;
    *result = is_sums ? &t.sums : &t.disk[disk];
    (*result)->info.block_size = is_sums ? t.block_size : 512;
    (*result)->info.blocks = is_sums ? sizeof(t.media) / t.block_size : BLOCKS;
    return 0;
}

const struct block_info *block_client_info(const struct block_client *client)
{
    return &client->info;
}

int block_client_buffer(struct block_client *client, size_t size, void **memory, uint32_t *buffer)
{
    assert_ptr_equal(client, &t.sums);
    assert_int_equal(size, LEDGER_PAGE);
    *memory = t.page;
    *buffer = 5;
    return 0;
}

struct block_client_counts block_client_counts(const struct block_client *client)
{
    return client->counts;
}

int block_client_transfer(struct block_client *client, enum block_operation operation,
                          uint64_t block, uint64_t count, uint32_t buffer, uint64_t offset)
{
    size_t at = (size_t)block * t.block_size;

    if (operation == BLOCK_FLUSH) {
        client->flushes++;
        return 0;
    }
    assert_ptr_equal(client, &t.sums);
    assert_true(buffer == 5 && offset == 0 && count * t.block_size == LEDGER_PAGE);
    assert_true(at <= sizeof(t.media) - LEDGER_PAGE);
    if (operation == BLOCK_READ)
        memcpy(t.page, t.media + at, LEDGER_PAGE);
    else
        memcpy(t.media + at, t.page, LEDGER_PAGE);
    return 0;
}

static int begin(uint32_t block_size)
{
    static const struct block_info info[FILTER_DISKS] = {{.blocks = BLOCKS, .block_size = 512},
                                                         {.blocks = BLOCKS, .block_size = 512}};

    t.block_size = block_size;
    t.filter.disk_count = 2;
    t.filter.table = table_create(8);
    return kept_open(&t.filter, "nvme2n1", info);
}

static int teardown(void **state)
{
    (void)state;
    table_destroy(t.filter.table);
    memset(&t, 0, sizeof(t));
    return 0;
}

static void block_write(uint64_t block, uint32_t sum)
{
    assert_true(ledger_admit(t.filter.ledger, block, 1));
    table_set(t.filter.table, block, 1, &sum);
}

/* Nothing is sure about drivers then. */
static void kept_end(void)
{
    t.closing = true;
    kept_close(&t.filter);
    t.closing = false;
}

/* Whether the piece's page says anything. */
static bool is_saved(unsigned piece)
{
    uint64_t magic;

    memcpy(&magic, t.media + (size_t)(piece + 1) * LEDGER_PAGE, sizeof(magic));
    return magic != 0;
}

static void ring(void)
{
    t.timer->expired(t.timer->context);
}

static void what_rests_is_saved(void **state)
{
    (void)state;
    for (uint32_t size = 512; size <= LEDGER_PAGE; size *= 2) {
        assert_int_equal(begin(size), 0);
        block_write(3, 33);
        ring();
        assert_false(is_saved(0)); /* it was written to just now */
        ring();
        assert_true(is_saved(0));
        assert_false(is_saved(1));
        assert_int_equal(t.disk[0].flushes, 1);
        assert_int_equal(t.disk[1].flushes, 1);
        t.filter.disk[1].dropped = true;
        block_write(3, 34);
        ring();
        ring();
        assert_true(is_saved(0));
        assert_int_equal(t.disk[1].flushes, 1);
        teardown(NULL);
    }
    assert_int_equal(begin(512), 0);
}

/* The next driver may write it again, over what was written last. */
static void what_is_not_flushed_by_its_client_is_not(void **state)
{
    (void)state;
    assert_int_equal(begin(512), 0);
    block_write(3, 33);
    t.repeats = true;
    ring();
    ring();
    kept_end();
    assert_false(is_saved(0));
    t.repeats = false;
    t.writing = true;
    ring();
    assert_false(is_saved(0));
    t.writing = false;
    ring();
    assert_true(is_saved(0));
}

/* What the device forgot is being written again, or will be. */
static void nor_is_anything_right_after_a_drivers_death(void **state)
{
    (void)state;
    assert_int_equal(begin(512), 0);
    block_write(3, 33);
    ring();
    t.disk[1].counts.recoveries++;
    ring();
    assert_false(is_saved(0));
    t.disk[0].counts.recoveries++;
    t.repeats = true;
    kept_end(); /* no time passes */
    assert_false(is_saved(0));
    t.repeats = false;
    kept_end();
    assert_true(is_saved(0));
}

/* Otherwise nobody would complain of its driver. */
static void a_request_that_does_not_end_is_waited_for(void **state)
{
    (void)state;
    assert_int_equal(begin(512), 0);
    ring();
    ring();
    assert_int_equal(t.disk[0].flushes, 0);
    for (t.oldest = 1; t.oldest < 4; t.oldest++)
        ring();
    assert_int_equal(t.disk[0].flushes, 0);
    t.lacks = true; /* nor for a driver that is being started */
    ring();
    ring();
    assert_int_equal(t.disk[0].flushes, 0);
    t.lacks = false;
    ring();
    assert_int_equal(t.disk[0].flushes, 1);
    assert_int_equal(t.disk[1].flushes, 1);
    t.oldest = 0;
    ring();
    assert_int_equal(t.disk[0].flushes, 1);
}

/* If that shows another driver, the sessions have not heard of it yet. */
static void what_was_found_hung_is_not_saved_at_once(void **state)
{
    (void)state;
    assert_int_equal(begin(512), 0);
    block_write(3, 33);
    t.oldest = 7;
    ring();
    t.disk[0].counts.recoveries++;
    ring();
    assert_false(is_saved(0));
    ring();
    assert_true(is_saved(0));
}

static void some_disks_do_not_do(void **state)
{
    (void)state;
    assert_int_equal(begin(2 * LEDGER_PAGE), EINVAL);
    assert_null(t.filter.ledger);
    kept_close(&t.filter);
    teardown(NULL);
    t.sums_read_only = true;
    assert_int_equal(begin(512), EROFS);
    assert_null(t.filter.ledger);
    teardown(NULL);
    memset(t.media, 1, sizeof(t.media));
    assert_int_equal(begin(512), EEXIST);
    assert_null(t.filter.ledger);
    assert_null(t.timer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_rests_is_saved, teardown),
        cmocka_unit_test_teardown(what_is_not_flushed_by_its_client_is_not, teardown),
        cmocka_unit_test_teardown(nor_is_anything_right_after_a_drivers_death, teardown),
        cmocka_unit_test_teardown(a_request_that_does_not_end_is_waited_for, teardown),
        cmocka_unit_test_teardown(what_was_found_hung_is_not_saved_at_once, teardown),
        cmocka_unit_test_teardown(some_disks_do_not_do, teardown),
    };

    return cmocka_run_group_tests_name("kept", tests, NULL, NULL);
}
