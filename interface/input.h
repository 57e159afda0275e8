/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input devices: of the stream class (stream.h), offered as class "input". What is read is a run of
 * struct input_event; nothing is written. Types, codes and values are Linux's
 * (<linux/input-event-codes.h>, which the package linux-libc-dev has): a report is some events and
 * an EV_SYN of code SYN_REPORT, and one of code SYN_DROPPED says that others are missing.
 */
#ifndef INTERFACE_INPUT_H
#define INTERFACE_INPUT_H

#include <interface/stream.h>

struct input_event {
    uint64_t time; /* nanoseconds since the machine started */
    uint16_t type; /* EV_KEY, EV_REL, EV_SYN, ... */
    uint16_t code;
    int32_t value; /* of a key: 0 released, 1 pressed, 2 still pressed */
};
static_assert(sizeof(struct input_event) == 16 && STREAM_DATA % sizeof(struct input_event) == 0,
              "wire layout: an entry has whole ones");

enum input_code {
    INPUT_CODE_LEDS = STREAM_CODE_FIRST, /* struct input_leds */
    INPUT_CODE_REPEAT,                   /* struct input_repeat */
};

struct input_leds {
    uint32_t lit; /* a bit for each LED_NUML, LED_CAPSL, ... */
};

struct input_repeat {
    uint32_t delay, period; /* milliseconds until a key repeats, and then between two; 0: never */
};

#endif
