/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The virtio-net driver on the model host.
 */
#include <errno.h>
#include <string.h>

#include <host/model/virtio_net_model.h>
#include <test/unit/ending.h>
#include <test/unit/net_fixture.h>

enum { ROOM = 1536 };

static struct virtio_net_model model;

static int setup(void **state)
{
    (void)state;
    virtio_net_model_init(&model);
    net_test_setup(&model.virtio.device, &model.wire, "virtio-net0");
    return 0;
}

/* To attach once more in the same test. */
static void again(void)
{
    net_test_teardown(NULL);
    setup(NULL);
}

static void attach_describes_the_device(void **state)
{
    (void)state;
    net_test_begin();
    net_test_expect_info(1514, 1536, NET_INFO_MERGES);
    net_test_run(A_WHILE);
    assert_false(model.promiscuous);
    net_test_close();
}

static void odd_configurations(void **state)
{
    static const struct {
        uint16_t mtu;
        uint32_t max_frame, receive_size;
    } cases[] = {
        {9000, 9014, 2048}, {68, 82, 1536}, {67, 1514, 1536}, {65535, 1514, 1536}, {0, 1514, 1536}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (i > 0)
            again();
        memcpy(model.config + 10, &cases[i].mtu, 2);
        model.config[0] = 0x53; /* a group's address */
        model.virtio.offered |= UINT64_C(1) << VIRTIO_NET_MODEL_MTU;
        net_test_begin();
        const struct net_info *info = net_client_info(test.client);
        assert_int_equal(info->max_frame, cases[i].max_frame);
        assert_int_equal(info->receive_size, cases[i].receive_size);
        assert_int_equal(info->address[0], 2);
        net_test_close();
    }
}

static void frames_go_out(void **state)
{
    (void)state;
    net_test_begin();
    for (uint32_t length = 14; length <= 1514; length += 100) {
        net_test_goes_out(length);
        assert_int_equal(model.sent_header[0], 0);
    }
    assert_int_equal(test.sent[NET_STATUS_OK], 16);
    net_test_close();
}

static void frames_come_in(void **state)
{
    (void)state;
    net_test_begin();
    net_test_receive(ROOM, 4);
    for (unsigned i = 0; i < 4; i++)
        net_test_comes_in(60 + i * 400);
    net_test_arrive(3); /* nowhere to go */
    assert_int_equal(model.wire.waiting, 3);
    net_test_receive(ROOM, 300); /* more than the device has room for */
    net_test_run(A_WHILE);
    model.wire.waiting += 297;
    net_test_run(50 * A_WHILE);
    assert_int_equal(test.received[NET_STATUS_OK], 304);
    net_test_close();
}

static void many_frames_take_few_interrupts(void **state)
{
    (void)state;
    net_test_begin();
    net_test_run(A_WHILE);
    unsigned before = model.virtio.interrupts, notified = model.virtio.notifications;
    net_test_send(1000, 256);
    net_test_run(50 * A_WHILE);
    assert_int_equal(test.sent[NET_STATUS_OK], 256);
    assert_in_range(model.virtio.interrupts - before, 1, 16);
    assert_in_range(model.virtio.notifications - notified, 1, 2);
    const struct net_state net = net_test_state();
    assert_int_equal(net.statistics.sent_frames, 256);
    assert_int_equal(net.statistics.sent_bytes, 256000);
    net_test_send(60, 500); /* more than there is room for: the rest waits */
    net_test_run(50 * A_WHILE);
    assert_int_equal(test.sent[NET_STATUS_OK], 756);
    net_test_close();
}

static void malformed_submissions_are_refused(void **state)
{
    (void)state;
    net_test_begin();
    net_test_send(13, 1);
    net_test_send(1515, 1);
    net_test_receive(1535, 1);
    net_test_run(A_WHILE);
    assert_int_equal(test.sent[NET_STATUS_INVALID], 2);
    assert_int_equal(test.received[NET_STATUS_INVALID], 1);
    assert_int_equal(
        net_client_send_checksum(test.client, &(struct net_place){0, 60, 0}, 14, 2, NULL, NULL), 0);
    net_test_run(A_WHILE);
    assert_int_equal(net_test_state().statistics.refused, 4); /* the device has no checksums */
    assert_int_equal(model.wire.sent, 0);
    net_test_close();
}

static void checksums_are_the_device_s(void **state)
{
    (void)state;
    model.virtio.offered |= UINT64_C(1) << VIRTIO_NET_MODEL_CSUM;
    net_test_begin();
    assert_int_equal(net_client_info(test.client)->flags, NET_INFO_CHECKSUM_SEND | NET_INFO_MERGES);
    assert_int_equal(
        net_client_send_checksum(test.client, &(struct net_place){0, 60, 0}, 34, 16, NULL, NULL),
        0);
    net_test_run(A_WHILE);
    assert_int_equal(model.wire.sent, 1);
    static const uint8_t header[] = {1, 0, 0, 0, 0, 0, 34, 0, 16, 0};
    assert_memory_equal(model.sent_header, header, sizeof(header));
    assert_int_equal(
        net_client_send_checksum(test.client, &(struct net_place){0, 60, 0}, 50, 9, NULL, NULL), 0);
    net_test_run(A_WHILE);
    assert_int_equal(model.wire.sent, 1); /* it would be behind the end */
    net_test_close();
}

static void filters_reach_the_device(void **state)
{
    struct net_filter filter = {.flags = NET_FILTER_PROMISCUOUS, .count = 64};

    (void)state;
    net_test_begin();
    for (unsigned i = 0; i < 64; i++)
        memcpy(filter.group[i], (uint8_t[]){1, 0, 0x5e, 0, 0, (uint8_t)i}, 6);
    filter.own_count = 15;
    for (unsigned i = 0; i < 15; i++)
        memcpy(filter.own[i], (uint8_t[]){2, 0, 0x5e, 0, 0, (uint8_t)i}, 6);
    assert_int_equal(net_client_filter(test.client, &filter), 0);
    filter.flags = NET_FILTER_ALL_MULTICAST; /* while the first is on its way */
    filter.count = 63;
    assert_int_equal(net_client_filter(test.client, &filter), 0);
    net_test_run(5 * A_WHILE);
    assert_false(model.promiscuous);
    assert_true(model.all_multicast);
    assert_int_equal(model.groups, 63);
    assert_memory_equal(model.group, filter.group, 63 * 6);
    assert_int_equal(model.owns, 15);
    assert_memory_equal(model.own, filter.own, 15 * 6);
    filter.own[0][0] = 3;
    assert_int_equal(net_client_filter(test.client, &filter), EINVAL);
    filter.own[0][0] = 2;
    filter.group[0][0] = 2;
    assert_int_equal(net_client_filter(test.client, &filter), EINVAL);
    filter.group[0][0] = 3;
    filter.own_count = 16;
    assert_int_equal(net_client_filter(test.client, &filter), EINVAL);
    net_test_close();
    model_run(5 * A_WHILE);
    assert_false(model.all_multicast); /* the next client's choice */
    assert_int_equal(model.groups + model.owns, 0);
}

static unsigned changes;

static void changed(void *context)
{
    (void)context;
    changes++;
}

static void link_changes_are_told(void **state)
{
    (void)state;
    net_test_begin();
    changes = 0;
    net_client_watch(test.client, changed, NULL);
    net_test_run(A_WHILE);
    assert_int_equal(net_test_state().link, 1);
    assert_int_equal(changes, 1);
    virtio_net_model_link(&model, false);
    net_test_run(A_WHILE);
    assert_int_equal(net_test_state().link, 0);
    assert_int_equal(changes, 2);
    virtio_net_model_link(&model, false); /* no news */
    net_test_run(A_WHILE);
    assert_int_equal(changes, 2);
    net_test_close();
}

static void a_session_after_another(void **state)
{
    (void)state;
    model.virtio.reset_time = 3 * A_WHILE;
    net_test_session_after_another(ROOM, 10 * A_WHILE);
    assert_int_equal(model.virtio.resets, 2);
    net_test_close();
}

static void bad_frames_are_dropped(void **state)
{
    (void)state;
    model.virtio.offered &= ~(UINT64_C(1) << VIRTIO_NET_MODEL_MRG_RXBUF);
    net_test_begin();
    net_test_expect_info(1514, 1514, 0);
    net_test_receive(ROOM, 6);
    net_test_run(A_WHILE);
    model.type = 1; /* a segment to be cut up, which was not agreed upon */
    net_test_arrive(1);
    model.type = 0;
    model.wire.length = 13;
    net_test_arrive(1);
    model.wire.length = 2000; /* the model gives the chain back with nothing in it */
    net_test_arrive(1);
    assert_int_equal(test.received[NET_STATUS_DROPPED], 3);
    assert_int_equal(model_log_count("a frame was not taken"), 3);
    model.wire.length = 60;
    model.flags = 3; /* which it may not set, as it was not agreed upon */
    net_test_arrive(1);
    assert_int_equal(test.received[NET_STATUS_OK], 1);
    assert_int_equal(test.flags, 0);
    net_test_close();
}

static void commands_may_fail(void **state)
{
    (void)state;
    model.answer = 1;
    net_test_begin();
    net_test_run(5 * A_WHILE);
    assert_int_equal(model_log_count("does not take a filter"), 1);
    net_test_send(60, 1);
    net_test_run(A_WHILE);
    assert_int_equal(test.sent[NET_STATUS_OK], 1);
    net_test_close();
}

static void attach_and_wait(void *context)
{
    (void)context;
    driver.attach(device);
    model_run(5 * CLOCK_SECOND);
}

static void filter_and_wait(void *context)
{
    (void)context;
    net_client_filter(test.client, &(struct net_filter){.flags = NET_FILTER_PROMISCUOUS});
    net_test_run(5 * CLOCK_SECOND);
}

static void close_and_wait(void *context)
{
    (void)context;
    net_test_close();
    model_run(5 * CLOCK_SECOND);
}

/* Whenever it stops to answer: which frames it lets through is not known then. */
static void commands_that_are_not_answered(void **state)
{
    static const char line[] = "does not answer a command";
    enum { LIMIT = 800000000 };

    (void)state;
    model.ignores_commands = true;
    assert_driver_ends_saying(line, LIMIT, attach_and_wait, NULL);
    model.ignores_commands = false;
    net_test_begin();
    model.ignores_commands = true;
    assert_driver_ends_saying(line, LIMIT, filter_and_wait, NULL);
    assert_driver_ends_saying(line, LIMIT, close_and_wait, NULL);
    model.ignores_commands = false;
    net_test_close();
}

static void send_broken(void *context)
{
    (void)context;
    net_test_send(60, 3);
    net_test_run(100 * A_WHILE);
}

static void want_reset(void *context)
{
    (void)context;
    virtio_model_wants_reset(&model.virtio);
    net_test_run(100 * A_WHILE);
}

static void devices_that_misbehave_end_the_driver(void **state)
{
    static const enum virtio_model_fault faults[] = {
        VIRTIO_MODEL_FAULT_DUPLICATE, VIRTIO_MODEL_FAULT_HUGE_ID, VIRTIO_MODEL_FAULT_IDLE_ID,
        VIRTIO_MODEL_FAULT_LONG, VIRTIO_MODEL_FAULT_JUMP};

    (void)state;
    net_test_begin();
    net_test_receive(ROOM, 4);
    net_test_run(A_WHILE);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        model.virtio.fault = faults[i];
        assert_driver_ends(send_broken, NULL);
    }
    model.virtio.fault = VIRTIO_MODEL_FAULT_LOST;
    net_test_sending_ends_driver();
    model.virtio.fault = VIRTIO_MODEL_FAULT_NONE;
    model.wire.holds_sends = true;
    net_test_sending_ends_driver();
    model.wire.holds_sends = false;
    assert_driver_ends(want_reset, NULL);
    model.virtio.never_resets = true;
    net_test_closing_ends_driver();
    model.virtio.never_resets = false;
    net_test_close();
}

static void devices_that_cannot_be_used(void **state)
{
    (void)state;
    model.virtio.queues = 1; /* nothing to send with */
    assert_int_not_equal(driver.attach(device), 0);
    again();
    model.virtio.offered = UINT64_C(1) << VIRTIO_NET_MODEL_MAC;
    assert_int_not_equal(driver.attach(device), 0);
    again();
    model_memory_limit(2);
    assert_int_not_equal(driver.attach(device), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, net_test_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(attach_describes_the_device),
        TEST(odd_configurations),
        TEST(frames_go_out),
        TEST(frames_come_in),
        TEST(many_frames_take_few_interrupts),
        TEST(malformed_submissions_are_refused),
        TEST(checksums_are_the_device_s),
        TEST(filters_reach_the_device),
        TEST(link_changes_are_told),
        TEST(a_session_after_another),
        TEST(bad_frames_are_dropped),
        TEST(commands_may_fail),
        TEST(commands_that_are_not_answered),
        TEST(devices_that_misbehave_end_the_driver),
        TEST(devices_that_cannot_be_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
