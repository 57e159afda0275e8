/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The e1000e driver on the model host.
 */
#include <errno.h>
#include <string.h>

#include <host/model/e1000e_model.h>
#include <test/unit/ending.h>
#include <test/unit/net_fixture.h>

#define NAME "e1000e0"
#define MS   (10 * CLOCK_MILLISECOND)
enum { SIZE = 16384, ROOM = 2048 };

static struct e1000e_model model;
static struct device *device;
static struct net_test test;

static int setup(void **state)
{
    (void)state;
    e1000e_model_init(&model);
    device = model_host_begin(&model.device, NAME);
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
    struct net_state net;

    (void)state;
    begin();
    const struct net_info *info = net_client_info(test.client);
    assert_memory_equal(info->address, address, sizeof(address));
    assert_int_equal(info->max_frame, 1514);
    assert_int_equal(info->receive_size, 2048);
    assert_int_equal(info->flags, NET_INFO_CHECKSUM_RECEIVE);
    net_test_run(&test, MS);
    net_client_state(test.client, &net);
    assert_int_equal(net.link, 1);
    assert_int_equal(net.speed, 1000);
    assert_int_equal(net.full_duplex, 1);
    assert_int_equal(model.resets, 1);
    net_test_close(&test);
    model_run(MS);
    driver.detach();
    assert_int_equal(model.resets, 3);
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
    }
    assert_int_equal(test.sent[NET_STATUS_OK], 16);
    unsigned doorbells = model.doorbells;
    net_test_send(&test, 1000, 200);
    net_test_run(&test, MS);
    assert_int_equal(test.sent[NET_STATUS_OK], 216);
    assert_int_equal(model.doorbells, doorbells + 1); /* for all of them */
    net_test_send(&test, 60, 500);                    /* more than the ring has: the rest waits */
    net_test_run(&test, MS);
    assert_int_equal(test.sent[NET_STATUS_OK], 716);
    net_test_close(&test);
}

static void frames_come_in(void **state)
{
    (void)state;
    begin();
    net_test_receive(&test, ROOM, 4);
    for (unsigned i = 0; i < 4; i++) {
        net_test_run(&test, MS);
        model.length = 60 + i * 400;
        model.waiting = 1;
        net_test_run(&test, MS);
        assert_int_equal(test.received[NET_STATUS_OK], i + 1);
        assert_int_equal(test.length, model.length);
        assert_int_equal(test.memory[SIZE + model.length - 1], i);
    }
    net_test_receive(&test, ROOM, 300); /* more than the ring has */
    net_test_run(&test, MS);
    for (unsigned i = 0; i < 30; i++) {
        model.waiting = 10;
        net_test_run(&test, MS);
    }
    assert_int_equal(test.received[NET_STATUS_OK], 304);
    net_test_close(&test);
}

static void what_finds_no_buffer_is_counted(void **state)
{
    struct net_state net;

    (void)state;
    begin();
    net_test_receive(&test, ROOM, 2);
    net_test_run(&test, MS);
    model.waiting = 7;
    net_test_run(&test, MS);
    assert_int_equal(test.received[NET_STATUS_OK], 2);
    net_test_run(&test, 3 * CLOCK_SECOND); /* counters are looked at now and then */
    net_test_receive(&test, ROOM, 1);
    net_test_run(&test, MS);
    model.waiting = 1;
    net_test_run(&test, MS);
    net_client_state(test.client, &net);
    assert_int_equal(net.statistics.missed, 5);
    assert_int_equal(net.statistics.received_frames, 3);
    net_test_close(&test);
}

static void bad_frames_are_dropped(void **state)
{
    (void)state;
    begin();
    net_test_receive(&test, ROOM, 8);
    net_test_run(&test, MS);
    model.errors = 1; /* CRC */
    model.waiting = 1;
    net_test_run(&test, MS);
    model.without_end = true; /* and the end of it */
    model.waiting = 2;
    net_test_run(&test, MS);
    model.claimed_length = 5;
    model.waiting = 1;
    net_test_run(&test, MS);
    model.claimed_length = 60000;
    model.waiting = 1;
    net_test_run(&test, MS);
    assert_int_equal(test.received[NET_STATUS_DROPPED], 5);
    assert_int_equal(test.received[NET_STATUS_OK], 0);
    model.errors = 0x60; /* of higher protocols' sums: not the device's to judge */
    model.waiting = 1;
    net_test_run(&test, MS);
    assert_int_equal(test.received[NET_STATUS_OK], 1);
    assert_int_equal(test.flags, 0);
    net_test_close(&test);
}

static void sums_are_told(void **state)
{
    enum { SUMMED = 0x20, TCP_WRONG = 0x20, IP_WRONG = 0x40 };
    static const struct {
        uint8_t status, errors, flags;
    } cases[] = {{SUMMED, 0, NET_CHECKSUM_GOOD},
                 {SUMMED, TCP_WRONG, 0},
                 {SUMMED, IP_WRONG, 0},
                 {0, 0, 0},
                 {0x40, 0, 0} /* IP's only */};

    (void)state;
    begin();
    assert_int_equal(model.reg[0x5000 / 4] & 0x300, 0x300);
    assert_int_equal(net_client_info(test.client)->flags, NET_INFO_CHECKSUM_RECEIVE);
    net_test_receive(&test, ROOM, 5);
    net_test_run(&test, MS);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        model.status = cases[i].status;
        model.errors = cases[i].errors;
        model.waiting = 1;
        net_test_run(&test, MS);
        assert_int_equal(test.received[NET_STATUS_OK], i + 1);
        assert_int_equal(test.flags, cases[i].flags);
    }
    net_test_close(&test);
}

static void long_frames(void **state)
{
    (void)state;
    model_settings("mtu=9000");
    assert_int_equal(driver.attach(device), 0);
    net_test_open(&test, NAME, SIZE);
    assert_int_equal(net_client_info(test.client)->max_frame, 9014);
    assert_int_equal(net_client_info(test.client)->receive_size, 16384);
    net_test_send(&test, 9014, 1);
    net_test_receive(&test, 16384, 1);
    net_test_run(&test, MS);
    assert_int_equal(model.sent_length, 9014);
    model.length = 9014;
    model.waiting = 1;
    net_test_run(&test, MS);
    assert_int_equal(test.length, 9014);
    net_test_close(&test);
}

static void settings_that_cannot_be(void **state)
{
    (void)state;
    model_settings("mtu=9001 gather-us=0");
    begin();
    assert_int_equal(net_client_info(test.client)->max_frame, 1514);
    assert_int_equal(model_log_count("mtu=9001 cannot be"), 1);
    assert_int_equal(model_log_count("interrupts are not gathered"), 0);
    net_test_close(&test);
}

/* In units of 256 ns (10.2.4.2); by time only, and not for longer than 16 bits of that. */
static void interrupts_are_gathered(void **state)
{
    static const struct {
        const char *settings;
        unsigned microseconds;
    } cases[] = {{"", 32}, {"gather-us=64", 64}, {"gather=4", 0}, {"gather-us=17000", 0}};

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (i > 0) {
            teardown(state);
            setup(state);
        }
        model_settings(cases[i].settings);
        begin();
        assert_int_equal(model.reg[0xe8 / 4], cases[i].microseconds * 1000 / 256);
        assert_int_equal(model_log_count("interrupts are not gathered"),
                         cases[i].microseconds == 0);
        net_test_close(&test);
    }
}

static void filters(void **state)
{
    static const uint8_t other[] = {0x01, 0, 0x5e, 0x12, 0x34, 0x56};
    struct net_filter filter = {.count = 64};

    (void)state;
    begin();
    assert_int_equal(model.reg[0x100 / 4] & 0x18, 0);
    for (unsigned i = 0; i < 64; i++)
        memcpy(filter.group[i], (uint8_t[]){1, 0, 0x5e, 0, (uint8_t)(i * 16), (uint8_t)i}, 6);
    assert_int_equal(net_client_filter(test.client, &filter), 0);
    for (unsigned i = 0; i < 64; i++)
        assert_true(e1000e_model_takes_group(&model, filter.group[i]));
    assert_false(e1000e_model_takes_group(&model, other));
    filter.own_count = 15;
    for (unsigned i = 0; i < 15; i++)
        memcpy(filter.own[i], (uint8_t[]){2, 9, 0x5e, 0xff, (uint8_t)(i * 16), (uint8_t)i}, 6);
    assert_int_equal(net_client_filter(test.client, &filter), 0);
    for (unsigned i = 0; i < 15; i++)
        assert_true(e1000e_model_takes_own(&model, filter.own[i]));
    assert_true(e1000e_model_takes_own(&model, net_client_info(test.client)->address));
    filter.own_count = 1;
    assert_int_equal(net_client_filter(test.client, &filter), 0);
    assert_true(e1000e_model_takes_own(&model, filter.own[0]));
    assert_false(e1000e_model_takes_own(&model, filter.own[1]));
    filter.count = 0;
    filter.flags = NET_FILTER_ALL_MULTICAST;
    assert_int_equal(net_client_filter(test.client, &filter), 0);
    assert_true(e1000e_model_takes_group(&model, other));
    assert_int_equal(model.reg[0x100 / 4] & 0x18, 0x10);
    filter.flags = NET_FILTER_PROMISCUOUS;
    assert_int_equal(net_client_filter(test.client, &filter), 0);
    assert_int_equal(model.reg[0x100 / 4] & 0x18, 0x18);
    net_test_close(&test);
    model_run(MS);
    assert_int_equal(model.reg[0x100 / 4] & 0x18, 0); /* the next client's choice */
}

static void the_link(void **state)
{
    struct net_state net;

    (void)state;
    begin();
    e1000e_model_link(&model, false);
    net_test_run(&test, MS);
    net_client_state(test.client, &net);
    assert_int_equal(net.link, 0);
    net_test_send(&test, 60, 3); /* it would stay with the device, nobody knows how long */
    net_test_run(&test, MS);
    assert_int_equal(test.sent[NET_STATUS_DROPPED], 3);
    e1000e_model_link(&model, true);
    net_test_run(&test, MS);
    net_test_send(&test, 60, 3);
    net_test_run(&test, MS);
    assert_int_equal(test.sent[NET_STATUS_OK], 3);
    net_test_close(&test);
}

/* What a client leaves behind in the device is taken out of it before its memory is another's. */
static void a_session_after_another(void **state)
{
    struct net_client *second;

    (void)state;
    begin();
    net_test_receive(&test, ROOM, 200);
    model.holds_sends = true;
    net_test_send(&test, 60, 10);
    net_test_run(&test, MS);
    assert_int_equal(net_client_open(NAME, &second), EBUSY);
    net_test_close(&test);
    assert_int_equal(net_client_open(NAME, &second), EBUSY); /* the device is being reset */
    model.waiting = 5;                                       /* a violation if it were to write */
    model_run(MS);
    model.waiting = 0;
    model.holds_sends = false;
    net_test_open(&test, NAME, SIZE);
    net_test_receive(&test, ROOM, 2);
    net_test_send(&test, 60, 2);
    net_test_run(&test, MS);
    model.waiting = 2;
    net_test_run(&test, MS);
    assert_int_equal(test.sent[NET_STATUS_OK], 2);
    assert_int_equal(test.received[NET_STATUS_OK], 2);
    net_test_close(&test);
}

/* One vector for everything, and none: a line, whose causes are read. */
static void few_interrupts(void **state)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        if (kind == 1) {
            teardown(state);
            setup(state);
            model.device.config[0x43] = 0;
        }
        model.device.identity.vectors = 1;
        begin();
        net_test_receive(&test, ROOM, 4);
        net_test_send(&test, 60, 4);
        net_test_run(&test, MS);
        model.waiting = 4;
        net_test_run(&test, MS);
        assert_int_equal(test.sent[NET_STATUS_OK], 4);
        assert_int_equal(test.received[NET_STATUS_OK], 4);
        e1000e_model_link(&model, false);
        net_test_run(&test, MS);
        struct net_state net;
        net_client_state(test.client, &net);
        assert_int_equal(net.link, 0);
        model_interrupt(0); /* another device's, on a line */
        net_test_run(&test, MS);
        assert_int_equal(model_interrupts_rejected() > 0, kind == 1);
        net_test_close(&test);
    }
}

/* The device says of all descriptors that they are done: those it has not been given are not. */
static void done_too_soon(void **state)
{
    (void)state;
    begin();
    model.done_too_soon = model.holds_sends = true;
    net_test_run(&test, MS);
    net_test_receive(&test, ROOM, 3);
    net_test_send(&test, 60, 3);
    net_test_run(&test, MS);
    assert_int_equal(test.sent[NET_STATUS_OK], 3);
    assert_int_equal(test.received[NET_STATUS_OK] + test.received[NET_STATUS_DROPPED], 3);
    model.done_too_soon = false;
    net_test_close(&test);
}

static void send_for_long(void *context)
{
    (void)context;
    net_test_send(&test, 60, 3);
    net_test_run(&test, 20 * CLOCK_SECOND);
}

static void close_client(void *context)
{
    (void)context;
    net_test_close(&test);
    model_run(20 * CLOCK_SECOND);
}

static void devices_that_misbehave_end_the_driver(void **state)
{
    (void)state;
    begin();
    net_test_receive(&test, ROOM, 4);
    net_test_run(&test, MS);
    model.holds_sends = true;
    assert_driver_ends(send_for_long, NULL);
    model.holds_sends = false;
    model.gone = true;
    assert_driver_ends(send_for_long, NULL);
    assert_driver_ends(close_client, NULL);
    model.gone = false;
    model.never_stops = true;
    assert_driver_ends(close_client, NULL);
    model.never_stops = false;
    model.never_resets = true;
    assert_driver_ends(close_client, NULL);
    model.never_resets = false;
    net_test_close(&test);
}

static void devices_that_cannot_be_used(void **state)
{
    static bool *const flags[] = {&model.gone, &model.never_stops, &model.never_resets,
                                  &model.no_address};

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        *flags[i] = true;
        assert_int_not_equal(driver.attach(device), 0);
        teardown(state);
        setup(state);
    }
    model_memory_limit(1);
    assert_int_equal(driver.attach(device), ENOMEM);
    teardown(state);
    setup(state);
    model.device.window_size[0] = 0x10000;
    assert_int_equal(driver.attach(device), EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(attach_describes_the_device),
        TEST(frames_go_out),
        TEST(frames_come_in),
        TEST(what_finds_no_buffer_is_counted),
        TEST(bad_frames_are_dropped),
        TEST(sums_are_told),
        TEST(long_frames),
        TEST(settings_that_cannot_be),
        TEST(interrupts_are_gathered),
        TEST(filters),
        TEST(the_link),
        TEST(a_session_after_another),
        TEST(few_interrupts),
        TEST(done_too_soon),
        TEST(devices_that_misbehave_end_the_driver),
        TEST(devices_that_cannot_be_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
