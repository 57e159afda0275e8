/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/unit/net_fixture.h>

#include <errno.h>
#include <string.h>

#include <test/unit/ending.h>

#define LONG (20 * CLOCK_SECOND) /* beyond every limit that a driver sets its device */

struct device *device;
struct net_test test;

void net_test_setup(struct model_device *model, struct model_wire *wire, const char *name)
{
    device = model_host_begin(model, name);
    test = (struct net_test){.wire = wire};
}

int net_test_teardown(void **state)
{
    unsigned violations = model_violations();

    (void)state;
    model_net_end();
    model_host_end();
    assert_int_equal(violations, 0);
    return 0;
}

void net_test_begin(void)
{
    assert_int_equal(driver.attach(device), 0);
    net_test_open();
}

void net_test_open(void)
{
    void *memory;

    test = (struct net_test){.wire = test.wire};
    assert_int_equal(net_client_open(device_name(device), &test.client), 0);
    assert_int_equal(
        net_client_buffer(test.client, NET_TEST_SEND + NET_TEST_RECEIVE, &memory, &test.buffer), 0);
    test.memory = memory;
    for (uint32_t i = 0; i < NET_TEST_SEND; i++)
        test.memory[i] = (uint8_t)(i * 7);
}

void net_test_close(void)
{
    net_client_close(test.client);
}

void net_test_expect_info(uint32_t max_frame, uint32_t receive_size, uint32_t flags)
{
    static const uint8_t address[] = {0x52, 0x54, 0, 1, 2, 3};
    const struct net_info *info = net_client_info(test.client);

    assert_memory_equal(info->address, address, sizeof(address));
    assert_int_equal(info->max_frame, max_frame);
    assert_int_equal(info->receive_size, receive_size);
    assert_int_equal(info->flags, flags);
}

static void sent(void *context, enum net_completion_status status, uint32_t length, uint8_t flags)
{
    (void)context, (void)length, (void)flags;
    assert_in_range(status, 0, NET_TEST_STATUSES - 1);
    test.sent[status]++;
}

static void received(void *context, enum net_completion_status status, uint32_t length,
                     uint8_t flags)
{
    static unsigned char whole[NET_FRAME_MOST];

    assert_in_range(status, 0, NET_TEST_STATUSES - 1);
    test.received[status]++;
    if (status == NET_STATUS_PIECE)
        return;
    test.length = length;
    test.flags = flags & (uint8_t)~NET_PIECES;
    if (status != NET_STATUS_OK)
        return;
    const unsigned char *frame = net_client_frame(test.client, context, flags, whole);
    test.first = frame[0];
    test.last = frame[length - 1];
}

void net_test_send(uint32_t length, unsigned count)
{
    const struct net_place place = {test.buffer, length, 0};

    for (unsigned i = 0; i < count; i++)
        assert_int_equal(net_client_send(test.client, &place, sent, NULL), 0);
}

void net_test_receive(uint32_t length, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t at = NET_TEST_SEND + test.posted++ % (NET_TEST_RECEIVE / length) * length;
        const struct net_place place = {test.buffer, length, at};
        assert_int_equal(net_client_receive(test.client, &place, received, test.memory + at), 0);
    }
}

void net_test_run(uint64_t nanoseconds)
{
    uint64_t end = model_time() + nanoseconds;

    while (model_time() < end) {
        net_client_poll(test.client);
        model_turn();
    }
    net_client_poll(test.client);
}

void net_test_arrive(unsigned count)
{
    test.wire->waiting = count;
    net_test_run(A_WHILE);
}

struct net_state net_test_state(void)
{
    struct net_state state;

    net_client_state(test.client, &state);
    return state;
}

void net_test_goes_out(uint32_t length)
{
    unsigned before = test.sent[NET_STATUS_OK];

    net_test_send(length, 1);
    net_test_run(A_WHILE);
    assert_int_equal(test.sent[NET_STATUS_OK], before + 1);
    assert_int_equal(test.wire->sent_length, length);
    assert_memory_equal(test.wire->sent_frame, test.memory, length);
}

void net_test_comes_in(uint32_t length)
{
    unsigned before = test.received[NET_STATUS_OK], number = test.wire->arrived;

    test.wire->length = length;
    net_test_arrive(1);
    assert_int_equal(test.received[NET_STATUS_OK], before + 1);
    assert_int_equal(test.length, length);
    assert_int_equal(test.first, (uint8_t)number);
    assert_int_equal(test.last, (uint8_t)number);
}

void net_test_session_after_another(uint32_t room, uint64_t reset)
{
    struct net_client *second;

    net_test_begin();
    net_test_receive(room, 200);
    test.wire->holds_sends = true;
    net_test_send(60, 10);
    net_test_run(A_WHILE);
    assert_int_equal(net_client_open(device_name(device), &second), EBUSY);
    net_test_close();
    assert_int_equal(net_client_open(device_name(device), &second), EBUSY); /* it is being reset */
    test.wire->waiting = 5; /* a violation if the device were to write */
    model_run(reset);
    test.wire->waiting = 0;
    test.wire->holds_sends = false;
    net_test_open();
    net_test_receive(room, 2);
    net_test_send(60, 2);
    net_test_run(A_WHILE);
    net_test_arrive(2);
    assert_int_equal(test.sent[NET_STATUS_OK], 2);
    assert_int_equal(test.received[NET_STATUS_OK], 2);
}

static void send_for_long(void *context)
{
    (void)context;
    net_test_send(60, 3);
    net_test_run(LONG);
}

void net_test_sending_ends_driver(void)
{
    assert_driver_ends(send_for_long, NULL);
}

static void close_for_long(void *context)
{
    (void)context;
    net_test_close();
    model_run(LONG);
}

void net_test_closing_ends_driver(void)
{
    assert_driver_ends(close_for_long, NULL);
}
