/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The text that a keyboard's events type, by one of Debian's layouts (make-layouts). Modifiers,
 * locks and dead keys are the client's, so text goes on through a restart of the driver. No text
 * comes of keys pressed with Ctrl, Alt or Meta.
 */
#ifndef KIT_CLIENT_INPUT_TEXT_H
#define KIT_CLIENT_INPUT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <interface/input.h>

enum {
    INPUT_TEXT_SIZE = 8, /* of what one event types, with its end: two characters of three bytes */
    INPUT_LAYOUT_DEAD = 0xe000, /* symbols from here to the end are dead keys */
    INPUT_LAYOUT_DEAD_END = 0xe100,
};

struct input_layout_key {
    uint16_t key;
    bool is_num;         /* its lock is Num Lock, not Caps Lock */
    uint16_t symbols[8]; /* UCS-2, or a dead key; 0: none. 1: with Shift, 2: AltGr, 4: its lock */
};

struct input_layout {
    const char *name, *title;
    const struct input_layout_key *keys;
    unsigned count;
    bool has_altgr; /* the right Alt is AltGr */
};

struct input_composition {
    uint16_t dead, next, made;
};

/* Both are ended by one of zeroes. */
extern const struct input_layout input_layouts[];
extern const struct input_composition input_compositions[];

/* Null: there is none of that name. */
const struct input_layout *input_layout_find(const char *name);

/* Zeroed by its owner but for the layout. */
struct input_text {
    const struct input_layout *layout;
    uint32_t locks; /* bits LED_CAPSL and LED_NUML, as input_client_leds has them */
    uint8_t held;   /* modifier keys */
    uint16_t dead;  /* waits for the next; 0: none does */
};

/* What the event types, as UTF-8 with a null byte behind it; returns its length. Enter is a
 * newline; Backspace, Tab, Escape and Delete are their control characters. A dead key and one that
 * it does not go with are two characters; Backspace takes a dead key back. */
size_t input_text_event(struct input_text *text, const struct input_event *event,
                        char utf8[INPUT_TEXT_SIZE]);

#endif
