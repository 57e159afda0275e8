/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The virtio-net driver on the model host: frames in several buffers, and several pairs of queues.
 */
#include <errno.h>
#include <string.h>

#include <host/model/virtio_net_model.h>
#include <test/unit/ending.h>
#include <test/unit/net_fixture.h>

enum { ROOM = 2048, MOST = 9014, BUFFERS = 16 };

static struct virtio_net_model model;

static int setup(void **state)
{
    static const uint16_t mtu = 9000;

    (void)state;
    virtio_net_model_init(&model);
    model.virtio.offered |= UINT64_C(1) << VIRTIO_NET_MODEL_MTU;
    memcpy(model.config + 10, &mtu, sizeof(mtu));
    net_test_setup(&model.virtio.device, &model.wire, "virtio-net0");
    return 0;
}

static unsigned in_flight(void)
{
    return NET_SLOTS - test.client->free_count;
}

static void frames_come_in_pieces(void **state)
{
    static const uint32_t lengths[] = {60, 2035, 2036, 2037, 4083, 4084, 4085, 6132, 8180, MOST};
    uint64_t bytes = 0;

    (void)state;
    net_test_begin();
    net_test_expect_info(MOST, ROOM, NET_INFO_MERGES);
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        net_test_receive(ROOM, BUFFERS - in_flight());
        net_test_comes_in(lengths[i]);
        bytes += lengths[i];
    }
    assert_int_equal(model.merged_most, 5);
    assert_int_equal(test.received[NET_STATUS_PIECE], 1 + 1 + 1 + 2 + 2 + 3 + 4);
    const struct net_state net = net_test_state();
    assert_int_equal(net.statistics.received_frames, 10);
    assert_int_equal(net.statistics.received_bytes, bytes);
    assert_int_equal(net.statistics.receive_errors, 0);
    /* The card's own: four frames fill their last buffers. */
    assert_int_equal(test.client->state.statistics.received_frames, 6);
    assert_int_equal(test.client->state.statistics.received_bytes, bytes + 4 * UINT64_C(12));
    assert_int_equal(net_client_counts(test.client).rejected, 0);
    net_test_close();
}

static void many_come_together(void **state)
{
    (void)state;
    net_test_begin();
    net_test_receive(ROOM, 200);
    model.wire.length = 4085;
    net_test_arrive(66); /* 3 buffers each */
    net_test_run(10 * A_WHILE);
    assert_int_equal(test.received[NET_STATUS_OK], 66);
    assert_int_equal(test.received[NET_STATUS_PIECE], 132);
    model.wire.waiting = 1; /* 2 are left: it waits for one more */
    net_test_run(A_WHILE);
    assert_int_equal(test.received[NET_STATUS_OK], 66);
    net_test_receive(ROOM, 1);
    net_test_run(A_WHILE);
    assert_int_equal(test.received[NET_STATUS_OK], 67);
    net_test_close();
}

/* Nothing of it is given to the client, and what follows is a frame again. */
static void frames_longer_than_any(void **state)
{
    (void)state;
    net_test_begin();
    for (uint32_t length = MOST + 1; length <= VIRTIO_NET_MODEL_FRAME; length += 1225) {
        net_test_receive(ROOM, BUFFERS - in_flight());
        model.wire.length = length;
        net_test_arrive(1);
        net_test_comes_in(3000);
    }
    assert_int_equal(test.received[NET_STATUS_DROPPED], 5 + 6);
    assert_int_equal(net_test_state().statistics.receive_errors, 2);
    net_test_close();
}

/* Whatever it says: every buffer comes back, and right frames come in afterwards. */
static void devices_that_miscount(void **state)
{
    static const struct {
        uint16_t buffers;
        uint32_t leaves, length;
    } cases[] = {{0, 1, 5000},  {0, 2048, 5000}, {1, 0, 5000},  {2, 0, 5000},     {4, 0, 5000},
                 {17, 0, 5000}, {16, 0, 60},     {16, 0, 5000}, {65535, 0, 9000}, {65535, 0, 60},
                 {3, 0, 60},    {0, 0, 13},      {0, 0, 1}};

    (void)state;
    net_test_begin();
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        net_test_receive(ROOM, BUFFERS - in_flight());
        model.tells_buffers = cases[i].buffers;
        model.leaves = cases[i].leaves;
        model.wire.length = cases[i].length;
        net_test_arrive(1);
        model.tells_buffers = 0;
        model.leaves = 0;
        /* What it still waits for is filled by others. */
        model.wire.length = 60;
        for (unsigned j = 0; j < 2 * BUFFERS; j++) {
            net_test_receive(ROOM, BUFFERS - in_flight());
            net_test_arrive(1);
        }
        net_test_receive(ROOM, BUFFERS - in_flight());
        net_test_comes_in(5000);
    }
    net_test_close();
}

static void merged_sessions_end(void **state)
{
    (void)state;
    model.virtio.reset_time = 3 * A_WHILE;
    net_test_session_after_another(ROOM, 10 * A_WHILE);
    assert_int_equal(model.virtio.resets, 2);
    net_test_close();
}

static int flow_send(uint16_t flow)
{
    return net_client_send_flow(test.client, &(struct net_place){test.buffer, 60, 0}, flow, NULL,
                                NULL);
}

static void flows_have_queues(void **state)
{
    (void)state;
    virtio_net_model_pairs(&model, 4);
    net_test_begin();
    assert_int_equal(model.pairs, 4);
    assert_int_equal(model_log_count("4 pairs of queues"), 1);
    assert_int_equal(net_client_info(test.client)->queues, 4);
    for (uint16_t flow = 0; flow < 10; flow++)
        assert_int_equal(flow_send(flow), 0);
    net_test_run(A_WHILE);
    assert_int_equal(model.wire.sent, 10);
    assert_int_equal(model.sent_on[0] * 1000 + model.sent_on[1] * 100 + model.sent_on[2] * 10 +
                         model.sent_on[3],
                     3322);
    for (unsigned i = 0; i < 600; i++) { /* more than one queue has room for */
        if (flow_send(65535) != 0)
            net_test_run(A_WHILE);
    }
    net_test_run(50 * A_WHILE);
    assert_in_range(model.sent_on[3], 500, 602);
    assert_int_equal(in_flight(), 0);
    net_test_close();
}

static void frames_come_by_all_queues(void **state)
{
    (void)state;
    virtio_net_model_pairs(&model, 4);
    net_test_begin();
    net_test_receive(ROOM, 40);
    net_test_run(A_WHILE);
    for (unsigned pair = 0; pair < 4; pair++)
        assert_int_equal(model.virtio.queue[2 * pair].seen, 10);
    for (unsigned i = 0; i < 40; i++) {
        model.pair = i % 4;
        net_test_comes_in(i % 2 ? 60 : MOST);
        net_test_receive(ROOM, 40 - in_flight());
    }
    net_test_close();
}

/* Buffers are spread evenly all the same, as far as a short one has room. */
static void queues_of_different_lengths(void **state)
{
    (void)state;
    virtio_net_model_pairs(&model, 4);
    model.virtio.first_size = 16;
    net_test_begin();
    net_test_receive(ROOM, 40);
    net_test_run(A_WHILE);
    for (unsigned pair = 0; pair < 4; pair++)
        assert_int_equal(model.virtio.queue[2 * pair].seen, 10);
    net_test_receive(ROOM, 60);
    net_test_run(A_WHILE);
    for (unsigned pair = 0; pair < 4; pair++)
        assert_int_equal(model.virtio.queue[2 * pair].seen, pair == 0 ? 16 : 28);
    for (model.pair = 0; model.pair < 4; model.pair++)
        net_test_comes_in(MOST);
    net_test_close();
}

static void pairs_that_are_refused(void **state)
{
    (void)state;
    virtio_net_model_pairs(&model, 2);
    model.refuses_pairs = true;
    net_test_begin();
    assert_int_equal(model_log_count("does not take 2 pairs of queues: one is used"), 1);
    assert_int_equal(net_client_info(test.client)->queues, 1);
    for (uint16_t flow = 0; flow < 6; flow++)
        assert_int_equal(flow_send(flow), 0);
    net_test_receive(ROOM, 8);
    net_test_run(A_WHILE);
    assert_int_equal(model.sent_on[0], 6);
    assert_int_equal(model.virtio.queue[0].seen, 8);
    net_test_comes_in(MOST);
    net_test_close();
}

static void attach_and_wait(void *context)
{
    (void)context;
    driver.attach(device);
}

/* The first word counts: clients were told of one queue. */
static void pairs_that_are_refused_once(void **state)
{
    (void)state;
    virtio_net_model_pairs(&model, 4);
    model.refuses_pairs = true;
    net_test_begin();
    model.refuses_pairs = false;
    net_test_close(); /* with a reset */
    model_run(10 * A_WHILE);
    net_test_open();
    assert_int_equal(net_client_info(test.client)->queues, 1);
    net_test_receive(ROOM, 8);
    net_test_run(A_WHILE);
    assert_int_equal(model.virtio.queue[0].seen, 8);
    net_test_close();
}

static void a_device_that_does_not_answer(void **state)
{
    (void)state;
    virtio_net_model_pairs(&model, 2);
    model.ignores_commands = true;
    assert_driver_ends_saying("does not answer a command", 800 * CLOCK_MILLISECOND, attach_and_wait,
                              NULL);
}

static void how_many_pairs(void **state)
{
    static const struct {
        const char *settings;
        unsigned has, used;
    } cases[] = {{"", 1, 1},        {"", 2, 2},         {"", 3, 3},       {"pairs=2", 4, 2},
                 {"pairs=0", 4, 1}, {"pairs=99", 4, 4}, {"pairs=1", 4, 1}};

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (i > 0) {
            net_test_teardown(NULL);
            setup(state);
        }
        virtio_net_model_pairs(&model, cases[i].has);
        model_settings(cases[i].settings);
        net_test_begin();
        net_test_run(A_WHILE);
        assert_int_equal(model.pairs, cases[i].used);
        assert_false(model.promiscuous); /* the control queue is where it is looked for */
        net_test_goes_out(60);
        net_test_close();
    }
    for (unsigned high = 0; high < 2; high++) {
        net_test_teardown(NULL);
        setup(state);
        virtio_net_model_pairs(&model, 0);
        model.config[9] = high ? 0x81 : 0;
        assert_int_not_equal(driver.attach(device), 0);
    }
}

static void several_queues_need_commands(void **state)
{
    (void)state;
    virtio_net_model_pairs(&model, 2);
    model.virtio.offered &= ~(UINT64_C(1) << VIRTIO_NET_MODEL_CTRL_VQ);
    net_test_begin();
    assert_int_equal(flow_send(1), 0);
    net_test_run(A_WHILE);
    assert_int_equal(model.sent_on[0], 1);
    net_test_close();
}

static void flow_for_long(void *context)
{
    (void)context;
    flow_send(2);
    net_test_run(20 * CLOCK_SECOND);
}

static void sessions_with_all_queues_end(void **state)
{
    struct net_client *other;

    (void)state;
    virtio_net_model_pairs(&model, 4);
    model.virtio.reset_time = 3 * A_WHILE;
    net_test_begin();
    for (unsigned session = 0; session < 3; session++) {
        assert_int_equal(model.pairs, 4);
        net_test_receive(ROOM, 100);
        model.wire.holds_sends = true;
        for (uint16_t flow = 0; flow < 8; flow++)
            assert_int_equal(flow_send(flow), 0);
        net_test_run(A_WHILE);
        net_test_close();
        assert_int_equal(net_client_open(device_name(device), &other), EBUSY);
        model_run(10 * A_WHILE);
        model.wire.holds_sends = false;
        net_test_open();
        net_test_receive(ROOM, 40);
        net_test_run(A_WHILE);
        model.pair = session + 1;
        net_test_comes_in(MOST);
    }
    model.wire.holds_sends = true;
    assert_driver_ends(flow_for_long, NULL);
    net_test_close();
}

static uint32_t random_below(uint32_t limit)
{
    static uint32_t seed = 1;

    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)seed * limit >> 32);
}

/* What the driver has of buffers, in all queues. */
static unsigned buffers_out(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < VIRTIO_MODEL_CHAINS; i++)
        count += model.virtio.chain[i].exists && model.virtio.chain[i].queue % 2 == 0;
    return count;
}

/* However long it goes on, and whatever the device says: as many buffers as are posted are with the
 * device, and frames come by each queue. */
static void no_buffer_is_lost(void **state)
{
    enum { ROUNDS = 4000, POSTED = 64 };

    (void)state;
    virtio_net_model_pairs(&model, 4);
    net_test_begin();
    for (unsigned round = 0; round < ROUNDS; round++) {
        bool lies = random_below(4) == 0;
        net_test_receive(ROOM, POSTED - in_flight());
        if (round % 64 == 63)
            virtio_net_model_link(&model, round % 128 == 63);
        model.pair = random_below(4);
        model.wire.length = 14 + random_below(lies ? VIRTIO_NET_MODEL_FRAME - 14 : MOST - 13);
        model.tells_buffers = (uint16_t)(lies ? random_below(9) : 0);
        model.leaves = lies && random_below(2) ? ROOM - random_below(3) : 0;
        net_test_arrive(1);
        net_test_receive(ROOM, POSTED - in_flight());
        net_test_run(A_WHILE);
        unsigned held = test.client->frame.count;
        assert_int_equal(buffers_out() + held, POSTED);
        assert_in_range(held, 0, 8);
    }
    model.tells_buffers = 0;
    model.leaves = 0;
    for (unsigned i = 0; i < 8; i++) { /* what it waits for still is filled by others */
        model.wire.length = 60;
        net_test_arrive(1);
        net_test_receive(ROOM, POSTED - in_flight());
    }
    for (model.pair = 0; model.pair < 4; model.pair++) {
        net_test_comes_in(MOST);
        net_test_receive(ROOM, POSTED - in_flight());
    }
    net_test_close();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, net_test_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_come_in_pieces),         TEST(many_come_together),
        TEST(frames_longer_than_any),        TEST(devices_that_miscount),
        TEST(merged_sessions_end),           TEST(flows_have_queues),
        TEST(frames_come_by_all_queues),     TEST(pairs_that_are_refused),
        TEST(a_device_that_does_not_answer), TEST(how_many_pairs),
        TEST(sessions_with_all_queues_end),  TEST(no_buffer_is_lost),
        TEST(several_queues_need_commands),  TEST(queues_of_different_lengths),
        TEST(pairs_that_are_refused_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
