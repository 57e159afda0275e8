/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device service's transfers, over the real client and a device that answers in any order.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <kit/core/block_client.h>
#include <service/device/disk.h>
#include <test/unit/cmocka.h>

enum { BLOCK = 4096, BLOCKS = 1024, MEDIA = BLOCK * BLOCKS, MOST = 16384, SENT_MAX = 256 };

static struct {
    unsigned char media[MEDIA];
    unsigned char *buffer;
    size_t buffer_size;
    struct block_submission sent[SENT_MAX];
    unsigned count, total, longest;
} device;

static struct block_client client;
static struct disk *disk;

int block_client_link_send(struct block_client_link *link,
                           const struct block_submission *submissions, unsigned count,
                           bool scattered)
{
    (void)link, (void)scattered;
    assert_true(count <= SENT_MAX - device.count);
    for (unsigned i = 0; i < count; i++) {
        if (submissions[i].count > device.longest)
            device.longest = submissions[i].count;
        device.sent[device.count++] = submissions[i];
    }
    device.total += count;
    return 0;
}

int block_client_link_receive(struct block_client_link *link,
                              const volatile struct block_completion **completions, unsigned *count)
{
    (void)link, (void)completions, (void)count;
    fail(); /* nobody waits here */
    return ENODEV;
}

int block_client_link_poll(struct block_client_link *link,
                           const volatile struct block_completion **completions, unsigned *count)
{
    return block_client_link_receive(link, completions, count);
}

int block_client_buffer(struct block_client *which, size_t size, void **memory, uint32_t *buffer)
{
    (void)which;
    device.buffer = calloc(1, size);
    device.buffer_size = size;
    *memory = device.buffer;
    *buffer = 5;
    return 0;
}

/* The device does, or fails, one of the requests that it has. */
static void answer(unsigned which, enum block_status status)
{
    struct block_submission submission = device.sent[which];
    size_t length = (size_t)submission.count * BLOCK;
    size_t at = submission.block * BLOCK;

    device.sent[which] = device.sent[--device.count];
    if (submission.operation != BLOCK_FLUSH) {
        assert_int_equal(submission.buffer, 5);
        assert_true(length <= MOST && at <= MEDIA && length <= MEDIA - at);
        assert_true(submission.offset <= device.buffer_size - length);
    }
    if (status == BLOCK_STATUS_OK && submission.operation == BLOCK_READ)
        memcpy(device.buffer + submission.offset, device.media + at, length);
    if (status == BLOCK_STATUS_OK && submission.operation == BLOCK_WRITE)
        memcpy(device.media + at, device.buffer + submission.offset, length);
    struct block_completion completion = {
        .slot = submission.slot,
        .status = (uint16_t)status,
        .generation = submission.generation,
        .length = status == BLOCK_STATUS_OK ? (uint32_t)length : 0,
    };
    block_client_take(&client, &completion, 1);
    block_client_send(&client);
}

struct caller {
    struct transfer transfer; /* the first */
    unsigned ended;
    int error;
};

static void caller_done(struct transfer *transfer, int error)
{
    struct caller *caller = (struct caller *)transfer;

    caller->ended++;
    caller->error = error;
}

static void start(struct caller *caller, enum block_operation operation, uint64_t offset,
                  uint64_t length, unsigned char *data)
{
    *caller = (struct caller){.transfer = {.operation = operation,
                                           .offset = offset,
                                           .length = length,
                                           .data = data,
                                           .done = caller_done}};
    disk_start(disk, &caller->transfer);
    block_client_send(&client);
}

static int setup(void **state)
{
    const struct block_info info = {.blocks = BLOCKS, .block_size = BLOCK, .max_transfer = MOST};

    (void)state;
    device.count = device.total = device.longest = 0;
    for (size_t i = 0; i < MEDIA; i++)
        device.media[i] = (unsigned char)(i * 7 + i / 4096);
    block_client_init(&client, &info, NULL);
    return disk_create(&client, &disk);
}

static int teardown(void **state)
{
    (void)state;
    disk_destroy(disk);
    free(device.buffer);
    return 0;
}

static void callers_are_in_flight_together(void **state)
{
    static unsigned char data[32][BLOCK];
    static struct caller callers[32];

    (void)state;
    for (unsigned i = 0; i < 32; i++)
        start(&callers[i], BLOCK_READ, (uint64_t)i * BLOCK, BLOCK, data[i]);
    assert_int_equal(device.count, 32);
    while (device.count > 0)
        answer(device.count / 2, BLOCK_STATUS_OK);
    for (unsigned i = 0; i < 32; i++) {
        assert_int_equal(callers[i].ended, 1);
        assert_int_equal(callers[i].error, 0);
        assert_memory_equal(data[i], device.media + (size_t)i * BLOCK, BLOCK);
    }
}

static void long_ones_are_split_as_little_as_possible(void **state)
{
    static unsigned char data[10 * MOST];
    struct caller caller;

    (void)state;
    start(&caller, BLOCK_READ, BLOCK, sizeof(data), data);
    assert_int_equal(device.count, 10);
    assert_int_equal(device.longest, MOST / BLOCK);
    while (device.count > 1)
        answer(device.count - 1, BLOCK_STATUS_OK);
    assert_int_equal(caller.ended, 0);
    answer(0, BLOCK_STATUS_OK);
    assert_int_equal(caller.ended, 1);
    assert_memory_equal(data, device.media + BLOCK, sizeof(data));
}

static void more_than_there_is_room_for_waits(void **state)
{
    enum { CALLERS = 6, EACH = 1 << 20 };
    static unsigned char data[CALLERS][EACH];
    struct caller callers[CALLERS], flush;

    (void)state;
    for (unsigned i = 0; i < CALLERS; i++)
        start(&callers[i], BLOCK_READ, (uint64_t)i * BLOCK, EACH, data[i]);
    assert_int_equal(device.count, 4 * EACH / MOST); /* 4 MiB of buffer */
    start(&flush, BLOCK_FLUSH, 0, 0, NULL);
    while (device.count > 0)
        answer(0, BLOCK_STATUS_OK);
    for (unsigned i = 0; i < CALLERS; i++) {
        assert_int_equal(callers[i].ended, 1);
        assert_memory_equal(data[i], device.media + (size_t)i * BLOCK, EACH);
    }
    assert_int_equal(flush.ended, 1);
}

/* Neighbours in one block of the device: neither may write back what the other replaced. */
static void writes_into_one_block_follow_each_other(void **state)
{
    static unsigned char first[512], second[512], before[BLOCK];
    struct caller callers[2];

    (void)state;
    memcpy(before, device.media, BLOCK);
    memset(first, 0xaa, sizeof(first));
    memset(second, 0xbb, sizeof(second));
    start(&callers[0], BLOCK_WRITE, 512, 512, first);
    start(&callers[1], BLOCK_WRITE, 1024, 512, second);
    assert_int_equal(device.count, 1); /* the first one's block is read */
    while (device.count > 0)
        answer(0, BLOCK_STATUS_OK);
    assert_int_equal(callers[0].ended + callers[1].ended, 2);
    memset(before + 512, 0xaa, 512);
    memset(before + 1024, 0xbb, 512);
    assert_memory_equal(device.media, before, BLOCK);
    assert_int_equal(device.total, 4);
}

static void an_error_is_told_once_and_last(void **state)
{
    static unsigned char data[4 * MOST];
    struct caller caller;

    (void)state;
    start(&caller, BLOCK_WRITE, 0, sizeof(data), data);
    answer(1, BLOCK_STATUS_MEDIUM);
    answer(0, BLOCK_STATUS_OK);
    answer(0, BLOCK_STATUS_DEVICE);
    assert_int_equal(caller.ended, 0);
    answer(0, BLOCK_STATUS_OK);
    assert_int_equal(caller.ended, 1);
    assert_int_equal(caller.error, EIO);
    /* A block that cannot be read is not written in part. */
    unsigned total = device.total;
    start(&caller, BLOCK_WRITE, 512, 512, data);
    answer(0, BLOCK_STATUS_MEDIUM);
    assert_int_equal(caller.error, EIO);
    assert_int_equal(device.total, total + 1);
}

static void a_dead_driver_ends_everything(void **state)
{
    enum { CALLERS = 8, EACH = 1 << 20 };
    static unsigned char data[EACH];
    struct caller callers[CALLERS];

    (void)state;
    for (unsigned i = 0; i < CALLERS; i++)
        start(&callers[i], i % 2 ? BLOCK_READ : BLOCK_WRITE, 512, EACH, data);
    block_client_fail(&client);
    for (unsigned i = 0; i < CALLERS; i++) {
        assert_int_equal(callers[i].ended, 1);
        assert_int_equal(callers[i].error, ENODEV);
    }
    start(&callers[0], BLOCK_FLUSH, 0, 0, NULL);
    assert_int_equal(callers[0].error, ENODEV);
}

static bool lend(struct caller *caller, uint64_t offset, uint64_t length)
{
    *caller = (struct caller){
        .transfer = {
            .operation = BLOCK_READ, .offset = offset, .length = length, .done = caller_done}};
    bool lent = disk_lend(disk, &caller->transfer);
    block_client_send(&client);
    return lent;
}

/* What is lent stays as it is until two turns are over, and is used again then. */
static void what_is_lent_is_not_overwritten_too_soon(void **state)
{
    enum { LENT = 4 };
    struct caller callers[LENT], next;

    (void)state;
    assert_false(lend(&next, 0, BLOCK)); /* nothing may be lent yet */
    disk_lends(disk, LENT * BLOCK);
    for (unsigned i = 0; i < LENT; i++)
        assert_true(lend(&callers[i], (uint64_t)i * BLOCK, BLOCK));
    assert_false(lend(&next, 0, BLOCK));
    while (device.count > 0)
        answer(device.count / 2, BLOCK_STATUS_OK);
    for (unsigned i = 0; i < LENT; i++) {
        assert_int_equal(callers[i].ended, 1);
        assert_memory_equal(callers[i].transfer.data, device.media + (size_t)i * BLOCK, BLOCK);
    }
    assert_false(lend(&next, 0, BLOCK));
    assert_false(disk_turn(disk));
    assert_false(lend(&next, 0, BLOCK));
    assert_false(disk_turn(disk));
    assert_true(lend(&next, 9 * BLOCK, 2 * BLOCK));
    answer(0, BLOCK_STATUS_OK);
    assert_memory_equal(next.transfer.data, device.media + (size_t)9 * BLOCK, 2 * BLOCK);
}

/* A page has only what its caller asked for, in one request. */
static void only_whole_pages_are_lent(void **state)
{
    struct caller caller;

    (void)state;
    disk_lends(disk, SIZE_MAX);
    assert_false(lend(&caller, 0, 512));
    assert_false(lend(&caller, 512, BLOCK));
    assert_false(lend(&caller, 0, BLOCK + 512));
    assert_false(lend(&caller, 0, MOST + BLOCK));
    assert_int_equal(device.count, 0);
    assert_true(lend(&caller, 0, MOST));
    answer(0, BLOCK_STATUS_MEDIUM);
    assert_int_equal(caller.error, EIO);
    assert_true(lend(&caller, 0, MOST));
    block_client_fail(&client);
    assert_int_equal(caller.error, ENODEV);
}

/* Who waits for room is not overtaken, and gets what was lent. */
static void who_waits_goes_first(void **state)
{
    enum { LONG = 1 << 20, LONGS = 4 };
    static unsigned char data[LONGS][LONG];
    struct caller callers[LONGS], lent, next;

    (void)state;
    disk_lends(disk, SIZE_MAX);
    assert_true(lend(&lent, 0, MOST));
    for (unsigned i = 0; i < LONGS; i++)
        start(&callers[i], BLOCK_READ, (uint64_t)i * BLOCK, LONG, data[i]);
    assert_false(lend(&next, 0, BLOCK));
    answer(0, BLOCK_STATUS_OK);
    assert_int_equal(lent.ended, 1);
    unsigned total = device.total;
    assert_true(disk_turn(disk));
    assert_int_equal(device.total, total);
    assert_true(disk_turn(disk));
    block_client_send(&client);
    assert_int_equal(device.total, total + 1);
    while (device.count > 0)
        answer(0, BLOCK_STATUS_OK);
    for (unsigned i = 0; i < LONGS; i++)
        assert_memory_equal(data[i], device.media + (size_t)i * BLOCK, LONG);
    assert_true(lend(&next, 0, BLOCK));
}

/* Whatever the order of the answers, writes have the effect of one after the other. */
static void any_order_of_answers_gives_the_same(void **state)
{
    enum { CALLERS = 12, ROUNDS = 3000, LONGEST = 40000 };
    static unsigned char data[CALLERS][LONGEST], shadow[MEDIA];
    struct caller callers[CALLERS];

    (void)state;
    srand(7);
    memcpy(shadow, device.media, MEDIA);
    for (unsigned i = 0; i < CALLERS; i++)
        callers[i] = (struct caller){.ended = 1};
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned i = (unsigned)rand() % CALLERS;
        if (callers[i].ended) {
            uint64_t length = 1 + (uint64_t)rand() % LONGEST;
            uint64_t offset = (uint64_t)rand() % (100000 - length);
            memset(data[i], rand(), length);
            memcpy(shadow + offset, data[i], length);
            start(&callers[i], BLOCK_WRITE, offset, length, data[i]);
        } else if (device.count > 0) {
            answer((unsigned)rand() % device.count, BLOCK_STATUS_OK);
        }
    }
    while (device.count > 0)
        answer((unsigned)rand() % device.count, BLOCK_STATUS_OK);
    for (unsigned i = 0; i < CALLERS; i++)
        assert_int_equal(callers[i].ended, 1);
    assert_memory_equal(device.media, shadow, MEDIA);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(callers_are_in_flight_together),
        TEST(long_ones_are_split_as_little_as_possible),
        TEST(more_than_there_is_room_for_waits),
        TEST(writes_into_one_block_follow_each_other),
        TEST(an_error_is_told_once_and_last),
        TEST(a_dead_driver_ends_everything),
        TEST(what_is_lent_is_not_overwritten_too_soon),
        TEST(only_whole_pages_are_lent),
        TEST(who_waits_goes_first),
        TEST(any_order_of_answers_gives_the_same),
    };

    return cmocka_run_group_tests_name("device disk", tests, NULL, NULL);
}
