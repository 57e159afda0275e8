/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mouse.h"

#include <errno.h>
#include <string.h>

#include <kit/clock.h>

/* The first byte of a packet. */
enum {
    LEFT = 0x01,
    RIGHT = 0x02,
    MIDDLE = 0x04,
    FIRST = 0x08, /* always set */
    X_NEGATIVE = 0x10,
    Y_NEGATIVE = 0x20,
    OVERFLOWS = 0xc0,
};

enum { RATE = 100, RESOLUTION = 3 /* eight counts a millimetre */, WHEEL = 3 };

#define PACKET_TIME (100 * CLOCK_MILLISECOND)

/* Three rates in that order are how a wheel is asked for (Microsoft, "IntelliMouse"). */
static const uint8_t knock[] = {PS2_RATE, 200, PS2_RATE, 100, PS2_RATE, 80};
static const uint8_t usual[] = {PS2_RATE, RATE, PS2_RESOLUTION, RESOLUTION, PS2_ENABLE};

static bool set_up(struct ps2_mouse *mouse)
{
    struct ps2_controller *controller = mouse->controller;
    uint8_t id[2] = {0, 0};

    if (!ps2_device_command(controller, PS2_MOUSE, knock, sizeof(knock)) ||
        ps2_device_identify(controller, PS2_MOUSE, id) == 0)
        return false;
    mouse->size = id[0] == WHEEL ? 4 : 3;
    mouse->count = 0;
    return ps2_device_command(controller, PS2_MOUSE, usual, sizeof(usual));
}

static void packet_take(struct ps2_mouse *mouse)
{
    const uint8_t *packet = mouse->packet;
    struct input_device *input = mouse->input;

    if (!(packet[0] & OVERFLOWS)) {
        input_device_report(input, EV_REL, REL_X, packet[1] - (packet[0] & X_NEGATIVE ? 256 : 0));
        input_device_report(input, EV_REL, REL_Y, (packet[0] & Y_NEGATIVE ? 256 : 0) - packet[2]);
    }
    if (mouse->size == 4)
        input_device_report(input, EV_REL, REL_WHEEL, -(int8_t)packet[3]);
    input_device_report(input, EV_KEY, BTN_LEFT, packet[0] & LEFT);
    input_device_report(input, EV_KEY, BTN_RIGHT, packet[0] & RIGHT);
    input_device_report(input, EV_KEY, BTN_MIDDLE, packet[0] & MIDDLE);
    input_device_sync(input);
}

/* Another one was plugged in, and has told that its self-test went well, and its identity: as the
 * beginning of a packet that would be a movement too far to be told. */
static bool is_plugged(const struct ps2_mouse *mouse)
{
    return mouse->count == 2 && mouse->packet[0] == PS2_TEST_PASSED && mouse->packet[1] == 0;
}

void ps2_mouse_byte(struct ps2_mouse *mouse, uint8_t byte)
{
    uint64_t now = clock_now();

    if (!mouse->input)
        return;
    if (now - mouse->last > PACKET_TIME) /* the rest of that one was lost */
        mouse->count = 0;
    mouse->last = now;
    if (mouse->count == 0 && !(byte & FIRST))
        return;
    mouse->packet[mouse->count++] = byte;
    if (is_plugged(mouse)) {
        struct input_device *input = mouse->input;
        input_device_release(input);
        mouse->input = NULL;
        set_up(mouse);
        mouse->input = input;
    } else if (mouse->count == mouse->size) {
        mouse->count = 0;
        packet_take(mouse);
    }
}

int ps2_mouse_open(struct ps2_mouse *mouse, struct device *device,
                   struct ps2_controller *controller)
{
    static const struct input_device_ops no_ops;
    uint8_t id;

    *mouse = (struct ps2_mouse){.controller = controller};
    if (!ps2_device_reset(controller, PS2_MOUSE) ||
        !ps2_controller_await(controller, PS2_MOUSE, 100, &id) || !set_up(mouse))
        return ENODEV;
    int error = input_device_publish(device, "mouse",
                                     mouse->size == 4 ? "PS/2 mouse with a wheel" : "PS/2 mouse",
                                     &no_ops, mouse, &mouse->offered);
    if (error == 0)
        mouse->input = &mouse->offered;
    return error;
}
