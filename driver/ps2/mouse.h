/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A mouse: three buttons, and a wheel if it has one.
 */
#ifndef DRIVER_PS2_MOUSE_H
#define DRIVER_PS2_MOUSE_H

#include <kit/input.h>

#include "controller.h"

struct ps2_mouse {
    struct ps2_controller *controller;
    struct input_device offered;
    struct input_device *input; /* that one; null: it is being set up */
    uint8_t packet[4];
    unsigned size, count; /* of a packet: 3, or 4 with a wheel; what of it has come */
    uint64_t last;        /* when that was */
};

/* As for a keyboard. */
int ps2_mouse_open(struct ps2_mouse *mouse, struct device *device,
                   struct ps2_controller *controller);

void ps2_mouse_byte(struct ps2_mouse *mouse, uint8_t byte);

#endif
