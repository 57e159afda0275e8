/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A model of a keyboard controller with a keyboard and a mouse, as the PS/2's.
 */
#ifndef HOST_MODEL_PS2_MODEL_H
#define HOST_MODEL_PS2_MODEL_H

#include "model.h"

enum { PS2_MODEL_QUEUE = 256 };

struct ps2_model_device {
    bool is_there;
    bool is_mute;   /* acknowledges nothing from now on */
    uint8_t babble; /* what it says without end instead of anything else; 0: nothing */
    bool reports;   /* enabled */
    bool is_mouse;
    bool has_wheel, wheel_is_on;
    uint8_t command;  /* whose second byte comes next; 0: none */
    uint8_t rates[3]; /* the last three */
    uint8_t leds;
    unsigned resets;
    uint8_t queue[PS2_MODEL_QUEUE]; /* to the controller */
    unsigned count;
};

struct ps2_model {
    struct model_device device; /* first: the handlers cast */
    struct ps2_model_device keyboard, mouse;
    bool fails_test, has_no_mouse_port;

    uint8_t byte; /* the controller's command byte */
    uint8_t command;
    uint8_t output;
    bool is_full, is_from_mouse;
    uint8_t answer;
    bool has_answer;
};

/* Both are there, the mouse with a wheel. */
void ps2_model_init(struct ps2_model *model);

/* A device says something by itself, if it was enabled. */
void ps2_model_say(struct ps2_model_device *device, const uint8_t *bytes, unsigned count);

#endif
