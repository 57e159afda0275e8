/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Checksums that are kept, at random: whatever fails and whenever the power does, what is known is
 * what the disk has.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <service/integrity/ledger.h>
#include <test/unit/cmocka.h>

enum {
    PIECES = 6,
    MEMORY = 3, /* pieces that there is memory for */
    BLOCKS = PIECES * TABLE_PIECE_BLOCKS,
    WRITES = 4, /* under way together */
    SECTOR = 512,
};

/* A block has a number, which is its checksum. */
static struct {
    unsigned random;
    uint32_t media[BLOCKS], cache[BLOCKS];
    unsigned char sums_media[PIECES + 1][LEDGER_PAGE], sums_cache[PIECES + 1][LEDGER_PAGE];
    struct write {
        bool is_zeroing;
        uint64_t first;
        unsigned count; /* 0: none */
        uint32_t value;
    } write[WRITES];
    struct table *table;
    struct ledger ledger;
    unsigned failures; /* one in so many of what is asked of the disk of checksums; 0: none */
    unsigned known, unknown, refused, saved;
} t;

static unsigned random_below(unsigned limit)
{
    t.random = t.random * 1664525 + 1013904223;
    return (t.random >> 8) % limit;
}

static bool fails(void)
{
    return t.failures != 0 && random_below(t.failures) == 0;
}

/* All of a page, most or none. */
static void page_copy(void *to, const void *from)
{
    unsigned odds = random_below(3); /* of a sector: in two */

    for (unsigned at = 0; at < LEDGER_PAGE; at += SECTOR) {
        if (random_below(2) < odds)
            memcpy((unsigned char *)to + at, (const unsigned char *)from + at, SECTOR);
    }
}

/* A cache is written back when it likes. */
static void some_written_back(void)
{
    for (unsigned page = 0; page <= PIECES; page++)
        page_copy(t.sums_media[page], t.sums_cache[page]);
    for (unsigned block = 0; block < BLOCKS; block++) {
        if (random_below(4) == 0)
            t.media[block] = t.cache[block];
    }
}

static int disk_read(uint64_t page, void *data)
{
    memcpy(data, t.sums_cache[page], LEDGER_PAGE);
    return 0;
}

static int disk_write(uint64_t page, const void *data)
{
    bool error = fails();

    if (error)
        page_copy(t.sums_cache[page], data);
    else
        memcpy(t.sums_cache[page], data, LEDGER_PAGE);
    t.saved += !error;
    if (random_below(8) == 0)
        some_written_back();
    return error ? EIO : 0;
}

static int disk_flush(void)
{
    if (fails())
        return EIO;
    memcpy(t.sums_media, t.sums_cache, sizeof(t.sums_media));
    return 0;
}

static int disk_settle(void)
{
    if (random_below(8) == 0)
        return EAGAIN;
    memcpy(t.media, t.cache, sizeof(t.media));
    return 0;
}

static const struct ledger_disk disk = {PIECES + 1, disk_read, disk_write, disk_flush, disk_settle};

static bool is_writing(void *context, uint64_t first, uint64_t count)
{
    (void)context;
    for (unsigned i = 0; i < WRITES; i++) {
        if (t.write[i].count > 0 && t.write[i].first < first + count &&
            first < t.write[i].first + t.write[i].count)
            return true;
    }
    return false;
}

static void range_make(uint64_t *first, unsigned *count)
{
    *count = 1 + random_below(random_below(2) == 0 ? 2000 : 40);
    *first = random_below(BLOCKS - *count);
}

static void write_begin(struct write *write)
{
    struct write next = {.is_zeroing = random_below(4) == 0, .value = random_below(1000)};
    uint32_t sums[2000];

    range_make(&next.first, &next.count);
    if (is_writing(NULL, next.first, next.count))
        return;
    *write = next; /* as in the filter: before it is admitted */
    bool may = ledger_admit(&t.ledger, next.first, next.count);
    if (!may) {
        t.refused++;
        next.count = write->count = 1; /* who tries again may have less to write */
        may = ledger_admit(&t.ledger, next.first, next.count);
    }
    if (!may) {
        write->count = 0;
        return;
    }
    for (unsigned i = 0; i < next.count; i++)
        sums[i] = next.value;
    if (next.is_zeroing)
        table_set_all(t.table, next.first, next.count, next.value);
    else
        table_set(t.table, next.first, next.count, sums);
}

/* Some is there before it is done, and if it failed. */
static void write_do(const struct write *write, bool all)
{
    for (unsigned i = 0; i < write->count; i++) {
        if (all || random_below(2) == 0)
            t.cache[write->first + i] = write->value;
    }
}

static void write_end(struct write *write)
{
    bool good = random_below(4) != 0;

    write_do(write, good);
    if (!good)
        table_forget(t.table, write->first, write->count);
    write->count = 0;
}

static void read_some(void)
{
    uint64_t first;
    unsigned count;

    range_make(&first, &count);
    if (is_writing(NULL, first, count))
        return;
    ledger_load(&t.ledger, first, count);
    assert_int_equal(table_mismatch(t.table, first, count, t.cache + first), count);
    table_set(t.table, first, count, t.cache + first);
}

static void start(void)
{
    static const struct block_info info = {.blocks = BLOCKS, .block_size = 512, .serial = "A"};

    if (t.table)
        table_destroy(t.table);
    t.table = table_create(MEMORY);
    t.ledger = (struct ledger){.name = "sums", .disk = &disk, .table = t.table};
    unsigned failures = t.failures;
    t.failures = 0;
    assert_int_equal(ledger_open(&t.ledger, &info, 1, 77), 0);
    t.failures = failures;
}

/* What was under way is there in part, and of what was not flushed some. */
static void power_fails(void)
{
    for (unsigned i = 0; i < WRITES; i++) {
        write_do(&t.write[i], false);
        t.write[i].count = 0;
    }
    some_written_back();
    memcpy(t.cache, t.media, sizeof(t.cache));
    memcpy(t.sums_cache, t.sums_media, sizeof(t.sums_cache));
    start();
    for (unsigned block = 0; block < BLOCKS; block++) {
        uint32_t sum;
        ledger_load(&t.ledger, block, 1);
        bool known = table_lookup(t.table, block, &sum);
        if (known)
            assert_int_equal(sum, t.cache[block]);
        t.known += known;
        t.unknown += !known;
    }
}

static void run(unsigned seed, unsigned failures)
{
    enum { LIVES = 40, STEPS = 60 };

    memset(&t, 0, sizeof(t));
    t.random = seed;
    t.failures = failures;
    start();
    for (unsigned life = 0; life < LIVES; life++) {
        for (unsigned steps = random_below(STEPS); steps > 0; steps--) {
            struct write *write = &t.write[random_below(WRITES)];
            switch (random_below(6)) {
            case 0:
                ledger_save(&t.ledger, random_below(4) != 0, is_writing, NULL);
                break;
            case 1:
                read_some();
                break;
            case 2:
                some_written_back();
                break;
            default:
                if (write->count > 0)
                    write_end(write);
                else
                    write_begin(write);
            }
        }
        power_fails();
    }
    table_destroy(t.table);
    assert_true(t.known > 0 && t.unknown > 0 && t.saved > 0);
    assert_true(failures > 0 || t.refused == 0);
}

static void what_is_known_is_so(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++)
        run(seed, 0);
}

static void also_if_its_disk_fails(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 200; seed++)
        run(seed, 20 + seed % 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_known_is_so),
        cmocka_unit_test(also_if_its_disk_fails),
    };

    return cmocka_run_group_tests_name("ledger-random", tests, NULL, NULL);
}
