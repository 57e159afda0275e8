/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The e1000e driver on the model host.
 */
#include <errno.h>
#include <string.h>

#include <host/model/e1000e_model.h>
#include <test/unit/net_fixture.h>

enum { ROOM = 2048 };

static struct e1000e_model model;

static int setup(void **state)
{
    (void)state;
    e1000e_model_init(&model);
    net_test_setup(&model.device, &model.wire, "e1000e0");
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
    net_test_expect_info(1514, 2048, NET_INFO_CHECKSUM_RECEIVE);
    net_test_run(A_WHILE);
    const struct net_state net = net_test_state();
    assert_int_equal(net.link, 1);
    assert_int_equal(net.speed, 1000);
    assert_int_equal(net.full_duplex, 1);
    assert_int_equal(model.resets, 1);
    net_test_close();
    model_run(A_WHILE);
    driver.detach();
    assert_int_equal(model.resets, 3);
}

static void frames_go_out(void **state)
{
    (void)state;
    net_test_begin();
    for (uint32_t length = 14; length <= 1514; length += 100)
        net_test_goes_out(length);
    assert_int_equal(test.sent[NET_STATUS_OK], 16);
    unsigned doorbells = model.doorbells;
    net_test_send(1000, 200);
    net_test_run(A_WHILE);
    assert_int_equal(test.sent[NET_STATUS_OK], 216);
    assert_int_equal(model.doorbells, doorbells + 1); /* for all of them */
    net_test_send(60, 500);                           /* more than the ring has: the rest waits */
    net_test_run(A_WHILE);
    assert_int_equal(test.sent[NET_STATUS_OK], 716);
    net_test_close();
}

static void frames_come_in(void **state)
{
    (void)state;
    net_test_begin();
    net_test_receive(ROOM, 4);
    for (unsigned i = 0; i < 4; i++) {
        net_test_run(A_WHILE);
        net_test_comes_in(60 + i * 400);
    }
    net_test_receive(ROOM, 300); /* more than the ring has */
    net_test_run(A_WHILE);
    for (unsigned i = 0; i < 30; i++)
        net_test_arrive(10);
    assert_int_equal(test.received[NET_STATUS_OK], 304);
    net_test_close();
}

static void what_finds_no_buffer_is_counted(void **state)
{
    (void)state;
    net_test_begin();
    net_test_receive(ROOM, 2);
    net_test_run(A_WHILE);
    net_test_arrive(7);
    assert_int_equal(test.received[NET_STATUS_OK], 2);
    net_test_run(3 * CLOCK_SECOND); /* counters are looked at now and then */
    net_test_receive(ROOM, 1);
    net_test_run(A_WHILE);
    net_test_arrive(1);
    const struct net_state net = net_test_state();
    assert_int_equal(net.statistics.missed, 5);
    assert_int_equal(net.statistics.received_frames, 3);
    net_test_close();
}

static void bad_frames_are_dropped(void **state)
{
    (void)state;
    net_test_begin();
    net_test_receive(ROOM, 8);
    net_test_run(A_WHILE);
    model.errors = 1; /* CRC */
    net_test_arrive(1);
    model.without_end = true; /* and the end of it */
    net_test_arrive(2);
    model.claimed_length = 5;
    net_test_arrive(1);
    model.claimed_length = 60000;
    net_test_arrive(1);
    assert_int_equal(test.received[NET_STATUS_DROPPED], 5);
    assert_int_equal(test.received[NET_STATUS_OK], 0);
    model.errors = 0x60; /* of higher protocols' sums: not the device's to judge */
    net_test_arrive(1);
    assert_int_equal(test.received[NET_STATUS_OK], 1);
    assert_int_equal(test.flags, 0);
    net_test_close();
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
    net_test_begin();
    assert_int_equal(model.reg[0x5000 / 4] & 0x300, 0x300);
    assert_int_equal(net_client_info(test.client)->flags, NET_INFO_CHECKSUM_RECEIVE);
    net_test_receive(ROOM, 5);
    net_test_run(A_WHILE);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        model.status = cases[i].status;
        model.errors = cases[i].errors;
        net_test_arrive(1);
        assert_int_equal(test.received[NET_STATUS_OK], i + 1);
        assert_int_equal(test.flags, cases[i].flags);
    }
    net_test_close();
}

static void long_frames(void **state)
{
    (void)state;
    model_settings("mtu=9000");
    net_test_begin();
    net_test_expect_info(9014, 16384, NET_INFO_CHECKSUM_RECEIVE);
    net_test_receive(16384, 1);
    net_test_goes_out(9014);
    net_test_comes_in(9014);
    net_test_close();
}

static void settings_that_cannot_be(void **state)
{
    (void)state;
    model_settings("mtu=9001 gather-us=0");
    net_test_begin();
    assert_int_equal(net_client_info(test.client)->max_frame, 1514);
    assert_int_equal(model_log_count("mtu=9001 cannot be"), 1);
    assert_int_equal(model_log_count("interrupts are not gathered"), 0);
    net_test_close();
}

/* In units of 256 ns (10.2.4.2); by time only, and not for longer than 16 bits of that. */
static void interrupts_are_gathered(void **state)
{
    static const struct {
        const char *settings;
        unsigned microseconds;
    } cases[] = {{"", 32}, {"gather-us=64", 64}, {"gather=4", 0}, {"gather-us=17000", 0}};

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (i > 0)
            again();
        model_settings(cases[i].settings);
        net_test_begin();
        assert_int_equal(model.reg[0xe8 / 4], cases[i].microseconds * 1000 / 256);
        assert_int_equal(model_log_count("interrupts are not gathered"),
                         cases[i].microseconds == 0);
        net_test_close();
    }
}

static void filters(void **state)
{
    static const uint8_t other[] = {0x01, 0, 0x5e, 0x12, 0x34, 0x56};
    struct net_filter filter = {.count = 64};

    (void)state;
    net_test_begin();
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
    net_test_close();
    model_run(A_WHILE);
    assert_int_equal(model.reg[0x100 / 4] & 0x18, 0); /* the next client's choice */
}

static void the_link(void **state)
{
    (void)state;
    net_test_begin();
    e1000e_model_link(&model, false);
    net_test_run(A_WHILE);
    assert_int_equal(net_test_state().link, 0);
    net_test_send(60, 3); /* it would stay with the device, nobody knows how long */
    net_test_run(A_WHILE);
    assert_int_equal(test.sent[NET_STATUS_DROPPED], 3);
    e1000e_model_link(&model, true);
    net_test_run(A_WHILE);
    net_test_send(60, 3);
    net_test_run(A_WHILE);
    assert_int_equal(test.sent[NET_STATUS_OK], 3);
    net_test_close();
}

static void a_session_after_another(void **state)
{
    (void)state;
    net_test_session_after_another(ROOM, A_WHILE);
    net_test_close();
}

/* One vector for everything, and none: a line, whose causes are read. */
static void few_interrupts(void **state)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        if (kind == 1) {
            again();
            model.device.config[0x43] = 0;
        }
        model.device.identity.vectors = 1;
        net_test_begin();
        net_test_receive(ROOM, 4);
        net_test_send(60, 4);
        net_test_run(A_WHILE);
        net_test_arrive(4);
        assert_int_equal(test.sent[NET_STATUS_OK], 4);
        assert_int_equal(test.received[NET_STATUS_OK], 4);
        e1000e_model_link(&model, false);
        net_test_run(A_WHILE);
        assert_int_equal(net_test_state().link, 0);
        model_interrupt(0); /* another device's, on a line */
        net_test_run(A_WHILE);
        assert_int_equal(model_interrupts_rejected() > 0, kind == 1);
        net_test_close();
    }
}

/* The device says of all descriptors that they are done: those it has not been given are not. */
static void done_too_soon(void **state)
{
    (void)state;
    net_test_begin();
    model.done_too_soon = model.wire.holds_sends = true;
    net_test_run(A_WHILE);
    net_test_receive(ROOM, 3);
    net_test_send(60, 3);
    net_test_run(A_WHILE);
    assert_int_equal(test.sent[NET_STATUS_OK], 3);
    assert_int_equal(test.received[NET_STATUS_OK] + test.received[NET_STATUS_DROPPED], 3);
    model.done_too_soon = false;
    net_test_close();
}

static void devices_that_misbehave_end_the_driver(void **state)
{
    (void)state;
    net_test_begin();
    net_test_receive(ROOM, 4);
    net_test_run(A_WHILE);
    model.wire.holds_sends = true;
    net_test_sending_ends_driver();
    model.wire.holds_sends = false;
    model.gone = true;
    net_test_sending_ends_driver();
    net_test_closing_ends_driver();
    model.gone = false;
    model.never_stops = true;
    net_test_closing_ends_driver();
    model.never_stops = false;
    model.never_resets = true;
    net_test_closing_ends_driver();
    model.never_resets = false;
    net_test_close();
}

static void devices_that_cannot_be_used(void **state)
{
    static bool *const flags[] = {&model.gone, &model.never_stops, &model.never_resets,
                                  &model.no_address};

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        *flags[i] = true;
        assert_int_not_equal(driver.attach(device), 0);
        again();
    }
    model_memory_limit(1);
    assert_int_equal(driver.attach(device), ENOMEM);
    again();
    model.device.window_size[0] = 0x10000;
    assert_int_equal(driver.attach(device), EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, net_test_teardown)

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
