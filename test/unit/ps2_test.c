/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The ps2 driver, the input class and its client on the model host.
 */
#include <errno.h>
#include <string.h>

#include <host/model/ps2_model.h>
#include <kit/client/input.h>

#include <test/unit/stream_fixture.h>

#define NAME "ps20"

static struct ps2_model model;
static struct input_client keyboard, mouse;

static int setup(void **state)
{
    (void)state;
    ps2_model_init(&model);
    stream_setup(&model.device, NAME);
    memset(&keyboard, 0, sizeof(keyboard));
    memset(&mouse, 0, sizeof(mouse));
    return 0;
}

static int teardown(void **state)
{
    if (keyboard.stream)
        input_client_close(&keyboard);
    if (mouse.stream)
        input_client_close(&mouse);
    return stream_teardown(state);
}

static void begin(void)
{
    assert_int_equal(driver.attach(device), 0);
    assert_int_equal(input_client_open(&keyboard, NAME "kbd"), 0);
    assert_int_equal(input_client_open(&mouse, NAME "mouse"), 0);
}

static void expect(struct input_client *client, uint16_t type, uint16_t code, int32_t value)
{
    struct input_event event;

    assert_int_equal(input_client_next(client, &event, 2000), 0);
    assert_int_equal(event.type, type);
    assert_int_equal(event.code, code);
    assert_int_equal(event.value, value);
}

static void expect_end(struct input_client *client)
{
    expect(client, EV_SYN, SYN_REPORT, 0);
}

static void expect_nothing(struct input_client *client)
{
    struct input_event event;

    assert_int_equal(input_client_next(client, &event, 20), ETIMEDOUT);
}

#define say(which, ...)                                                                            \
    ps2_model_say(&model.which, (const uint8_t[]){__VA_ARGS__},                                    \
                  sizeof((const uint8_t[]){__VA_ARGS__}))

static void expect_key(uint16_t key, int32_t value)
{
    expect(&keyboard, EV_KEY, key, value);
    expect_end(&keyboard);
}

static void keys_have_linux_numbers(void **state)
{
    (void)state;
    begin();
    say(keyboard, 0x1e, 0x9e);
    expect_key(KEY_A, 1);
    expect_key(KEY_A, 0);
    say(keyboard, 0xe0, 0x48, 0xe0, 0xc8);
    expect_key(KEY_UP, 1);
    expect_key(KEY_UP, 0);
    say(keyboard, 0xe0, 0x2a, 0xe0, 0x37, 0xe0, 0xb7, 0xe0, 0xaa); /* Print, with its shifts */
    expect_key(KEY_SYSRQ, 1);
    expect_key(KEY_SYSRQ, 0);
    say(keyboard, 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
    expect_key(KEY_PAUSE, 1);
    expect_key(KEY_PAUSE, 0);
    say(keyboard, 0x2a, 0xaa); /* which is what a self-test says, too */
    expect_key(KEY_LEFTSHIFT, 1);
    expect_key(KEY_LEFTSHIFT, 0);
    say(keyboard, 0x55, 0xe0, 0x7f, 0xff);
    expect_nothing(&keyboard);
}

static void a_held_key_repeats_by_the_clock(void **state)
{
    (void)state;
    begin();
    say(keyboard, 0x1e, 0x1e, 0x1e); /* the keyboard's own repeating is no news */
    expect_key(KEY_A, 1);
    uint64_t start = model_time();
    expect_key(KEY_A, 2);
    assert_in_range((model_time() - start) / CLOCK_MILLISECOND, 230, 270);
    expect_key(KEY_A, 2);
    say(keyboard, 0x9e);
    expect_key(KEY_A, 0);
    expect_nothing(&keyboard);
}

static void several_read_the_same(void **state)
{
    struct input_client second = {0};

    (void)state;
    begin();
    assert_int_equal(input_client_open(&second, NAME "kbd"), 0);
    say(keyboard, 0x1e, 0x9e);
    expect_key(KEY_A, 1);
    expect(&second, EV_KEY, KEY_A, 1);
    input_client_close(&second);
}

static void leds_are_lit(void **state)
{
    (void)state;
    begin();
    assert_int_equal(input_client_leds(&keyboard, 1u << LED_CAPSL | 1u << LED_SCROLLL), 0);
    assert_int_equal(model.keyboard.leds, 5);
    assert_int_equal(input_client_leds(&keyboard, 1u << LED_NUML), 0);
    assert_int_equal(model.keyboard.leds, 2);
    assert_int_equal(input_client_leds(&mouse, 1), ENOTSUP);
    model.keyboard.is_mute = true;
    assert_int_equal(input_client_leds(&keyboard, 0), EIO);
}

static void the_mouse_moves(void **state)
{
    (void)state;
    begin();
    assert_string_equal(stream_client_info(mouse.stream)->model, "PS/2 mouse with a wheel");
    say(mouse, 0x08 | 0x10 | 1, 0xfe, 0x03, 0x01);
    expect(&mouse, EV_REL, REL_X, -2);
    expect(&mouse, EV_REL, REL_Y, -3);
    expect(&mouse, EV_REL, REL_WHEEL, -1);
    expect(&mouse, EV_KEY, BTN_LEFT, 1);
    expect_end(&mouse);
    say(mouse, 0x08, 0, 0, 0xff);
    expect(&mouse, EV_REL, REL_WHEEL, 1);
    expect(&mouse, EV_KEY, BTN_LEFT, 0);
    expect_end(&mouse);
    say(mouse, 0x08 | 0x40, 0xff, 0, 0); /* too far to be told */
    expect_nothing(&mouse);
}

static void a_packet_that_lost_a_byte_harms_no_other(void **state)
{
    (void)state;
    begin();
    say(mouse, 0x08, 5, 5);
    expect_nothing(&mouse);
    model_run(200 * CLOCK_MILLISECOND);
    say(mouse, 0x00, 0x08, 7, 0, 0);
    expect(&mouse, EV_REL, REL_X, 7);
    expect_end(&mouse);
}

static void without_a_wheel_packets_are_shorter(void **state)
{
    (void)state;
    model.mouse.has_wheel = false;
    begin();
    say(mouse, 0x08, 1, 0, 0x08, 2, 0);
    expect(&mouse, EV_REL, REL_X, 1);
    expect_end(&mouse);
    expect(&mouse, EV_REL, REL_X, 2);
}

static void what_is_not_there_is_no_error(void **state)
{
    (void)state;
    model.keyboard.is_there = model.mouse.is_there = false;
    assert_int_equal(driver.attach(device), 0);
    assert_int_equal(input_client_open(&keyboard, NAME "kbd"), ENOENT);
    assert_int_equal(input_client_open(&mouse, NAME "mouse"), ENOENT);
    assert_true(model_log_has("no keyboard, no mouse"));
    teardown(state);
    setup(state);
    model.has_no_mouse_port = true;
    assert_int_equal(driver.attach(device), 0);
    assert_int_equal(input_client_open(&keyboard, NAME "kbd"), 0);
    assert_int_equal(model.mouse.resets, 0);
}

static void a_controller_that_fails_its_test_is_refused(void **state)
{
    (void)state;
    model.fails_test = true;
    assert_int_equal(driver.attach(device), ENODEV);
}

static void what_is_plugged_in_is_set_up(void **state)
{
    (void)state;
    begin();
    assert_int_equal(input_client_leds(&keyboard, 1u << LED_NUML), 0);
    say(keyboard, 0x1e);
    expect_key(KEY_A, 1);
    model.keyboard.leds = 0;
    say(keyboard, 0xaa);
    model.keyboard.reports = false;
    expect_key(KEY_A, 0);
    assert_int_equal(model.keyboard.leds, 2);
    assert_true(model.keyboard.reports);
    say(mouse, 0xaa, 0x00);
    model.mouse.reports = model.mouse.wheel_is_on = false;
    model_run(50 * CLOCK_MILLISECOND);
    assert_true(model.mouse.reports && model.mouse.wheel_is_on);
}

/* Keyboards and mice that talk without end, and never acknowledge: whoever asks them for something
 * is told so in time, though they say all the while that they were plugged in. */
static void devices_that_never_stop_talking(void **state)
{
    static const uint8_t bytes[] = {0x1e, 0xaa, 0xfe, 0x08};

    (void)state;
    begin();
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        model.keyboard.babble = bytes[i];
        uint64_t start = model_time();
        assert_int_equal(input_client_leds(&keyboard, 1u << LED_NUML), EIO);
        assert_in_range((model_time() - start) / CLOCK_MILLISECOND, 0, 900);
        model.keyboard.babble = 0;
        model.mouse.babble = bytes[i];
        start = model_time();
        model_run(CLOCK_MILLISECOND);
        assert_int_equal(input_client_leds(&keyboard, 1u << LED_CAPSL), 0);
        assert_in_range((model_time() - start) / CLOCK_MILLISECOND, 0, 900);
        model.mouse.babble = 0;
    }
    model_run(2 * CLOCK_SECOND);
    input_client_close(&keyboard); /* what it said is no news */
    assert_int_equal(input_client_open(&keyboard, NAME "kbd"), 0);
    say(keyboard, 0x30, 0xb0);
    expect_key(KEY_B, 1);
    expect_key(KEY_B, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_have_linux_numbers),
        TEST(a_held_key_repeats_by_the_clock),
        TEST(several_read_the_same),
        TEST(leds_are_lit),
        TEST(the_mouse_moves),
        TEST(a_packet_that_lost_a_byte_harms_no_other),
        TEST(without_a_wheel_packets_are_shorter),
        TEST(what_is_not_there_is_no_error),
        TEST(a_controller_that_fails_its_test_is_refused),
        TEST(what_is_plugged_in_is_set_up),
        TEST(devices_that_never_stop_talking),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
