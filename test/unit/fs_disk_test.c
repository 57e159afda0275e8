/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The file system service's disk: what is read ahead, in how many requests, and what comes of
 * errors; and the fuzzer's comparison with plain memory on inputs from nowhere.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <service/fs/disk.h>
#include <test/fuzz/fuzz.h>
#include <test/unit/cmocka.h>
#include <test/unit/slow_client.h>

enum { SIZE = SLOW_CLIENT_SIZE, KIB = 1024, UNIT = 512 };

static struct slow_client_device *const device = &slow_client_device;
static struct block_client *client;
static struct disk *disk;
static unsigned char data[1 << 20];

/* Answers come late, and the last first. */
static unsigned choose_last(void *context, unsigned limit)
{
    return limit - 1;
}

static unsigned choose_any(void *context, unsigned limit)
{
    return (unsigned)rand() % limit;
}

static int begin(void **state)
{
    *device = (struct slow_client_device){
        .unit = UNIT, .max_transfer = 512 * KIB, .size = SIZE, .choose = choose_last};
    for (unsigned i = 0; i < SIZE; i++)
        device->data[i] = (unsigned char)(i * UINT32_C(2654435761) >> 20);
    assert_int_equal(block_client_open("disk", true, &client), 0);
    assert_int_equal(disk_create(client, &disk), 0);
    assert_int_equal(disk_block_size_set(disk, 4096), 0);
    return 0;
}

static int end(void **state)
{
    disk_destroy(disk);
    block_client_close(client);
    return 0;
}

static void expect_read(uint64_t offset, uint64_t length)
{
    memset(data, 0, length);
    assert_int_equal(disk_read(disk, offset, length, data), 0);
    assert_memory_equal(data, device->data + offset, length);
}

static void a_reader_that_goes_on_is_read_ahead_of(void **state)
{
    for (unsigned at = 0; at < 2 << 20; at += 4 * KIB)
        expect_read(at, 4 * KIB);
    assert_in_range(device->reads, 1, 40); /* of 512 reads */
    assert_in_range(device->most_in_flight, 2, 16);
}

static void readers_are_told_apart(void **state)
{
    device->choose = choose_any;
    for (unsigned at = 0; at < SIZE / 8; at += 4 * KIB) {
        for (unsigned reader = 0; reader < 4; reader++)
            expect_read(reader * (SIZE / 4) + at, 4 * KIB);
    }
    assert_in_range(device->reads, 1, 100); /* of 512 */
}

static void who_jumps_about_gets_what_was_asked_for(void **state)
{
    for (unsigned i = 0; i < 20; i++)
        expect_read((uint64_t)(i * 7 % 20) * 200 * KIB, 4 * KIB);
    assert_int_equal(device->reads, 20);
    assert_int_equal(device->most_in_flight, 1);
}

static void blocks_are_read_ahead_of_too(void **state)
{
    for (unsigned block = 0; block < 256; block++) {
        assert_int_equal(disk_block_read(disk, block, 1, data), 0);
        assert_memory_equal(data, device->data + (size_t)block * 4096, 4096);
    }
    assert_in_range(device->reads, 1, 20);
}

static void a_long_read_is_several_requests_at_once(void **state)
{
    expect_read(3 * UNIT + 7, 1000 * KIB);
    assert_int_equal(device->reads, 4);
    assert_int_equal(device->most_in_flight, 4);
}

static void long_writes_are_several_requests_at_once(void **state)
{
    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i >> 3);
    assert_int_equal(disk_block_write(disk, 100, 200, data), 0);
    assert_int_equal(device->writes, 0);
    assert_int_equal(disk_flush(disk, true), 0);
    assert_memory_equal(device->data + (size_t)100 * 4096, data, 200 * 4096);
    assert_int_equal(device->writes, 4);
    assert_in_range(device->most_in_flight, 2, 4);
    assert_int_equal(device->flushes, 1);

    assert_int_equal(disk_write(disk, 1 << 20, sizeof(data), data), 0);
    assert_memory_equal(device->data + (1 << 20), data, sizeof(data));
    assert_int_equal(device->writes, 8);
}

static void what_fails_ahead_is_silent_until_it_is_asked_for(void **state)
{
    device->read_fails[40 * KIB / UNIT] = true;
    for (unsigned at = 0; at < 40 * KIB; at += 4 * KIB)
        expect_read(at, 4 * KIB);
    assert_int_equal(disk_read(disk, 40 * KIB, 4 * KIB, data), EIO);
    expect_read(44 * KIB, 4 * KIB);
    device->read_fails[40 * KIB / UNIT] = false;
    expect_read(40 * KIB, 4 * KIB); /* no failure is kept */
}

static void what_is_written_is_not_read_from_before(void **state)
{
    expect_read(0, 4 * KIB);
    expect_read(4 * KIB, 4 * KIB); /* ahead of it 64 KiB are in flight, or there */
    memset(data, 0x5a, 8 * KIB);
    assert_int_equal(disk_write(disk, 16 * KIB, 8 * KIB, data), 0);
    assert_int_equal(disk_block_write(disk, 8, 1, data), 0);
    assert_int_equal(disk_flush(disk, false), 0);
    assert_int_equal(device->data[16 * KIB], 0x5a);
    assert_int_equal(device->data[32 * KIB], 0x5a);
    expect_read(8 * KIB, 64 * KIB);
}

static void a_write_that_fails_stays_dirty(void **state)
{
    memset(data, 0x77, sizeof(data));
    device->write_fails[300 * KIB / UNIT] = true;
    assert_int_equal(disk_block_write(disk, 0, 200, data), 0);
    assert_int_equal(disk_flush(disk, true), EIO);
    assert_int_equal(disk_flush(disk, true), EIO);
    device->write_fails[300 * KIB / UNIT] = false;
    assert_int_equal(disk_flush(disk, true), 0);
    assert_memory_equal(device->data, data, 200 * 4 * KIB);
    assert_int_equal(disk_flush(disk, true), 0);
}

static void a_device_that_goes_is_an_error(void **state)
{
    expect_read(0, 4 * KIB);
    expect_read(4 * KIB, 4 * KIB);
    device->gone = true;
    assert_int_equal(disk_read(disk, 1 << 20, 4 * KIB, data), ENODEV);
    assert_int_equal(disk_write(disk, 1 << 20, 4 * KIB, data), ENODEV);
    assert_int_equal(disk_block_write(disk, 0, 1, data), 0);
    assert_int_equal(disk_flush(disk, false), ENODEV);
}

static void plain_memory_is_as_good(void **state)
{
    static uint8_t input[3000];

    for (unsigned run = 0; run < 60; run++) {
        srand(run);
        for (unsigned i = 0; i < sizeof(input); i++)
            input[i] = (uint8_t)(rand() >> 7);
        LLVMFuzzerTestOneInput(input, sizeof(input));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reader_that_goes_on_is_read_ahead_of),
        TEST(readers_are_told_apart),
        TEST(who_jumps_about_gets_what_was_asked_for),
        TEST(blocks_are_read_ahead_of_too),
        TEST(a_long_read_is_several_requests_at_once),
        TEST(long_writes_are_several_requests_at_once),
        TEST(what_fails_ahead_is_silent_until_it_is_asked_for),
        TEST(what_is_written_is_not_read_from_before),
        TEST(a_write_that_fails_stays_dirty),
        TEST(a_device_that_goes_is_an_error),
        cmocka_unit_test(plain_memory_is_as_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
