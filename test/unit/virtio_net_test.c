/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The virtio-net driver on the model host.
 */
#include <errno.h>
#include <string.h>

#include <host/model/virtio_net_model.h>
#include <test/unit/ending.h>
#include <test/unit/net_fixture.h>

#define NAME "virtio-net0"
#define MS   (10 * CLOCK_MILLISECOND)
enum { SIZE = 16384, ROOM = 1536 };

static struct virtio_net_model model;
static struct device *device;
static struct net_test test;

static int setup(void **state)
{
    (void)state;
    virtio_net_model_init(&model);
    device = model_host_begin(&model.virtio.device, NAME);
    return 0;
}

static int teardown(void **state)
{
    unsigned violations = model_violations();

    (void)state;
    model_net_end();
    model_host_end();
    assert_int_equal(violations, 0);
    return 0;
}

static void begin(void)
{
    assert_int_equal(driver.attach(device), 0);
    net_test_open(&test, NAME, SIZE);
}

static void attach_describes_the_device(void **state)
{
    static const uint8_t address[] = {0x52, 0x54, 0, 1, 2, 3};

    (void)state;
    begin();
    const struct net_info *info = net_client_info(test.client);
    assert_memory_equal(info->address, address, sizeof(address));
    assert_int_equal(info->max_frame, 1514);
    assert_int_equal(info->receive_size, 1514);
    assert_int_equal(info->flags, 0);
    /* 5.1.6.3.1: merged buffers have no place for the second one's beginning. */
    assert_false(virtio_model_has(&model.virtio, VIRTIO_NET_MODEL_MRG_RXBUF));
    net_test_run(&test, MS);
    assert_false(model.promiscuous);
    net_test_close(&test);
}

static void odd_configurations(void **state)
{
    static const struct {
        uint16_t mtu;
        uint32_t max_frame, receive_size;
    } cases[] = {
        {9000, 9014, 9014}, {68, 82, 1514}, {67, 1514, 1514}, {65535, 1514, 1514}, {0, 1514, 1514}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (i > 0) {
            teardown(state);
            setup(state);
        }
        memcpy(model.config + 10, &cases[i].mtu, 2);
        model.config[0] = 0x53; /* a group's address */
        model.virtio.offered |= UINT64_C(1) << VIRTIO_NET_MODEL_MTU;
        begin();
        const struct net_info *info = net_client_info(test.client);
        assert_int_equal(info->max_frame, cases[i].max_frame);
        assert_int_equal(info->receive_size, cases[i].receive_size);
        assert_int_equal(info->address[0], 2);
        net_test_close(&test);
    }
}

static void frames_go_out(void **state)
{
    (void)state;
    begin();
    for (uint32_t length = 14; length <= 1514; length += 100) {
        net_test_send(&test, length, 1);
        net_test_run(&test, MS);
        assert_int_equal(model.sent_length, length);
        assert_memory_equal(model.sent_frame, test.memory, length);
        assert_int_equal(model.sent_header[0], 0);
    }
    assert_int_equal(test.sent[NET_STATUS_OK], 16);
    net_test_close(&test);
}

static void frames_come_in(void **state)
{
    (void)state;
    begin();
    net_test_receive(&test, ROOM, 4);
    for (unsigned i = 0; i < 4; i++) {
        model.length = 60 + i * 400;
        model.waiting = 1;
        net_test_run(&test, MS);
        assert_int_equal(test.received[NET_STATUS_OK], i + 1);
        assert_int_equal(test.length, model.length);
        assert_int_equal(test.memory[SIZE + model.length - 1], i);
    }
    model.waiting = 3; /* nowhere to go */
    net_test_run(&test, MS);
    assert_int_equal(model.waiting, 3);
    net_test_receive(&test, ROOM, 300); /* more than the device has room for */
    net_test_run(&test, MS);
    model.waiting += 297;
    net_test_run(&test, 50 * MS);
    assert_int_equal(test.received[NET_STATUS_OK], 304);
    net_test_close(&test);
}

static void many_frames_take_few_interrupts(void **state)
{
    struct net_state net;

    (void)state;
    begin();
    net_test_run(&test, MS);
    unsigned before = model.virtio.interrupts, notified = model.virtio.notifications;
    net_test_send(&test, 1000, 256);
    net_test_run(&test, 50 * MS);
    assert_int_equal(test.sent[NET_STATUS_OK], 256);
    assert_in_range(model.virtio.interrupts - before, 1, 16);
    assert_in_range(model.virtio.notifications - notified, 1, 2);
    net_client_state(test.client, &net);
    assert_int_equal(net.statistics.sent_frames, 256);
    assert_int_equal(net.statistics.sent_bytes, 256000);
    net_test_send(&test, 60, 500); /* more than there is room for: the rest waits */
    net_test_run(&test, 50 * MS);
    assert_int_equal(test.sent[NET_STATUS_OK], 756);
    net_test_close(&test);
}

static void malformed_submissions_are_refused(void **state)
{
    const struct net_place places[] = {{0, 13, 0}, {0, 1515, 0}};
    struct net_state net;

    (void)state;
    begin();
    net_test_send(&test, places[0].length, 1);
    net_test_send(&test, places[1].length, 1);
    net_test_receive(&test, 1513, 1);
    net_test_run(&test, MS);
    assert_int_equal(test.sent[NET_STATUS_INVALID], 2);
    assert_int_equal(test.received[NET_STATUS_INVALID], 1);
    assert_int_equal(
        net_client_send_checksum(test.client, &(struct net_place){0, 60, 0}, 14, 2, NULL, NULL), 0);
    net_test_run(&test, MS);
    net_client_state(test.client, &net);
    assert_int_equal(net.statistics.refused, 4); /* the device has no checksums */
    assert_int_equal(model.sent, 0);
    net_test_close(&test);
}

static void checksums_are_the_device_s(void **state)
{
    (void)state;
    model.virtio.offered |= UINT64_C(1) << VIRTIO_NET_MODEL_CSUM;
    begin();
    assert_int_equal(net_client_info(test.client)->flags, NET_INFO_CHECKSUM_SEND);
    assert_int_equal(
        net_client_send_checksum(test.client, &(struct net_place){0, 60, 0}, 34, 16, NULL, NULL),
        0);
    net_test_run(&test, MS);
    assert_int_equal(model.sent, 1);
    static const uint8_t header[] = {1, 0, 0, 0, 0, 0, 34, 0, 16, 0};
    assert_memory_equal(model.sent_header, header, sizeof(header));
    assert_int_equal(
        net_client_send_checksum(test.client, &(struct net_place){0, 60, 0}, 50, 9, NULL, NULL), 0);
    net_test_run(&test, MS);
    assert_int_equal(model.sent, 1); /* it would be behind the end */
    net_test_close(&test);
}

static void filters_reach_the_device(void **state)
{
    struct net_filter filter = {.flags = NET_FILTER_PROMISCUOUS, .count = 64};

    (void)state;
    begin();
    for (unsigned i = 0; i < 64; i++)
        memcpy(filter.group[i], (uint8_t[]){1, 0, 0x5e, 0, 0, (uint8_t)i}, 6);
    filter.own_count = 15;
    for (unsigned i = 0; i < 15; i++)
        memcpy(filter.own[i], (uint8_t[]){2, 0, 0x5e, 0, 0, (uint8_t)i}, 6);
    assert_int_equal(net_client_filter(test.client, &filter), 0);
    filter.flags = NET_FILTER_ALL_MULTICAST; /* while the first is on its way */
    filter.count = 63;
    assert_int_equal(net_client_filter(test.client, &filter), 0);
    net_test_run(&test, 5 * MS);
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
    net_test_close(&test);
    model_run(5 * MS);
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
    struct net_state net;

    (void)state;
    begin();
    changes = 0;
    net_client_watch(test.client, changed, NULL);
    net_test_run(&test, MS);
    net_client_state(test.client, &net);
    assert_int_equal(net.link, 1);
    assert_int_equal(changes, 1);
    virtio_net_model_link(&model, false);
    net_test_run(&test, MS);
    net_client_state(test.client, &net);
    assert_int_equal(net.link, 0);
    assert_int_equal(changes, 2);
    virtio_net_model_link(&model, false); /* no news */
    net_test_run(&test, MS);
    assert_int_equal(changes, 2);
    net_test_close(&test);
}

/* What a client leaves behind in the device is taken out of it before its memory is another's. */
static void a_session_after_another(void **state)
{
    struct net_client *second;

    (void)state;
    model.virtio.reset_time = 3 * MS;
    begin();
    net_test_receive(&test, ROOM, 200);
    net_test_run(&test, MS);
    assert_int_equal(net_client_open(NAME, &second), EBUSY);
    model.holds_sends = true;
    net_test_send(&test, 60, 10);
    net_test_run(&test, MS);
    net_test_close(&test);
    assert_int_equal(net_client_open(NAME, &second), EBUSY); /* the device is being reset */
    model.waiting = 5;                                       /* a violation if it were to write */
    model_run(10 * MS);
    model.holds_sends = false;
    model.waiting = 0;
    net_test_open(&test, NAME, SIZE);
    net_test_receive(&test, ROOM, 2);
    net_test_send(&test, 60, 2);
    net_test_run(&test, MS);
    model.waiting = 2;
    net_test_run(&test, MS);
    assert_int_equal(test.sent[NET_STATUS_OK], 2);
    assert_int_equal(test.received[NET_STATUS_OK], 2);
    assert_int_equal(model.virtio.resets, 2);
    net_test_close(&test);
}

static void bad_frames_are_dropped(void **state)
{
    (void)state;
    begin();
    net_test_receive(&test, ROOM, 6);
    net_test_run(&test, MS);
    model.type = 1; /* a segment to be cut up, which was not agreed upon */
    model.waiting = 1;
    net_test_run(&test, MS);
    model.type = 0;
    model.length = 13;
    model.waiting = 1;
    net_test_run(&test, MS);
    model.length = 2000; /* the model gives the chain back with nothing in it */
    model.waiting = 1;
    net_test_run(&test, MS);
    assert_int_equal(test.received[NET_STATUS_DROPPED], 3);
    model.length = 60;
    model.flags = 3; /* which it may not set, as it was not agreed upon */
    model.waiting = 1;
    net_test_run(&test, MS);
    assert_int_equal(test.received[NET_STATUS_OK], 1);
    assert_int_equal(test.flags, 0);
    net_test_close(&test);
}

static void commands_may_fail(void **state)
{
    (void)state;
    model.answer = 1;
    begin();
    net_test_run(&test, 5 * MS);
    assert_int_equal(model_log_count("does not take a filter"), 1);
    net_test_send(&test, 60, 1);
    net_test_run(&test, MS);
    assert_int_equal(test.sent[NET_STATUS_OK], 1);
    net_test_close(&test);
}

static void send_broken(void *context)
{
    (void)context;
    net_test_send(&test, 60, 3);
    net_test_run(&test, 100 * MS);
}

static void send_for_long(void *context)
{
    (void)context;
    net_test_send(&test, 60, 3);
    net_test_run(&test, 20 * CLOCK_SECOND);
}

static void want_reset(void *context)
{
    (void)context;
    virtio_model_wants_reset(&model.virtio);
    net_test_run(&test, 100 * MS);
}

static void close_client(void *context)
{
    (void)context;
    net_test_close(&test);
    model_run(20 * CLOCK_SECOND);
}

static void devices_that_misbehave_end_the_driver(void **state)
{
    static const enum virtio_model_fault faults[] = {
        VIRTIO_MODEL_FAULT_DUPLICATE, VIRTIO_MODEL_FAULT_HUGE_ID, VIRTIO_MODEL_FAULT_IDLE_ID,
        VIRTIO_MODEL_FAULT_LONG, VIRTIO_MODEL_FAULT_JUMP};

    (void)state;
    begin();
    net_test_receive(&test, ROOM, 4);
    net_test_run(&test, MS);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        model.virtio.fault = faults[i];
        assert_driver_ends(send_broken, NULL);
    }
    model.virtio.fault = VIRTIO_MODEL_FAULT_LOST;
    assert_driver_ends(send_for_long, NULL);
    model.virtio.fault = VIRTIO_MODEL_FAULT_NONE;
    model.holds_sends = true;
    assert_driver_ends(send_for_long, NULL);
    model.holds_sends = false;
    assert_driver_ends(want_reset, NULL);
    model.virtio.never_resets = true;
    assert_driver_ends(close_client, NULL);
    model.virtio.never_resets = false;
    net_test_close(&test);
}

static void devices_that_cannot_be_used(void **state)
{
    (void)state;
    model.virtio.queues = 1; /* nothing to send with */
    assert_int_not_equal(driver.attach(device), 0);
    teardown(state);
    setup(state);
    model.virtio.offered = UINT64_C(1) << VIRTIO_NET_MODEL_MAC;
    assert_int_not_equal(driver.attach(device), 0);
    teardown(state);
    setup(state);
    model_memory_limit(2);
    assert_int_not_equal(driver.attach(device), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
        TEST(devices_that_misbehave_end_the_driver),
        TEST(devices_that_cannot_be_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
