/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The network class's core, between a driver and a client that the test plays.
 */
#include <errno.h>
#include <string.h>

#include <kit/core/net.h>

#include <test/unit/cmocka.h>

enum { ROOM = 4, SIZE = 1 << 20 };

static struct net_device *device;
static struct net_session *session;
static struct net_request *held[ROOM];
static unsigned holding, done, kicks;
static uint32_t length; /* that each of them has */

/* A device that is done with a frame as soon as it is told of it, and has room for a few. */
static bool nic_send(void *context, struct net_request *request)
{
    (void)context;
    if (holding == ROOM)
        return false;
    held[holding++] = request;
    return true;
}

static void nic_kick(void *context)
{
    (void)context;
    kicks++;
    while (holding > 0)
        net_request_done(held[--holding], NET_STATUS_OK, length, 0);
}

static void nic_filter(void *context, const struct net_filter *filter)
{
    (void)context, (void)filter;
}

static void nic_recall(void *context)
{
    (void)context;
    net_device_recalled(device);
}

static bool client_deliver(void *link, struct net_completion *completions, unsigned count,
                           const struct net_state *state)
{
    (void)link, (void)completions, (void)state;
    done += count;
    return true;
}

static void client_ended(void *link, struct net_session *ended)
{
    (void)link, (void)ended;
    session = NULL;
}

static const struct net_device_ops ops = {
    .send = nic_send,
    .receive = nic_send,
    .kick = nic_kick,
    .filter = nic_filter,
    .recall = nic_recall,
};
static const struct net_transport transport = {client_deliver, client_ended};

static void begin(const struct net_info *info)
{
    uint32_t buffer;

    holding = done = kicks = 0;
    length = 60;
    assert_int_equal(net_device_create(info, &ops, NULL, &device), 0);
    assert_int_equal(net_session_create(device, &transport, NULL, &session), 0);
    assert_int_equal(net_session_attach(session, 0, SIZE, &buffer), 0);
}

static int setup(void **state)
{
    (void)state;
    begin(&(struct net_info){.max_frame = 1514, .receive_size = 1526});
    return 0;
}

static int setup_merging(void **state)
{
    (void)state;
    begin(&(struct net_info){.max_frame = 9014, .receive_size = 1526, .flags = NET_INFO_MERGES});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    net_session_end(session);
    net_device_destroy(device);
    return 0;
}

static void submit(enum net_operation operation, unsigned count)
{
    for (unsigned slot = 0; slot < count; slot++) {
        const struct net_submission submission = {.operation = (uint8_t)operation,
                                                  .slot = (uint16_t)slot,
                                                  .length = operation == NET_SEND ? 60 : 1526};
        assert_int_equal(net_session_submit(session, &submission), 0);
    }
}

/* The client waits for all of them, and the device for nothing: nobody would begin another turn. */
static void all_go_in_one_turn_if_there_is_room(void **state)
{
    (void)state;
    submit(NET_SEND, 5 * ROOM + 1);
    net_turn();
    assert_int_equal(done, 5 * ROOM + 1);
    assert_int_equal(kicks, 6);
    submit(NET_RECEIVE, 2 * ROOM);
    net_turn();
    assert_int_equal(done, 7 * ROOM + 1);
    net_turn();
    assert_int_equal(kicks, 8);
}

/* What is not in its buffer, too short or too long, or has what the device does not: nothing of it
 * reaches the driver. */
static void submissions_that_cannot_be(void **state)
{
    const struct net_submission cases[] = {
        {.operation = NET_SEND, .length = 60, .offset = SIZE - 59},
        {.operation = NET_SEND, .length = 60, .offset = SIZE + 1},
        {.operation = NET_SEND, .length = 60, .offset = UINT64_MAX - 30},
        {.operation = NET_RECEIVE, .length = 1526, .offset = SIZE - 1525},
        {.operation = NET_SEND, .length = 60, .buffer = 1},
        {.operation = NET_SEND, .length = 60, .buffer = NET_BUFFERS},
        {.operation = NET_SEND, .length = 13},
        {.operation = NET_SEND, .length = 1515},
        {.operation = NET_RECEIVE, .length = 1525},
        {.operation = NET_RECEIVE, .length = NET_FRAME_MOST + 1},
        {.operation = NET_SEND, .length = 60, .flags = NET_CHECKSUM},
        {.operation = NET_SEND, .length = 60, .checksum_start = 1},
        {.operation = NET_SEND, .length = 60, .reserved = 1},
        {.operation = 0, .length = 60},
        {.operation = 3, .length = 60},
    };
    enum { CASES = sizeof(cases) / sizeof(cases[0]) };

    (void)state;
    for (unsigned i = 0; i < CASES; i++) {
        assert_int_equal(net_session_submit(session, &cases[i]), 0);
        assert_int_equal(session->completion[0].status, NET_STATUS_INVALID);
        net_turn();
        assert_int_equal(done, i + 1);
    }
    assert_int_equal(kicks, 0);
    assert_int_equal(device->state.statistics.refused, CASES);
    submit(NET_SEND, 1);
    assert_int_equal(net_session_submit(session, &cases[0]), EPROTO); /* in flight */
    assert_int_equal(
        net_session_submit(session, &(struct net_submission){.slot = NET_SLOTS, .length = 60}),
        EPROTO);
}

static void comes(uint32_t bytes)
{
    length = bytes;
    submit(NET_RECEIVE, 1);
    net_turn();
}

/* Headers are not of what frames hold, and less than nothing does not come, whatever the device
 * says. */
static void bytes_that_came(void **state)
{
    const struct net_statistics *statistics = &device->state.statistics;

    (void)state;
    comes(1);
    comes(12);
    assert_int_equal(statistics->received_bytes, 0);
    assert_int_equal(statistics->received_frames, 2);
    comes(12 + 60);
    assert_int_equal(statistics->received_bytes, 60);
    comes(1526); /* and more: in two buffers, the header in the first */
    comes(5);
    assert_int_equal(statistics->received_bytes, 60 + 1519);
    assert_int_equal(statistics->received_frames, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_go_in_one_turn_if_there_is_room, setup, teardown),
        cmocka_unit_test_setup_teardown(submissions_that_cannot_be, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_that_came, setup_merging, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
