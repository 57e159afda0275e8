/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/unit/net_fixture.h>

#include <string.h>

void net_test_open(struct net_test *test, const char *name, uint32_t size)
{
    void *memory;

    memset(test, 0, sizeof(*test));
    assert_int_equal(net_client_open(name, &test->client), 0);
    assert_int_equal(net_client_buffer(test->client, 2 * (size_t)size, &memory, &test->buffer), 0);
    test->memory = memory;
    test->half = size;
    for (uint32_t i = 0; i < size; i++)
        test->memory[i] = (uint8_t)(i * 7);
}

void net_test_close(struct net_test *test)
{
    net_client_close(test->client);
}

static void sent(void *context, enum net_completion_status status, uint32_t length, uint8_t flags)
{
    struct net_test *test = context;

    (void)length, (void)flags;
    assert_in_range(status, 0, NET_TEST_STATUSES - 1);
    test->sent[status]++;
}

static void received(void *context, enum net_completion_status status, uint32_t length,
                     uint8_t flags)
{
    struct net_test *test = context;

    assert_in_range(status, 0, NET_TEST_STATUSES - 1);
    test->received[status]++;
    test->length = length;
    test->flags = flags;
}

void net_test_send(struct net_test *test, uint32_t length, unsigned count)
{
    const struct net_place place = {test->buffer, length, 0};

    for (unsigned i = 0; i < count; i++)
        assert_int_equal(net_client_send(test->client, &place, sent, test), 0);
}

void net_test_receive(struct net_test *test, uint32_t length, unsigned count)
{
    const struct net_place place = {test->buffer, length, test->half};

    for (unsigned i = 0; i < count; i++)
        assert_int_equal(net_client_receive(test->client, &place, received, test), 0);
}

void net_test_run(struct net_test *test, uint64_t nanoseconds)
{
    uint64_t end = model_time() + nanoseconds;

    while (model_time() < end) {
        net_client_poll(test->client);
        model_turn();
    }
    net_client_poll(test->client);
}
