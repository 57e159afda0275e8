/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The integrity filter over disks that lie, forget, fail and rot.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/core/block.h>
#include <service/integrity/filter.h>
#include <test/unit/cmocka.h>

enum { BLOCK = 512, BLOCKS = 256, MEDIA = BLOCK * BLOCKS, QUEUE = 64, REQUESTS = 20 };

/* A disk, with its driver. */
struct block_client {
    unsigned char media[MEDIA];
    unsigned char *memory; /* that it reaches */
    unsigned lies, skips;  /* reads to come with wrong data, and that do nothing */
    unsigned skips_read;   /* a read that does nothing, by its number, if not 0 */
    unsigned drops;        /* writes to come that do nothing */
    unsigned wrong_always; /* a block, if not 0 */
    unsigned fails;        /* requests to come that fail */
    bool gone;
    unsigned accused, reads, writes;
    struct block_client_counts counts;
    unsigned count;
    struct {
        enum block_operation operation;
        uint64_t block, offset;
        uint32_t count;
        block_client_done done;
        void *context;
    } queue[QUEUE];
};

static struct {
    struct block_client disk[FILTER_DISKS];
    struct filter filter;
    struct filter_session session;
    struct block_session kit_session;
    struct block_request request[REQUESTS];
    int status[REQUESTS]; /* -1: not done */
    unsigned char *memory;
} t;

void block_client_flags(struct block_client *client, uint8_t flags)
{
    (void)client, (void)flags;
}

struct block_client_counts block_client_counts(const struct block_client *client)
{
    return client->counts;
}

void block_client_accuse(struct block_client *client, const char *reason)
{
    assert_non_null(reason);
    client->accused++;
    client->counts.recoveries++;
}

int block_client_submit(struct block_client *client, enum block_operation operation, uint64_t block,
                        uint32_t count, uint32_t buffer, uint64_t offset, block_client_done done,
                        void *context)
{
    if (client->gone)
        return ENODEV;
    assert_true(client->count < QUEUE);
    assert_int_equal(buffer, count > 0 && operation <= BLOCK_WRITE ? client - t.disk : 0);
    unsigned last = client->count++;
    client->queue[last].operation = operation;
    client->queue[last].block = block;
    client->queue[last].count = count;
    client->queue[last].offset = offset;
    client->queue[last].done = done;
    client->queue[last].context = context;
    return 0;
}

void block_request_done(struct block_request *request, enum block_status status)
{
    assert_int_equal(t.status[request->slot], -1);
    t.status[request->slot] = (int)status;
}

static bool take(unsigned *count)
{
    if (*count == 0)
        return false;
    --*count;
    return true;
}

static enum block_status carry_out(struct block_client *disk, enum block_operation operation,
                                   uint64_t block, uint32_t count, unsigned char *data)
{
    assert_true(block < BLOCKS && count <= BLOCKS - block);
    unsigned char *media = disk->media + block * BLOCK;
    size_t length = (size_t)count * BLOCK;

    if (take(&disk->fails))
        return BLOCK_STATUS_MEDIUM;
    disk->reads += operation == BLOCK_READ;
    disk->writes += operation == BLOCK_WRITE;
    if (operation == BLOCK_READ && !take(&disk->skips) && disk->reads != disk->skips_read) {
        memcpy(data, media, length);
        if (take(&disk->lies))
            data[length - 1] ^= 1;
        if (disk->wrong_always >= block && disk->wrong_always - block < count &&
            disk->wrong_always > 0)
            data[(disk->wrong_always - block) * BLOCK] ^= 0x80;
    } else if (operation == BLOCK_WRITE && !take(&disk->drops)) {
        memcpy(media, data, length);
    } else if (operation == BLOCK_WRITE_ZEROES) {
        memset(media, 0, length);
    }
    return BLOCK_STATUS_OK;
}

/* Until nothing is under way; the newest first, as a disk may. */
static void run(void)
{
    bool busy = true;

    while (busy) {
        busy = false;
        for (unsigned i = 0; i < FILTER_DISKS; i++) {
            struct block_client *disk = &t.disk[i];
            if (disk->count == 0)
                continue;
            busy = true;
            unsigned last = --disk->count;
            block_client_done done = disk->queue[last].done;
            void *context = disk->queue[last].context;
            done(context,
                 carry_out(disk, disk->queue[last].operation, disk->queue[last].block,
                           disk->queue[last].count, disk->memory + disk->queue[last].offset));
        }
        busy |= filter_turn(&t.filter) || t.filter.submitted;
        t.filter.submitted = false;
    }
}

static bool start(unsigned slot, enum block_operation operation, uint64_t block, uint32_t count,
                  uint64_t offset)
{
    bool moves = operation == BLOCK_READ || operation == BLOCK_WRITE;

    t.request[slot] = (struct block_request){
        .operation = operation,
        .block = block,
        .count = count,
        .address = moves ? filter_buffer_address(0) + offset : 0,
        .length = moves ? (uint64_t)count * BLOCK : 0,
        .session = &t.kit_session,
        .slot = (uint16_t)slot,
    };
    t.status[slot] = -1;
    return filter_start(&t.filter, &t.request[slot]);
}

static void assert_all_is_free(void)
{
    struct pages all;

    pages_init(&all);
    assert_memory_equal(t.session.pages.free, all.free, sizeof(all.free));
}

static int ask(enum block_operation operation, uint64_t block, uint32_t count)
{
    assert_true(start(0, operation, block, count, 0));
    run();
    assert_int_not_equal(t.status[0], -1);
    assert_null(t.filter.under_way);
    assert_int_equal(t.filter.writing, 0);
    assert_all_is_free();
    return t.status[0];
}

static void fill(unsigned char *data, uint64_t block, uint32_t count, unsigned seed)
{
    for (size_t i = 0; i < (size_t)count * BLOCK; i++)
        data[i] = (unsigned char)((block * BLOCK + i) * 2654435761u >> 16 ^ seed);
}

static int ask_write(uint64_t block, uint32_t count, unsigned seed)
{
    fill(t.memory, block, count, seed);
    return ask(BLOCK_WRITE, block, count);
}

static unsigned disks_left(void)
{
    return 2u - t.filter.disk[0].dropped - t.filter.disk[1].dropped;
}

/* OK only if the data is what was written with that seed. */
static int ask_read(uint64_t block, uint32_t count, unsigned seed)
{
    static unsigned char expected[MEDIA];

    memset(t.memory, 0xee, MEDIA);
    int status = ask(BLOCK_READ, block, count);
    fill(expected, block, count, seed);
    if (status == BLOCK_STATUS_OK)
        assert_memory_equal(t.memory, expected, (size_t)count * BLOCK);
    return status;
}

static void setup(unsigned disks, unsigned sample, unsigned prefer)
{
    memset(&t, 0, sizeof(t));
    t.filter.options = (struct filter_options){sample, 2, prefer};
    t.filter.block_size = BLOCK;
    t.filter.disk_count = disks;
    assert_int_equal(filter_init(&t.filter, 8), 0);
    filter_session_init(&t.session, &t.filter);
    t.kit_session.server = &t.session;
    t.memory = calloc(1, MEDIA);
    t.session.buffer[0].memory = t.memory;
    t.session.buffer_count = 1;
    for (unsigned i = 0; i < disks; i++) {
        t.session.client[i] = &t.disk[i];
        t.session.memory_id[i] = i;
        t.session.memory[i] = t.disk[i].memory = calloc(1, FILTER_MEMORY);
        strcpy(t.filter.disk[i].name, i == 0 ? "left" : "right");
    }
}

static int teardown(void **state)
{
    (void)state;
    if (t.filter.table)
        table_destroy(t.filter.table);
    free(t.memory);
    for (unsigned i = 0; i < FILTER_DISKS; i++)
        free(t.disk[i].memory);
    memset(&t, 0, sizeof(t));
    return 0;
}

static void a_wrong_read_is_repeated_with_another_driver(void **state)
{
    (void)state;
    setup(1, 0, FILTER_DISKS);
    assert_int_equal(ask_write(3, 20, 1), BLOCK_STATUS_OK);
    t.disk[0].lies = 1;
    assert_int_equal(ask_read(3, 20, 1), BLOCK_STATUS_OK);
    assert_int_equal(t.disk[0].accused, 1);
    assert_int_equal(ask_read(3, 20, 1), BLOCK_STATUS_OK);
    assert_int_equal(t.disk[0].accused, 1);
}

static void what_stays_wrong_is_an_error(void **state)
{
    (void)state;
    setup(1, 0, FILTER_DISKS);
    assert_int_equal(ask_write(3, 20, 1), BLOCK_STATUS_OK);
    t.disk[0].wrong_always = 9;
    assert_int_equal(ask_read(3, 20, 1), BLOCK_STATUS_MEDIUM);
    assert_int_equal(t.disk[0].accused, 2);
    assert_int_equal(t.disk[0].reads, 3);
    assert_int_equal(ask_read(10, 13, 1), BLOCK_STATUS_OK);
    /* The disk has it: no driver is to blame any more. */
    assert_int_equal(ask_read(9, 1, 1), BLOCK_STATUS_MEDIUM);
    assert_int_equal(ask_read(3, 20, 1), BLOCK_STATUS_MEDIUM);
    assert_int_equal(t.disk[0].accused, 2);
    /* Until it is written to. */
    assert_int_equal(ask_write(9, 1, 1), BLOCK_STATUS_OK);
    assert_int_equal(ask_read(9, 1, 1), BLOCK_STATUS_MEDIUM);
    assert_int_equal(t.disk[0].accused, 4);
    t.disk[0].wrong_always = 0;
    t.disk[0].lies = 1;
    assert_int_equal(ask_read(3, 20, 1), BLOCK_STATUS_OK);
    assert_int_equal(t.disk[0].accused, 5);
}

/* One driver's word does not make it the disk's fault. */
static void without_repeats_each_is_blamed(void **state)
{
    (void)state;
    setup(1, 0, FILTER_DISKS);
    t.filter.options.repeats = 0;
    assert_int_equal(ask_write(3, 20, 1), BLOCK_STATUS_OK);
    t.disk[0].wrong_always = 9;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(ask_read(3, 20, 1), BLOCK_STATUS_MEDIUM);
    assert_int_equal(t.filter.rotten.count, 0);
}

/* Nothing is learned from a read of which a part is known to be wrong. */
static void a_liar_teaches_nothing(void **state)
{
    (void)state;
    setup(1, 0, FILTER_DISKS);
    fill(t.disk[0].media, 0, BLOCKS, 1);
    assert_int_equal(ask_write(3, 1, 1), BLOCK_STATUS_OK);
    t.disk[0].wrong_always = 3;
    t.disk[0].lies = 3; /* the last block of the read, which was never seen */
    assert_int_equal(ask_read(3, 5, 1), BLOCK_STATUS_MEDIUM);
    t.disk[0].wrong_always = 0;
    assert_int_equal(ask_read(3, 5, 1), BLOCK_STATUS_OK);
    assert_int_equal(t.disk[0].accused, 2);
}

static void a_write_that_is_not_there_is_repeated(void **state)
{
    (void)state;
    setup(1, 1, FILTER_DISKS);
    assert_int_equal(ask_write(3, 20, 1), BLOCK_STATUS_OK);
    assert_int_equal(t.disk[0].reads, 1);
    t.disk[0].drops = 2;
    assert_int_equal(ask_write(3, 20, 2), BLOCK_STATUS_OK);
    assert_int_equal(t.disk[0].accused, 2);
    assert_int_equal(ask_read(3, 20, 2), BLOCK_STATUS_OK);
    t.disk[0].drops = 3;
    assert_int_equal(ask_write(3, 20, 3), BLOCK_STATUS_MEDIUM);
    /* What is there now is not known. */
    assert_int_equal(ask_read(3, 20, 2), BLOCK_STATUS_OK);
}

/* One copy is there, and that does for a mirror. */
static void a_mirror_that_cannot_read_back_goes_on(void **state)
{
    (void)state;
    for (unsigned lies = 0; lies <= 1; lies++) {
        setup(2, 1, FILTER_DISKS);
        assert_int_equal(ask_write(3, 20, 1), BLOCK_STATUS_OK);
        assert_int_equal(t.disk[0].reads + t.disk[1].reads, 1);
        struct block_client *bad = &t.disk[t.disk[0].reads > 0 ? 0 : 1];
        bad->drops = lies ? 100 : 0;
        for (unsigned i = 0; i < 50 && disks_left() == 2; i++) {
            bad->wrong_always = lies ? 0 : 4;
            assert_int_equal(ask_write(3, 20, 2 + i), BLOCK_STATUS_OK);
        }
        assert_int_equal(disks_left(), 1);
        assert_int_equal(bad->accused, 2);
        assert_int_equal(ask(BLOCK_FLUSH, 0, 0), BLOCK_STATUS_OK);
        teardown(NULL);
    }
}

static void samples_are_one_in_so_many(void **state)
{
    (void)state;
    setup(1, 8, FILTER_DISKS);
    for (unsigned i = 0; i < 800; i++)
        assert_int_equal(ask_write(i % BLOCKS, 1, i), BLOCK_STATUS_OK);
    assert_in_range(t.disk[0].reads, 60, 140);
}

static void zeroes_and_discards_are_noted(void **state)
{
    (void)state;
    setup(1, 0, FILTER_DISKS);
    assert_int_equal(ask_write(0, 20, 1), BLOCK_STATUS_OK);
    assert_int_equal(ask(BLOCK_WRITE_ZEROES, 0, 10), BLOCK_STATUS_OK);
    t.disk[0].lies = 1;
    assert_int_equal(ask(BLOCK_READ, 0, 10), BLOCK_STATUS_OK);
    assert_int_equal(t.memory[10 * BLOCK - 1], 0);
    assert_int_equal(t.disk[0].accused, 1);
    assert_int_equal(ask(BLOCK_DISCARD, 0, 10), BLOCK_STATUS_OK);
    fill(t.disk[0].media, 0, 10, 5); /* whatever it likes */
    assert_int_equal(ask_read(0, 10, 5), BLOCK_STATUS_OK);
    assert_int_equal(ask(BLOCK_FLUSH, 0, 0), BLOCK_STATUS_OK);
    t.disk[0].fails = 1;
    assert_int_equal(ask(BLOCK_FLUSH, 0, 0), BLOCK_STATUS_MEDIUM);
    assert_int_equal(t.disk[0].accused, 1);
}

/* Writes that touch the same blocks follow each other; what would be in the way waits. */
static void overlapping_requests_are_not_together(void **state)
{
    (void)state;
    setup(1, 0, FILTER_DISKS);
    assert_true(start(1, BLOCK_READ, 10, 10, 0));
    assert_true(start(2, BLOCK_READ, 15, 10, MEDIA / 2));
    assert_false(start(3, BLOCK_WRITE, 19, 1, 0));
    assert_true(start(4, BLOCK_WRITE, 25, 5, 0));
    assert_false(start(5, BLOCK_READ, 29, 2, 0));
    assert_false(start(6, BLOCK_DISCARD, 24, 3, 0));
    assert_true(start(7, BLOCK_FLUSH, 0, 0, 0));
    assert_true(start(8, BLOCK_READ, 30, 2, 0));
    run();
    assert_int_equal(t.status[1] | t.status[2] | t.status[4] | t.status[7] | t.status[8], 0);
    assert_true(start(3, BLOCK_WRITE, 19, 1, 0));
    run();
    assert_int_equal(t.status[3], 0);
    assert_all_is_free(); /* who was refused has no room */
}

static void a_mirror_writes_both_and_repairs_either(void **state)
{
    (void)state;
    setup(2, 0, FILTER_DISKS);
    assert_int_equal(ask_write(0, BLOCKS, 1), BLOCK_STATUS_OK);
    assert_memory_equal(t.disk[0].media, t.disk[1].media, MEDIA);
    t.disk[0].media[BLOCK * 17 + 5] ^= 4;
    t.disk[0].media[BLOCK * 18] ^= 4;
    t.disk[1].media[BLOCK * 20] ^= 4; /* not where the first one is wrong */
    assert_int_equal(ask_read(10, 20, 1), BLOCK_STATUS_OK);
    assert_memory_equal(t.disk[0].media, t.disk[1].media, MEDIA);
    assert_int_equal(ask_read(0, BLOCKS, 1), BLOCK_STATUS_OK);
    assert_int_equal(t.disk[0].accused, 1);
    assert_int_equal(t.disk[1].accused, 1);
    assert_false(t.filter.disk[0].dropped || t.filter.disk[1].dropped);
}

static void a_mirror_takes_errors_for_the_other_copy(void **state)
{
    (void)state;
    setup(2, 0, FILTER_DISKS);
    assert_int_equal(ask_write(0, 50, 1), BLOCK_STATUS_OK);
    t.disk[0].fails = 2; /* the read, and the first look at both */
    assert_int_equal(ask_read(0, 50, 1), BLOCK_STATUS_OK);
    assert_int_equal(t.disk[0].writes, 2);
    assert_int_equal(t.disk[0].accused, 0);
    assert_false(t.filter.disk[0].dropped);
}

/* A write that fails on one disk may be its driver's fault: another one tries before it is left
 * out. */
static void a_write_that_fails_on_one_disk_is_repeated(void **state)
{
    (void)state;
    setup(2, 0, FILTER_DISKS);
    t.disk[1].fails = 2;
    assert_int_equal(ask_write(0, 50, 1), BLOCK_STATUS_OK);
    assert_int_equal(t.disk[1].accused, 2);
    assert_memory_equal(t.disk[0].media, t.disk[1].media, 50 * BLOCK);
    t.disk[0].fails = t.disk[1].fails = 1; /* what both refuse is the request's fault */
    assert_int_equal(ask_write(0, 50, 2), BLOCK_STATUS_MEDIUM);
    assert_int_equal(t.disk[0].accused, 0);
    assert_int_equal(disks_left(), 2);
    t.disk[1].fails = 100;
    assert_int_equal(ask_write(0, 50, 3), BLOCK_STATUS_OK);
    assert_true(t.filter.disk[1].dropped);
    assert_int_equal(ask_read(0, 50, 3), BLOCK_STATUS_OK);
}

static void a_disk_that_cannot_be_repaired_is_left_out(void **state)
{
    (void)state;
    setup(2, 0, FILTER_DISKS);
    assert_int_equal(ask_write(0, 50, 1), BLOCK_STATUS_OK);
    t.disk[0].wrong_always = 7;
    assert_int_equal(ask_read(0, 50, 1), BLOCK_STATUS_OK);
    assert_true(t.filter.disk[0].dropped);
    assert_int_equal(t.disk[0].accused, 2);
    /* And the other one is on its own. */
    t.disk[1].lies = 1;
    assert_int_equal(ask_read(0, 50, 1), BLOCK_STATUS_OK);
    unsigned writes = t.disk[0].writes;
    assert_int_equal(ask_write(0, 50, 2), BLOCK_STATUS_OK);
    assert_int_equal(t.disk[0].writes, writes);
    t.disk[1].fails = 1;
    assert_int_equal(ask_write(0, 50, 3), BLOCK_STATUS_MEDIUM);
    assert_false(t.filter.disk[1].dropped);
}

static void a_disk_that_is_gone_is_left_out(void **state)
{
    (void)state;
    setup(2, 1, FILTER_DISKS);
    assert_int_equal(ask_write(0, 50, 1), BLOCK_STATUS_OK);
    t.disk[0].gone = true;
    assert_int_equal(ask_read(0, 50, 1), BLOCK_STATUS_OK);
    assert_true(t.filter.disk[0].dropped);
    assert_int_equal(ask_write(0, 50, 2), BLOCK_STATUS_OK);
    assert_int_equal(ask(BLOCK_FLUSH, 0, 0), BLOCK_STATUS_OK);
    t.disk[1].gone = true;
    assert_int_equal(ask_read(0, 50, 2), BLOCK_STATUS_GONE);
    assert_int_equal(ask_write(0, 50, 2), BLOCK_STATUS_GONE);
    assert_int_equal(ask(BLOCK_FLUSH, 0, 0), BLOCK_STATUS_GONE);
}

/* The oldest first, as when a client gives up all that it has in flight. */
static void all_end(struct block_client *disk, enum block_status status)
{
    unsigned count = disk->count;

    disk->gone = status == BLOCK_STATUS_GONE;
    disk->count = 0;
    for (unsigned i = 0; i < count; i++)
        disk->queue[i].done(disk->queue[i].context, status);
}

/* A write has it left out while reads of it are still to fail. */
static void what_is_under_way_at_a_disk_that_is_left_out(void **state)
{
    static unsigned char expected[BLOCK];

    (void)state;
    setup(2, 1, FILTER_DISKS);
    assert_int_equal(ask_write(0, 50, 1), BLOCK_STATUS_OK);
    assert_true(start(0, BLOCK_WRITE, 60, 1, 0));
    for (unsigned i = 1; i < REQUESTS; i++)
        assert_true(start(i, BLOCK_READ, i, 1, i * BLOCK));
    assert_int_equal(t.disk[1].count, 1);
    all_end(&t.disk[1], BLOCK_STATUS_OK);
    all_end(&t.disk[0], BLOCK_STATUS_GONE);
    run();
    assert_true(t.filter.disk[0].dropped);
    for (unsigned i = 0; i < REQUESTS; i++) {
        assert_int_equal(t.status[i], BLOCK_STATUS_OK);
        fill(expected, i, 1, 1);
        if (i > 0)
            assert_memory_equal(t.memory + (size_t)i * BLOCK, expected, BLOCK);
    }
    assert_all_is_free();
}

/* What only such a disk has is not written; what it alone cannot read back is. */
static void what_a_disk_does_that_is_left_out_does_not_count(void **state)
{
    (void)state;
    setup(2, 0, FILTER_DISKS);
    assert_true(start(0, BLOCK_WRITE, 60, 1, 0));
    t.filter.disk[0].dropped = true;
    all_end(&t.disk[0], BLOCK_STATUS_OK);
    all_end(&t.disk[1], BLOCK_STATUS_MEDIUM);
    run();
    assert_int_equal(t.status[0], BLOCK_STATUS_MEDIUM);

    teardown(NULL);
    for (unsigned random = 0; random < 64; random += 16) { /* reads back one or the other */
        setup(2, 1, FILTER_DISKS);
        t.filter.random = random;
        assert_true(start(0, BLOCK_WRITE, 60, 1, 0));
        all_end(&t.disk[0], BLOCK_STATUS_OK);
        all_end(&t.disk[1], BLOCK_STATUS_OK);
        unsigned disk = t.disk[0].count > 0 ? 0 : 1;
        t.filter.disk[disk].dropped = true;
        all_end(&t.disk[disk], BLOCK_STATUS_MEDIUM);
        run();
        assert_int_equal(t.status[0], BLOCK_STATUS_OK);
        teardown(NULL);
    }
}

/* As after a start: copies differ, and nothing is known. */
static void differing_copies_are_an_error_or_a_preference(void **state)
{
    (void)state;
    for (unsigned prefer = 0; prefer <= FILTER_DISKS; prefer++) {
        setup(2, 0, prefer);
        fill(t.disk[0].media, 0, BLOCKS, 1);
        fill(t.disk[1].media, 0, BLOCKS, 1);
        fill(t.disk[1].media + 30 * BLOCK, 30, 2, 2);
        assert_int_equal(ask_read(0, 30, 1), BLOCK_STATUS_OK);
        if (prefer == FILTER_DISKS) {
            assert_int_equal(ask_read(29, 4, 1), BLOCK_STATUS_MEDIUM);
            assert_int_equal(t.disk[0].writes + t.disk[1].writes, 0);
            assert_int_equal(ask_write(30, 2, 3), BLOCK_STATUS_OK);
            assert_int_equal(ask_read(30, 2, 3), BLOCK_STATUS_OK);
        } else {
            assert_int_equal(ask_read(30, 2, 1 + prefer), BLOCK_STATUS_OK);
        }
        assert_int_equal(ask(BLOCK_READ, 0, BLOCKS), BLOCK_STATUS_OK);
        assert_memory_equal(t.disk[0].media, t.disk[1].media, MEDIA);
        assert_int_equal(t.disk[0].accused + t.disk[1].accused, 0);
        teardown(NULL);
    }
}

/* As many of these as fill the memory; a flush needs none. */
static void room_is_waited_for(void **state)
{
    enum { MOST = FILTER_MEMORY / MEDIA };

    (void)state;
    setup(2, 0, FILTER_DISKS);
    for (unsigned i = 0; i < MOST; i++)
        assert_true(start(i, BLOCK_READ, 0, BLOCKS, 0));
    assert_false(start(MOST, BLOCK_READ, 0, BLOCKS, 0));
    assert_false(start(MOST, BLOCK_READ, 0, 1, 0));
    assert_true(start(MOST + 1, BLOCK_FLUSH, 0, 0, 0));
    run();
    assert_all_is_free();
    for (unsigned i = 0; i < MOST; i++)
        assert_int_equal(t.status[i], BLOCK_STATUS_OK);
    assert_int_equal(t.status[MOST + 1], BLOCK_STATUS_OK);
    assert_int_equal(ask(BLOCK_READ, 0, BLOCKS), BLOCK_STATUS_OK);
}

/* What the disk's device reaches, at whatever moment. */
static void scribble(unsigned disk)
{
    memset(t.disk[disk].memory, 0x5a, FILTER_MEMORY);
}

/* A command that is carried out once more, or late. */
static void what_a_device_writes_later_reaches_no_client(void **state)
{
    static unsigned char before[MEDIA];

    (void)state;
    for (unsigned disks = 1; disks <= FILTER_DISKS; disks++) {
        setup(disks, 0, FILTER_DISKS);
        assert_int_equal(ask_write(0, 20, 1), BLOCK_STATUS_OK);
        assert_int_equal(ask_read(0, 20, 1), BLOCK_STATUS_OK);
        memcpy(before, t.memory, MEDIA);
        for (unsigned i = 0; i < disks; i++)
            scribble(i);
        assert_memory_equal(t.memory, before, MEDIA);
        teardown(NULL);
    }
}

/* Each disk's device has memory of its own: what it does to that is not written to the other. */
static void a_device_spoils_its_own_copy_only(void **state)
{
    (void)state;
    setup(2, 0, FILTER_DISKS);
    fill(t.memory, 3, 20, 1);
    assert_true(start(0, BLOCK_WRITE, 3, 20, 0));
    scribble(0);
    run();
    assert_int_equal(t.status[0], BLOCK_STATUS_OK);
    assert_int_equal(ask_read(3, 20, 1), BLOCK_STATUS_OK);
    assert_int_equal(disks_left(), 2);
    assert_int_equal(t.disk[1].accused, 0);
    assert_memory_equal(t.disk[0].media, t.disk[1].media, MEDIA);
}

/* Nothing that it writes later is written, and no driver is to blame. */
static void a_client_that_changes_what_it_writes_harms_nobody(void **state)
{
    static unsigned char written[20 * BLOCK];

    (void)state;
    for (unsigned disks = 1; disks <= FILTER_DISKS; disks++) {
        setup(disks, 1, FILTER_DISKS);
        fill(t.memory, 3, 20, 1);
        memcpy(written, t.memory, sizeof(written));
        assert_true(start(0, BLOCK_WRITE, 3, 20, 0));
        memset(t.memory, 0xaa, MEDIA);
        run();
        assert_int_equal(t.status[0], BLOCK_STATUS_OK);
        for (unsigned i = 0; i < disks; i++) {
            assert_memory_equal(t.disk[i].media + 3 * BLOCK, written, sizeof(written));
            assert_int_equal(t.disk[i].accused, 0);
        }
        teardown(NULL);
    }
}

/* The memory still has what was written there. */
static void a_read_back_that_does_nothing_is_noticed(void **state)
{
    (void)state;
    setup(1, 1, FILTER_DISKS);
    t.disk[0].skips = 1;
    t.disk[0].drops = 1;
    assert_int_equal(ask_write(3, 20, 1), BLOCK_STATUS_OK);
    assert_int_equal(t.disk[0].accused, 1);
    assert_int_equal(ask_read(3, 20, 1), BLOCK_STATUS_OK);
}

/* Both memories have the same, of what was written before. */
static void reads_that_do_nothing_are_not_alike(void **state)
{
    (void)state;
    setup(2, 0, FILTER_DISKS);
    fill(t.disk[0].media, 0, BLOCKS, 2);
    fill(t.disk[1].media, 0, BLOCKS, 2);
    assert_int_equal(ask_write(0, 20, 1), BLOCK_STATUS_OK);
    t.disk[0].skips = t.disk[1].skips = 1;
    assert_int_equal(ask_read(100, 20, 2), BLOCK_STATUS_OK);
    t.disk[0].media[105 * BLOCK]++; /* and a repair that is not there */
    t.disk[0].drops = 1;
    assert_int_equal(ask_read(100, 20, 2), BLOCK_STATUS_OK);
    assert_memory_equal(t.disk[0].media, t.disk[1].media, MEDIA);
}

static void reads_that_do_nothing_are_never_alike(void **state)
{
    (void)state;
    setup(2, 0, FILTER_DISKS);
    fill(t.disk[0].media, 0, BLOCKS, 2);
    fill(t.disk[1].media, 0, BLOCKS, 2);
    assert_int_equal(ask_write(0, 20, 1), BLOCK_STATUS_OK);
    t.disk[0].skips = t.disk[1].skips = 3;
    assert_int_equal(ask_read(100, 20, 2), BLOCK_STATUS_MEDIUM);
    assert_int_equal(ask_read(100, 20, 2), BLOCK_STATUS_OK);
}

/* What it is to be is in the memory that it is read back to. */
static void a_repair_that_is_not_there_is_not_read_from_memory(void **state)
{
    (void)state;
    setup(2, 0, FILTER_DISKS);
    fill(t.disk[0].media, 0, BLOCKS, 2);
    fill(t.disk[1].media, 0, BLOCKS, 2);
    assert_int_equal(ask_read(100, 20, 2), BLOCK_STATUS_OK);
    table_forget(t.filter.table, 101, 19); /* so that both are read */
    t.disk[0].media[100 * BLOCK]++;
    t.disk[0].drops = 1;
    t.disk[0].skips_read = t.disk[0].reads + 3;
    assert_int_equal(ask_read(100, 20, 2), BLOCK_STATUS_OK);
    assert_int_equal(t.disk[0].drops, 0);
    assert_memory_equal(t.disk[0].media, t.disk[1].media, MEDIA);
}

/* Many lies at once are one driver's. */
static void one_driver_is_judged_once(void **state)
{
    (void)state;
    setup(1, 0, FILTER_DISKS);
    assert_int_equal(ask_write(0, 100, 1), BLOCK_STATUS_OK);
    t.disk[0].lies = 8;
    for (unsigned i = 0; i < 8; i++)
        assert_true(start(i, BLOCK_READ, i * 2, 2, i * 2 * BLOCK));
    while (t.disk[0].count > 0) { /* all, before any is judged */
        unsigned last = --t.disk[0].count;
        t.disk[0].queue[last].done(t.disk[0].queue[last].context,
                                   carry_out(&t.disk[0], BLOCK_READ, t.disk[0].queue[last].block, 2,
                                             t.disk[0].memory + t.disk[0].queue[last].offset));
    }
    run();
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(t.status[i], BLOCK_STATUS_OK);
    assert_int_equal(t.disk[0].accused, 1);
}

static void a_mirror_is_what_both_are(void **state)
{
    struct block_info info[2] = {
        {.blocks = 100,
         .block_size = 512,
         .max_transfer = 1 << 20,
         .max_blocks = 70000,
         .flags = BLOCK_INFO_DISCARD | BLOCK_INFO_WRITE_ZEROES | BLOCK_INFO_SCATTER |
                  BLOCK_INFO_SCATTER_PAGES},
        {.blocks = 100,
         .block_size = 512,
         .max_transfer = 65536,
         .max_blocks = 7,
         .flags = BLOCK_INFO_DISCARD | BLOCK_INFO_VOLATILE_CACHE | BLOCK_INFO_SCATTER},
    };
    struct block_device_limits limits;

    (void)state;
    setup(2, 0, FILTER_DISKS);
    assert_int_equal(filter_limits(&t.filter, info, &limits), 0);
    assert_int_equal(limits.max_transfer, 65536);
    assert_int_equal(limits.max_blocks, 7);
    assert_int_equal(limits.flags, BLOCK_INFO_VOLATILE_CACHE | BLOCK_INFO_COPIES | BLOCK_INFO_KEPT);
    info[1].blocks++;
    assert_int_equal(filter_limits(&t.filter, info, &limits), EINVAL);
    t.filter.disk_count = 1;
    assert_int_equal(filter_limits(&t.filter, info, &limits), 0);
    assert_int_equal(limits.max_transfer, FILTER_TRANSFER);
    assert_int_equal(limits.max_blocks, 65536);
    assert_int_equal(limits.flags & (BLOCK_INFO_SCATTER | BLOCK_INFO_SCATTER_PAGES), 0);
}

static struct {
    unsigned char page[2][LEDGER_PAGE];
    unsigned writes;
    int error;
    struct ledger ledger;
} kept;

static int page_read(uint64_t page, void *data)
{
    memcpy(data, kept.page[page], LEDGER_PAGE);
    return 0;
}

/* No disk has been asked for anything that is not known to be over. */
static int page_write(uint64_t page, const void *data)
{
    assert_int_equal(t.disk[0].count + t.disk[1].count, 0);
    kept.writes++;
    memcpy(kept.page[page], data, LEDGER_PAGE);
    return kept.error;
}

static int pages_flush(void)
{
    return kept.error;
}

/* A filter on the disks as they are, and with what was kept. */
static void kept_start(unsigned disks)
{
    static const struct ledger_disk disk = {2, page_read, page_write, pages_flush, pages_flush};
    static const struct block_info info[FILTER_DISKS] = {{.blocks = BLOCKS, .block_size = BLOCK},
                                                         {.blocks = BLOCKS, .block_size = BLOCK}};
    static unsigned char media[FILTER_DISKS][MEDIA];

    for (unsigned i = 0; i < FILTER_DISKS; i++)
        memcpy(media[i], t.disk[i].media, MEDIA);
    teardown(NULL);
    setup(disks, 0, FILTER_DISKS);
    for (unsigned i = 0; i < FILTER_DISKS; i++)
        memcpy(t.disk[i].media, media[i], MEDIA);
    kept.ledger = (struct ledger){.name = "sums", .disk = &disk, .table = t.filter.table};
    kept.error = 0;
    assert_int_equal(ledger_open(&kept.ledger, info, disks, 77), 0);
    t.filter.ledger = &kept.ledger;
}

static void save(void)
{
    assert_true(ledger_save(&kept.ledger, false, filter_is_writing, &t.filter));
}

static void what_is_kept_is_asked_before_a_read(void **state)
{
    (void)state;
    memset(&kept, 0, sizeof(kept));
    kept_start(1);
    assert_int_equal(ask_write(3, 20, 1), BLOCK_STATUS_OK);
    save();
    t.disk[0].media[9 * BLOCK] ^= 1;
    kept_start(1);
    assert_int_equal(ask_read(3, 6, 1), BLOCK_STATUS_OK);
    assert_int_equal(ask_read(3, 20, 1), BLOCK_STATUS_MEDIUM);
    assert_int_equal(ask_write(9, 1, 1), BLOCK_STATUS_OK);
    save();

    memset(&kept, 0, sizeof(kept));
    teardown(NULL);
    kept_start(2);
    assert_int_equal(ask_write(3, 20, 1), BLOCK_STATUS_OK);
    save();
    t.disk[0].media[9 * BLOCK] ^= 1;
    t.disk[1].media[10 * BLOCK] ^= 1;
    kept_start(2);
    assert_int_equal(ask_read(3, 20, 1), BLOCK_STATUS_OK);
    assert_memory_equal(t.disk[0].media, t.disk[1].media, MEDIA);
}

/* Nothing that writes reaches a disk before what is kept is taken back. */
static void what_cannot_be_taken_back_is_not_written(void **state)
{
    (void)state;
    memset(&kept, 0, sizeof(kept));
    kept_start(1);
    assert_int_equal(ask_write(3, 20, 1), BLOCK_STATUS_OK);
    save();
    unsigned writes = t.disk[0].writes, before = kept.writes;
    assert_int_equal(ask_read(3, 20, 1), BLOCK_STATUS_OK);
    assert_int_equal(ask(BLOCK_FLUSH, 0, 0), BLOCK_STATUS_OK);
    assert_int_equal(kept.writes, before);
    kept.error = EIO;
    assert_int_equal(ask_write(3, 1, 2), BLOCK_STATUS_MEDIUM);
    assert_int_equal(ask(BLOCK_WRITE_ZEROES, 3, 1), BLOCK_STATUS_MEDIUM);
    assert_int_equal(ask(BLOCK_DISCARD, 3, 1), BLOCK_STATUS_MEDIUM);
    assert_int_equal(t.disk[0].writes, writes);
    assert_int_equal(ask_read(3, 20, 1), BLOCK_STATUS_OK);
    assert_int_equal(ask(BLOCK_FLUSH, 0, 0), BLOCK_STATUS_OK);
}

static void what_is_being_written_is_not_saved(void **state)
{
    (void)state;
    memset(&kept, 0, sizeof(kept));
    kept_start(1);
    fill(t.memory, 3, 20, 1);
    assert_true(start(1, BLOCK_WRITE, 3, 20, 0));
    save();
    assert_int_equal(kept.page[1][0], 0);
    run();
    save();
    assert_int_not_equal(kept.page[1][0], 0);
    /* A write that fails left who knows what. */
    t.disk[0].fails = 1;
    assert_int_equal(ask_write(3, 1, 2), BLOCK_STATUS_MEDIUM);
    assert_int_equal(kept.page[1][0], 0);
    save();
    t.disk[0].media[3 * BLOCK] ^= 1;
    kept_start(1);
    assert_int_equal(ask(BLOCK_READ, 3, 1), BLOCK_STATUS_OK);
    assert_int_equal(ask_read(4, 19, 1), BLOCK_STATUS_OK);
}

static void the_oldest_is_known(void **state)
{
    (void)state;
    setup(1, 0, FILTER_DISKS);
    assert_int_equal(filter_oldest(&t.filter), 0);
    for (unsigned i = 1; i <= 3; i++)
        assert_true(start(i, BLOCK_READ, i, 1, 0));
    assert_int_equal(filter_oldest(&t.filter), 1);
    run();
    assert_int_equal(filter_oldest(&t.filter), 0);
    assert_true(start(1, BLOCK_READ, 1, 1, 0));
    assert_int_equal(filter_oldest(&t.filter), 4);
    run();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_is_kept_is_asked_before_a_read, teardown),
        cmocka_unit_test_teardown(what_cannot_be_taken_back_is_not_written, teardown),
        cmocka_unit_test_teardown(what_is_being_written_is_not_saved, teardown),
        cmocka_unit_test_teardown(the_oldest_is_known, teardown),
        cmocka_unit_test_teardown(a_wrong_read_is_repeated_with_another_driver, teardown),
        cmocka_unit_test_teardown(what_stays_wrong_is_an_error, teardown),
        cmocka_unit_test_teardown(a_liar_teaches_nothing, teardown),
        cmocka_unit_test_teardown(without_repeats_each_is_blamed, teardown),
        cmocka_unit_test_teardown(a_write_that_is_not_there_is_repeated, teardown),
        cmocka_unit_test_teardown(a_mirror_that_cannot_read_back_goes_on, teardown),
        cmocka_unit_test_teardown(samples_are_one_in_so_many, teardown),
        cmocka_unit_test_teardown(zeroes_and_discards_are_noted, teardown),
        cmocka_unit_test_teardown(overlapping_requests_are_not_together, teardown),
        cmocka_unit_test_teardown(a_mirror_writes_both_and_repairs_either, teardown),
        cmocka_unit_test_teardown(a_mirror_takes_errors_for_the_other_copy, teardown),
        cmocka_unit_test_teardown(a_write_that_fails_on_one_disk_is_repeated, teardown),
        cmocka_unit_test_teardown(a_disk_that_cannot_be_repaired_is_left_out, teardown),
        cmocka_unit_test_teardown(a_disk_that_is_gone_is_left_out, teardown),
        cmocka_unit_test_teardown(what_is_under_way_at_a_disk_that_is_left_out, teardown),
        cmocka_unit_test_teardown(what_a_disk_does_that_is_left_out_does_not_count, teardown),
        cmocka_unit_test_teardown(differing_copies_are_an_error_or_a_preference, teardown),
        cmocka_unit_test_teardown(room_is_waited_for, teardown),
        cmocka_unit_test_teardown(what_a_device_writes_later_reaches_no_client, teardown),
        cmocka_unit_test_teardown(a_device_spoils_its_own_copy_only, teardown),
        cmocka_unit_test_teardown(a_client_that_changes_what_it_writes_harms_nobody, teardown),
        cmocka_unit_test_teardown(a_read_back_that_does_nothing_is_noticed, teardown),
        cmocka_unit_test_teardown(reads_that_do_nothing_are_not_alike, teardown),
        cmocka_unit_test_teardown(reads_that_do_nothing_are_never_alike, teardown),
        cmocka_unit_test_teardown(a_repair_that_is_not_there_is_not_read_from_memory, teardown),
        cmocka_unit_test_teardown(one_driver_is_judged_once, teardown),
        cmocka_unit_test_teardown(a_mirror_is_what_both_are, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
