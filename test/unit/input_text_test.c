/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Text of keys, by the layouts that were made of Debian's at build time.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/input-event-codes.h>

#include <kit/client/input_text.h>

#include <test/unit/cmocka.h>

static struct input_text text;
static char typed[1024];

static void key(uint16_t code, int32_t value)
{
    struct input_event event = {.type = EV_KEY, .code = code, .value = value};
    char utf8[INPUT_TEXT_SIZE];
    size_t length = input_text_event(&text, &event, utf8);

    assert_int_equal(length, strlen(utf8));
    assert_true(strlen(typed) + length < sizeof(typed));
    strcat(typed, utf8);
}

/* These are pressed one after the other, and released in the same order. */
static void press_all(const uint16_t *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        key(keys[i], 1);
    for (size_t i = 0; i < count; i++)
        key(keys[i], 0);
}

#define press(...)                                                                                 \
    press_all((const uint16_t[]){__VA_ARGS__},                                                     \
              sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t))

static void begin(const char *layout)
{
    text = (struct input_text){.layout = input_layout_find(layout)};
    typed[0] = '\0';
    assert_non_null(text.layout);
}

static void expect(const char *wanted)
{
    assert_string_equal(typed, wanted);
    typed[0] = '\0';
}

static void us(void **state)
{
    (void)state;
    begin("us");
    press(KEY_A);
    press(KEY_LEFTSHIFT, KEY_A);
    press(KEY_RIGHTSHIFT, KEY_1);
    press(KEY_Y);
    press(KEY_ENTER);
    press(KEY_TAB);
    press(KEY_BACKSPACE);
    press(KEY_ESC);
    press(KEY_F1);
    press(KEY_UP);
    expect("aA!y\n\t\b\x1b");
}

static void other_layouts(void **state)
{
    (void)state;
    begin("de");
    press(KEY_Z), press(KEY_Y), press(KEY_LEFTBRACE), press(KEY_MINUS);
    press(KEY_LEFTSHIFT, KEY_LEFTBRACE);
    press(KEY_RIGHTALT, KEY_Q), press(KEY_RIGHTALT, KEY_E), press(KEY_RIGHTALT, KEY_7);
    press(KEY_102ND);
    expect("yzüßÜ@€{<");
    begin("fr");
    press(KEY_Q), press(KEY_A), press(KEY_2), press(KEY_LEFTSHIFT, KEY_2),
        press(KEY_RIGHTALT, KEY_0);
    expect("aqé2@");
    begin("gb");
    press(KEY_LEFTSHIFT, KEY_3), press(KEY_LEFTSHIFT, KEY_2);
    expect("£\"");
    begin("es");
    press(KEY_SEMICOLON), press(KEY_LEFTSHIFT, KEY_SEMICOLON);
    expect("ñÑ");
    begin("it");
    press(KEY_APOSTROPHE);
    expect("à");
    begin("ru");
    press(KEY_Q), press(KEY_LEFTSHIFT, KEY_Q);
    expect("йЙ");
    assert_null(input_layout_find("xx"));
    assert_null(input_layout_find(""));
}

static void shift_is_held_until_both_are_released(void **state)
{
    (void)state;
    begin("us");
    key(KEY_LEFTSHIFT, 1), key(KEY_RIGHTSHIFT, 1);
    press(KEY_A);
    key(KEY_LEFTSHIFT, 0);
    press(KEY_A);
    key(KEY_RIGHTSHIFT, 0);
    press(KEY_A);
    key(KEY_A, 1), key(KEY_A, 2), key(KEY_A, 2), key(KEY_A, 0);
    expect("AAaaaa");
}

static void commands_are_no_text(void **state)
{
    static const uint16_t with[] = {KEY_LEFTCTRL, KEY_RIGHTCTRL, KEY_LEFTALT, KEY_LEFTMETA,
                                    KEY_RIGHTMETA};

    (void)state;
    begin("de");
    for (unsigned i = 0; i < sizeof(with) / sizeof(with[0]); i++)
        press(with[i], KEY_C);
    expect("");
    begin("us");
    press(KEY_RIGHTALT, KEY_C); /* no AltGr there */
    press(KEY_C);
    expect("c");
}

static void caps_lock(void **state)
{
    (void)state;
    begin("de");
    key(KEY_CAPSLOCK, 1), key(KEY_CAPSLOCK, 2), key(KEY_CAPSLOCK, 0); /* held, it repeats */
    assert_int_equal(text.locks, 1u << LED_CAPSL);
    press(KEY_A), press(KEY_LEFTBRACE), press(KEY_1), press(KEY_LEFTSHIFT, KEY_A);
    press(KEY_CAPSLOCK);
    assert_int_equal(text.locks, 0);
    press(KEY_A);
    expect("AÜ1aa");
    press(KEY_CAPSLOCK);
    press(KEY_RIGHTALT,
          KEY_M); /* a micro sign, which has no capital, or one, by the library's version */
    assert_true(typed[0] != '\0');
    typed[0] = '\0';
    begin("tr");
    press(KEY_CAPSLOCK);
    press(KEY_APOSTROPHE), press(KEY_I);
    expect("İI");
}

static void num_lock(void **state)
{
    (void)state;
    begin("us");
    press(KEY_KP7), press(KEY_KPPLUS), press(KEY_KPENTER);
    press(KEY_NUMLOCK);
    assert_int_equal(text.locks, 1u << LED_NUML);
    press(KEY_KP7), press(KEY_KPDOT), press(KEY_LEFTSHIFT, KEY_KP7), press(KEY_A);
    press(KEY_NUMLOCK);
    press(KEY_KP7);
    expect("+\n7.a");
    begin("de");
    press(KEY_NUMLOCK);
    press(KEY_KPDOT);
    expect(",");
}

static void dead_keys(void **state)
{
    (void)state;
    begin("fr");
    press(KEY_LEFTBRACE), press(KEY_E);                               /* ^ */
    press(KEY_LEFTSHIFT, KEY_LEFTBRACE), press(KEY_LEFTSHIFT, KEY_U); /* a diaeresis */
    expect("êÜ");
    press(KEY_LEFTBRACE), press(KEY_SPACE);
    expect("^");
    press(KEY_LEFTBRACE), press(KEY_X);
    expect("^x");
    press(KEY_LEFTBRACE), press(KEY_BACKSPACE), press(KEY_E);
    expect("e");
    begin("us-intl");
    press(KEY_APOSTROPHE), press(KEY_APOSTROPHE);
    press(KEY_APOSTROPHE), press(KEY_C), press(KEY_GRAVE), press(KEY_APOSTROPHE), press(KEY_E);
    expect("´ć`é");
    begin("dk");
    press(KEY_RIGHTALT, KEY_RIGHTBRACE), press(KEY_LEFTSHIFT, KEY_N); /* a tilde */
    expect("Ñ");
}

/* As the client of the class does when its driver dies, it releases what was held. */
static void what_a_dead_driver_held_is_released(void **state)
{
    (void)state;
    begin("de");
    press(KEY_CAPSLOCK);
    key(KEY_LEFTSHIFT, 1), key(KEY_RIGHTALT, 1), key(KEY_LEFTCTRL, 1);
    key(KEY_LEFTCTRL, 0), key(KEY_LEFTSHIFT, 0), key(KEY_RIGHTALT, 0);
    press(KEY_Q);
    expect("Q");
}

static void whole_tables(void **state)
{
    uint16_t before = 0;

    (void)state;
    for (const struct input_layout *layout = input_layouts; layout->name; layout++) {
        assert_true(layout->count >= 60);
        assert_ptr_equal(input_layout_find(layout->name), layout);
        for (unsigned i = 0; i < layout->count; i++) {
            assert_true(i == 0 || layout->keys[i - 1].key < layout->keys[i].key);
            for (unsigned level = 0; level < 8; level++) {
                uint16_t symbol = layout->keys[i].symbols[level];
                assert_true(symbol < 0xd800 || symbol >= INPUT_LAYOUT_DEAD);
            }
        }
    }
    for (const struct input_composition *at = input_compositions; at->dead; at++) {
        assert_true(at->dead >= before && at->dead >= INPUT_LAYOUT_DEAD &&
                    at->dead < INPUT_LAYOUT_DEAD_END);
        assert_true(at->made != 0 && (at->made < 0xd800 || at->made >= INPUT_LAYOUT_DEAD_END));
        before = at->dead;
    }
}

/* Whatever a driver says. */
static void any_event(void **state)
{
    (void)state;
    srand(1);
    for (const struct input_layout *layout = input_layouts; layout->name; layout++) {
        begin(layout->name);
        for (unsigned i = 0; i < 20000; i++) {
            struct input_event event = {.type = rand() % 8 ? EV_KEY : (uint16_t)rand(),
                                        .code = (uint16_t)(rand() % 4 ? rand() % 256 : rand()),
                                        .value = rand() % 4 - 1};
            char utf8[INPUT_TEXT_SIZE];
            size_t length = input_text_event(&text, &event, utf8);
            assert_true(length < INPUT_TEXT_SIZE && length == strlen(utf8));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(us),
        cmocka_unit_test(other_layouts),
        cmocka_unit_test(shift_is_held_until_both_are_released),
        cmocka_unit_test(commands_are_no_text),
        cmocka_unit_test(caps_lock),
        cmocka_unit_test(num_lock),
        cmocka_unit_test(dead_keys),
        cmocka_unit_test(what_a_dead_driver_held_is_released),
        cmocka_unit_test(whole_tables),
        cmocka_unit_test(any_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
