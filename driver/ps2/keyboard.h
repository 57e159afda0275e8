/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A keyboard: its codes, of set 1 as the controller translates them, and its LEDs.
 */
#ifndef DRIVER_PS2_KEYBOARD_H
#define DRIVER_PS2_KEYBOARD_H

#include <kit/input.h>

#include "controller.h"

struct ps2_keyboard {
    struct ps2_controller *controller;
    struct input_device offered;
    struct input_device *input; /* that one; null: it is being set up */
    uint8_t prefix;             /* e0 or e1, which came before; 0: neither */
    uint8_t to_skip;            /* bytes of Pause's code that are still to come */
    uint32_t leds;
};

/* Find it, and set it up as the system likes it; then publish it. ENODEV: there is none. */
int ps2_keyboard_open(struct ps2_keyboard *keyboard, struct device *device,
                      struct ps2_controller *controller);

void ps2_keyboard_byte(struct ps2_keyboard *keyboard, uint8_t byte);

#endif
