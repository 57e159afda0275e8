/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "keyboard.h"

#include <errno.h>

enum { RELEASED = 0x80, EXTENDED = 0xe0, PAUSE = 0xe1 };

/* Linux numbered its keys after set 1: up to here a code is the key's number. */
enum { SAME_LAST = KEY_F12 };

/* Others without a prefix. */
static const uint8_t plain[] = {
    [0x54] = KEY_SYSRQ,    [0x55] = KEY_RESERVED,
    [0x59] = KEY_KPEQUAL,  [0x70] = KEY_KATAKANAHIRAGANA,
    [0x73] = KEY_RO,       [0x79] = KEY_HENKAN,
    [0x7b] = KEY_MUHENKAN, [0x7d] = KEY_YEN,
    [0x7e] = KEY_KPCOMMA,
};

/* Those behind e0. 2a and 36 are shifts that nobody pressed. */
static const uint8_t extended[128] = {
    [0x10] = KEY_PREVIOUSSONG, [0x19] = KEY_NEXTSONG, [0x1c] = KEY_KPENTER,
    [0x1d] = KEY_RIGHTCTRL,    [0x20] = KEY_MUTE,     [0x21] = KEY_CALC,
    [0x22] = KEY_PLAYPAUSE,    [0x24] = KEY_STOPCD,   [0x2e] = KEY_VOLUMEDOWN,
    [0x30] = KEY_VOLUMEUP,     [0x32] = KEY_HOMEPAGE, [0x35] = KEY_KPSLASH,
    [0x37] = KEY_SYSRQ,        [0x38] = KEY_RIGHTALT, [0x46] = KEY_PAUSE,
    [0x47] = KEY_HOME,         [0x48] = KEY_UP,       [0x49] = KEY_PAGEUP,
    [0x4b] = KEY_LEFT,         [0x4d] = KEY_RIGHT,    [0x4f] = KEY_END,
    [0x50] = KEY_DOWN,         [0x51] = KEY_PAGEDOWN, [0x52] = KEY_INSERT,
    [0x53] = KEY_DELETE,       [0x5b] = KEY_LEFTMETA, [0x5c] = KEY_RIGHTMETA,
    [0x5d] = KEY_COMPOSE,      [0x5e] = KEY_POWER,    [0x5f] = KEY_SLEEP,
    [0x63] = KEY_WAKEUP,       [0x65] = KEY_SEARCH,   [0x66] = KEY_BOOKMARKS,
    [0x67] = KEY_REFRESH,      [0x68] = KEY_STOP,     [0x69] = KEY_FORWARD,
    [0x6a] = KEY_BACK,         [0x6b] = KEY_COMPUTER, [0x6c] = KEY_MAIL,
    [0x6d] = KEY_MEDIA,
};

static uint16_t key_find(uint8_t prefix, uint8_t code)
{
    if (prefix == EXTENDED)
        return extended[code];
    if (code < sizeof(plain) && plain[code] != KEY_RESERVED)
        return plain[code];
    return code <= SAME_LAST && code != 0x55 ? code : KEY_RESERVED;
}

/* The keyboard's bits are in another order than Linux's. */
static bool leds_send(struct ps2_keyboard *keyboard)
{
    uint32_t lit = keyboard->leds;
    const uint8_t bytes[] = {PS2_LEDS,
                             (uint8_t)((lit >> LED_SCROLLL & 1) | (lit >> LED_NUML & 1) << 1 |
                                       (lit >> LED_CAPSL & 1) << 2)};

    return ps2_device_command(keyboard->controller, PS2_KEYBOARD, bytes, sizeof(bytes));
}

static bool keyboard_leds(void *context, uint32_t lit)
{
    struct ps2_keyboard *keyboard = context;

    keyboard->leds = lit;
    return leds_send(keyboard);
}

static const struct input_device_ops keyboard_ops = {.leds = keyboard_leds};

/* Another one was plugged in, and has told that its self-test went well. What it says before it is
 * set up is no news: not that it was plugged in again, either. */
static void plugged(struct ps2_keyboard *keyboard)
{
    struct input_device *input = keyboard->input;

    input_device_release(input);
    keyboard->prefix = keyboard->to_skip = 0;
    keyboard->input = NULL;
    if (leds_send(keyboard))
        ps2_device_command(keyboard->controller, PS2_KEYBOARD, &(uint8_t){PS2_ENABLE}, 1);
    keyboard->input = input;
}

void ps2_keyboard_byte(struct ps2_keyboard *keyboard, uint8_t byte)
{
    uint8_t prefix = keyboard->prefix;

    if (!keyboard->input)
        return;
    if (keyboard->to_skip > 0) {
        keyboard->to_skip--;
        return;
    }
    if (byte == PAUSE) {
        /* e1 1d 45 when it is pressed, and e1 9d c5 behind that: it has no release of its own. */
        input_device_report(keyboard->input, EV_KEY, KEY_PAUSE, 1);
        input_device_sync(keyboard->input);
        input_device_report(keyboard->input, EV_KEY, KEY_PAUSE, 0);
        input_device_sync(keyboard->input);
        keyboard->to_skip = 5;
        return;
    }
    keyboard->prefix = byte == EXTENDED ? byte : 0;
    if (byte == EXTENDED || byte == PS2_ACKNOWLEDGE || byte == PS2_RESEND)
        return;
    /* The code that releases the left shift is the same. */
    if (byte == PS2_TEST_PASSED && prefix == 0 &&
        !input_device_is_pressed(keyboard->input, KEY_LEFTSHIFT)) {
        plugged(keyboard);
        return;
    }
    uint16_t key = key_find(prefix, byte & (uint8_t)~RELEASED);
    if (key != KEY_RESERVED)
        input_device_report(keyboard->input, EV_KEY, key, !(byte & RELEASED));
    input_device_sync(keyboard->input);
}

int ps2_keyboard_open(struct ps2_keyboard *keyboard, struct device *device,
                      struct ps2_controller *controller)
{
    uint8_t id[2];

    *keyboard = (struct ps2_keyboard){.controller = controller};
    if (!ps2_device_reset(controller, PS2_KEYBOARD) ||
        !ps2_device_command(controller, PS2_KEYBOARD, &(uint8_t){PS2_DISABLE}, 1))
        return ENODEV;
    ps2_device_identify(controller, PS2_KEYBOARD, id); /* old ones have no answer to that */
    leds_send(keyboard);
    if (!ps2_device_command(controller, PS2_KEYBOARD, &(uint8_t){PS2_ENABLE}, 1))
        return ENODEV;
    int error = input_device_publish(device, "kbd", "PS/2 keyboard", &keyboard_ops, keyboard,
                                     &keyboard->offered);
    if (error == 0)
        keyboard->input = &keyboard->offered;
    return error;
}
