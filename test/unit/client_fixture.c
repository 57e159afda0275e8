/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/unit/client_fixture.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <test/unit/cmocka.h>

unsigned client_ended[CLIENT_STATUSES];

void client_open(struct test_client *client, const char *name, bool write, size_t size)
{
    void *memory;

    assert_int_equal(block_client_open(name, write, &client->client), 0);
    assert_int_equal(block_client_buffer(client->client, size, &memory, &client->buffer), 0);
    client->memory = memory;
    client->size = size;
    memset(client_ended, 0, sizeof(client_ended));
}

void client_close(struct test_client *client)
{
    block_client_close(client->client);
}

static void request_done(void *context, enum block_status status)
{
    *(int *)context = (int)status;
}

enum block_status client_request(struct test_client *client, enum block_operation operation,
                                 uint64_t block, uint32_t count, uint64_t offset)
{
    int status = -1;

    if (block_client_submit(client->client, operation, block, count,
                            operation == BLOCK_FLUSH ? 0 : client->buffer, offset, request_done,
                            &status) != 0)
        return BLOCK_STATUS_GONE;
    block_client_wait(client->client, true);
    assert_int_not_equal(status, -1);
    return (enum block_status)status;
}

void client_end(void *context, enum block_status status)
{
    (void)context;
    assert_in_range(status, 0, CLIENT_STATUSES - 1);
    client_ended[status]++;
}

void client_submit_reads(struct test_client *client, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(block_client_submit(client->client, BLOCK_READ, i, 1, client->buffer, 0,
                                             client_end, NULL),
                         0);
}

void client_pattern(uint8_t *memory, size_t size, uint32_t seed)
{
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525 + 1013904223;
        memory[i] = (uint8_t)(seed >> 24);
    }
}

void client_check_transfer(struct test_client *client, const uint8_t *disk, uint64_t block,
                           uint32_t count, uint64_t offset)
{
    uint32_t block_size = block_client_info(client->client)->block_size;
    size_t size = (size_t)count * block_size;
    uint8_t *expected = malloc(size);

    assert_non_null(expected);
    client_pattern(client->memory, client->size, (uint32_t)(block + offset));
    memcpy(expected, client->memory + offset, size);
    assert_int_equal(client_request(client, BLOCK_WRITE, block, count, offset), BLOCK_STATUS_OK);
    assert_memory_equal(disk + block * block_size, expected, size);

    memset(client->memory, 0xa5, client->size);
    assert_int_equal(client_request(client, BLOCK_READ, block, count, offset), BLOCK_STATUS_OK);
    assert_memory_equal(client->memory + offset, expected, size);
    for (size_t i = 0; i < client->size; i++) {
        if ((i < offset || i - offset >= size) && client->memory[i] != 0xa5)
            fail_msg("byte %zu outside of [%llu, +%zu) was changed", i, (unsigned long long)offset,
                     size);
    }
    free(expected);
}

enum block_status client_request_parts(struct test_client *client, enum block_operation operation,
                                       uint64_t block, const struct block_client_part *parts,
                                       unsigned count)
{
    int status = -1;

    assert_int_equal(block_client_submit_parts(client->client, operation, block, parts, count,
                                               request_done, &status),
                     0);
    block_client_wait(client->client, true);
    assert_int_not_equal(status, -1);
    return (enum block_status)status;
}

static void check_parts(struct test_client *client, const uint8_t *disk, uint64_t block,
                        const struct block_client_part *parts, unsigned count)
{
    uint8_t *before = malloc(client->size);
    const uint8_t *on_disk = disk + block * 512;

    assert_non_null(before);
    client_pattern(client->memory, client->size, (uint32_t)(block + count + parts[0].offset));
    memcpy(before, client->memory, client->size);
    assert_int_equal(client_request_parts(client, BLOCK_WRITE, block, parts, count),
                     BLOCK_STATUS_OK);
    memset(client->memory, 0xa5, client->size);
    assert_int_equal(client_request_parts(client, BLOCK_READ, block, parts, count),
                     BLOCK_STATUS_OK);
    for (unsigned i = 0; i < count; i++) {
        size_t length = (size_t)parts[i].blocks * 512;
        assert_memory_equal(on_disk, before + parts[i].offset, length);
        assert_memory_equal(client->memory + parts[i].offset, on_disk, length);
        memset(client->memory + parts[i].offset, 0xa5, length);
        on_disk += length;
    }
    for (size_t i = 0; i < client->size; i++) {
        if (client->memory[i] != 0xa5)
            fail_msg("byte %zu outside of the parts was changed", i);
    }
    free(before);
}

void client_check_parts(struct test_client *client, const uint8_t *disk, uint64_t block)
{
    static const struct {
        unsigned count;
        struct {
            uint32_t blocks;
            uint64_t offset;
        } part[BLOCK_PARTS];
    } shapes[CLIENT_SCATTERINGS] = {
        {1, {{3, 4096}}},
        /* Whole pages, but where the data begins and ends. */
        {2, {{1, 0x3e00}, {1, 0x9000}}},
        {3, {{8, 0x3000}, {16, 0x10000}, {3, 0x1000}}},
        {5, {{7, 0x200}, {512, 0x81000}, {8, 0x80000}, {1016, 0x1000}, {505, 0xc1000}}},
        /* Anything. */
        {2, {{3, 4}, {2, 0x8204}}},
        {5, {{1, 0x200}, {1, 0x600}, {1, 0x400}, {1, 0}, {1, 0x1ffc}}},
        {5, {{2040, 0x1204}, {2, 0x100800}, {1, 0x600}, {4, 0x101004}, {1, 0x10f000}}},
    };

    for (unsigned i = 0; i < CLIENT_SCATTERINGS; i++) {
        struct block_client_part parts[BLOCK_PARTS] = {{0}};
        for (unsigned j = 0; j < shapes[i].count; j++)
            parts[j] = (struct block_client_part){client->buffer, shapes[i].part[j].blocks,
                                                  shapes[i].part[j].offset};
        check_parts(client, disk, block + i, parts, shapes[i].count);
    }
}
