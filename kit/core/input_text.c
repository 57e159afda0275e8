/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <kit/client/input_text.h>

#include <string.h>

#include <linux/input-event-codes.h>

enum { LEVEL_SHIFT = 1, LEVEL_ALTGR = 2, LEVEL_LOCK = 4, BACKSPACE = '\b' };

/* In the order of their bits in `held`. */
static const uint16_t modifiers[] = {
    KEY_LEFTSHIFT, KEY_RIGHTSHIFT, KEY_RIGHTALT, KEY_LEFTCTRL,
    KEY_RIGHTCTRL, KEY_LEFTALT,    KEY_LEFTMETA, KEY_RIGHTMETA,
};
enum { HELD_SHIFT = 1 << 0 | 1 << 1, HELD_RIGHTALT = 1 << 2 };

const struct input_layout *input_layout_find(const char *name)
{
    for (const struct input_layout *layout = input_layouts; layout->name; layout++) {
        if (strcmp(layout->name, name) == 0)
            return layout;
    }
    return NULL;
}

/* Whether the key is a modifier or a lock, which this has noted then. */
static bool modifier_note(struct input_text *text, const struct input_event *event)
{
    for (unsigned i = 0; i < sizeof(modifiers) / sizeof(modifiers[0]); i++) {
        uint8_t bit = (uint8_t)(1u << i);
        if (modifiers[i] != event->code)
            continue;
        text->held = event->value != 0 ? text->held | bit : text->held & (uint8_t)~bit;
        return true;
    }
    if (event->code != KEY_CAPSLOCK && event->code != KEY_NUMLOCK)
        return false;
    if (event->value == 1)
        text->locks ^= 1u << (event->code == KEY_CAPSLOCK ? LED_CAPSL : LED_NUML);
    return true;
}

/* What the layout has for the key and what is held; 0: nothing. */
static uint16_t symbol_find(const struct input_text *text, uint16_t code)
{
    const struct input_layout *layout = text->layout;
    uint8_t altgr = layout->has_altgr ? HELD_RIGHTALT : 0;

    if (text->held & ~(HELD_SHIFT | altgr))
        return 0;
    for (unsigned i = 0; i < layout->count; i++) {
        const struct input_layout_key *key = &layout->keys[i];
        if (key->key != code)
            continue;
        bool is_locked = text->locks & 1u << (key->is_num ? LED_NUML : LED_CAPSL);
        return key->symbols[(text->held & HELD_SHIFT ? LEVEL_SHIFT : 0) |
                            (text->held & altgr ? LEVEL_ALTGR : 0) | (is_locked ? LEVEL_LOCK : 0)];
    }
    return 0;
}

static uint16_t composition_find(uint16_t dead, uint16_t next)
{
    for (const struct input_composition *at = input_compositions; at->dead; at++) {
        if (at->dead == dead && at->next == next)
            return at->made;
    }
    return 0;
}

/* Behind `length` bytes; the new length. */
static size_t character_add(char utf8[INPUT_TEXT_SIZE], size_t length, uint16_t character)
{
    if (character == 0)
        return length;
    if (character < 0x80) {
        utf8[length++] = (char)character;
    } else if (character < 0x800) {
        utf8[length++] = (char)(0xc0 | character >> 6);
        utf8[length++] = (char)(0x80 | (character & 0x3f));
    } else {
        utf8[length++] = (char)(0xe0 | character >> 12);
        utf8[length++] = (char)(0x80 | (character >> 6 & 0x3f));
        utf8[length++] = (char)(0x80 | (character & 0x3f));
    }
    utf8[length] = '\0';
    return length;
}

static bool is_dead(uint16_t symbol)
{
    return symbol >= INPUT_LAYOUT_DEAD && symbol < INPUT_LAYOUT_DEAD_END;
}

size_t input_text_event(struct input_text *text, const struct input_event *event,
                        char utf8[INPUT_TEXT_SIZE])
{
    size_t length = 0;

    utf8[0] = '\0';
    if (event->type != EV_KEY || modifier_note(text, event) || event->value == 0)
        return 0;
    uint16_t symbol = symbol_find(text, event->code);
    if (symbol == 0)
        return 0;
    uint16_t dead = text->dead, made = composition_find(dead, symbol);
    text->dead = 0;
    if (made != 0)
        return character_add(utf8, 0, made);
    if (dead != 0 && symbol == BACKSPACE)
        return 0;
    if (dead != 0)
        length = character_add(utf8, 0, composition_find(dead, ' '));
    if (is_dead(symbol))
        text->dead = symbol;
    else
        length = character_add(utf8, length, symbol);
    return length;
}
