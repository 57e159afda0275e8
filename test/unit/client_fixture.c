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

static void ended(void *context, enum block_status status)
{
    (void)context;
    assert_in_range(status, 0, CLIENT_STATUSES - 1);
    client_ended[status]++;
}

void client_submit_reads(struct test_client *client, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(
            block_client_submit(client->client, BLOCK_READ, i, 1, client->buffer, 0, ended, NULL),
            0);
}

/* Bytes that tell where they belong. */
static void pattern(uint8_t *memory, size_t size, uint32_t seed)
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
    pattern(client->memory, client->size, (uint32_t)(block + offset));
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
