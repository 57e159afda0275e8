/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller.h"

#include <errno.h>

#include <kit/clock.h>

enum { STATUS_OUTPUT_FULL = 0x01, STATUS_INPUT_FULL = 0x02, STATUS_MOUSE = 0x20 };

enum {
    CONTROL_READ = 0x20, /* the command byte */
    CONTROL_WRITE = 0x60,
    CONTROL_MOUSE_DISABLE = 0xa7,
    CONTROL_MOUSE_ENABLE = 0xa8,
    CONTROL_MOUSE_TEST = 0xa9,
    CONTROL_TEST = 0xaa,
    CONTROL_KEYBOARD_TEST = 0xab,
    CONTROL_KEYBOARD_DISABLE = 0xad,
    CONTROL_KEYBOARD_ENABLE = 0xae,
    CONTROL_TO_MOUSE = 0xd4,
};

/* The command byte. */
enum {
    BYTE_KEYBOARD_INTERRUPT = 0x01,
    BYTE_MOUSE_INTERRUPT = 0x02,
    BYTE_SYSTEM = 0x04,
    BYTE_MOUSE_OFF = 0x20,
    BYTE_TRANSLATE = 0x40, /* the keyboard's codes of set 2 into those of set 1 */
};

enum { TEST_PASSED = 0x55, LEFT_OVER_MOST = 64, TRIES = 3 };

#define TAKES_LIMIT  (50 * CLOCK_MILLISECOND) /* until the controller takes a byte */
#define ANSWER_LIMIT 100                      /* milliseconds; of the controller */
#define TEST_LIMIT   500
/* 20 ms are a device's (PS/2 reference, Keyboard); it may have something to say before. */
#define ACKNOWLEDGE_TIME (40 * CLOCK_MILLISECOND)
#define RESET_LIMIT      1000 /* its self-test takes 300 to 500 ms */

static bool input_wait(const struct ps2_controller *controller)
{
    uint64_t deadline = clock_now() + TAKES_LIMIT;

    while (ports_read8(&controller->status, 0) & STATUS_INPUT_FULL) {
        if (clock_now() > deadline)
            return false;
    }
    return true;
}

static bool control(const struct ps2_controller *controller, uint8_t command)
{
    if (!input_wait(controller))
        return false;
    ports_write8(&controller->status, 0, command);
    return true;
}

static bool data_write(const struct ps2_controller *controller, uint8_t byte)
{
    if (!input_wait(controller))
        return false;
    ports_write8(&controller->data, 0, byte);
    return true;
}

bool ps2_controller_read(struct ps2_controller *controller, enum ps2_port *port, uint8_t *byte)
{
    uint8_t status = ports_read8(&controller->status, 0);

    if (!(status & STATUS_OUTPUT_FULL))
        return false;
    *port = status & STATUS_MOUSE ? PS2_MOUSE : PS2_KEYBOARD;
    *byte = ports_read8(&controller->data, 0);
    return true;
}

/* What has come is looked at once, however late it is. */
static bool await(struct ps2_controller *controller, enum ps2_port port, uint64_t deadline,
                  uint8_t *byte)
{
    enum ps2_port from;

    do {
        if (!ps2_controller_read(controller, &from, byte))
            continue;
        if (from == port)
            return true;
        controller->came(from, *byte);
    } while (clock_now() < deadline);
    return false;
}

bool ps2_controller_await(struct ps2_controller *controller, enum ps2_port port,
                          unsigned milliseconds, uint8_t *byte)
{
    return await(controller, port, clock_now() + milliseconds * CLOCK_MILLISECOND, byte);
}

/* The controller's own answers come as the keyboard's bytes do. */
static bool ask(struct ps2_controller *controller, uint8_t command, unsigned milliseconds,
                uint8_t *answer)
{
    return control(controller, command) &&
           ps2_controller_await(controller, PS2_KEYBOARD, milliseconds, answer);
}

static bool byte_write(const struct ps2_controller *controller, uint8_t byte)
{
    return control(controller, CONTROL_WRITE) && data_write(controller, byte);
}

static void left_over_drop(struct ps2_controller *controller)
{
    enum ps2_port port;
    uint8_t byte;

    for (unsigned i = 0; i < LEFT_OVER_MOST && ps2_controller_read(controller, &port, &byte); i++)
        continue;
}

/* Its port can be switched on only if there is one. */
static bool mouse_port_exists(struct ps2_controller *controller)
{
    uint8_t on, off;

    return control(controller, CONTROL_MOUSE_ENABLE) &&
           ask(controller, CONTROL_READ, ANSWER_LIMIT, &on) &&
           control(controller, CONTROL_MOUSE_DISABLE) &&
           ask(controller, CONTROL_READ, ANSWER_LIMIT, &off) && !(on & BYTE_MOUSE_OFF) &&
           (off & BYTE_MOUSE_OFF);
}

static bool port_test(struct ps2_controller *controller, uint8_t command)
{
    uint8_t answer;

    return ask(controller, command, ANSWER_LIMIT, &answer) && answer == 0;
}

int ps2_controller_open(struct device *device, struct ps2_controller *controller)
{
    uint8_t answer;
    int error = device_ports_open(device, 0, 1, &controller->data);

    if (error == 0)
        error = device_ports_open(device, 1, 1, &controller->status);
    if (error != 0)
        return error;
    if (!control(controller, CONTROL_KEYBOARD_DISABLE) ||
        !control(controller, CONTROL_MOUSE_DISABLE))
        return ENODEV;
    left_over_drop(controller);
    if (!byte_write(controller, BYTE_SYSTEM | BYTE_TRANSLATE) ||
        !ask(controller, CONTROL_TEST, TEST_LIMIT, &answer) || answer != TEST_PASSED ||
        !byte_write(controller, BYTE_SYSTEM | BYTE_TRANSLATE)) /* the test may change it */
        return ENODEV;
    controller->has[PS2_MOUSE] =
        mouse_port_exists(controller) && port_test(controller, CONTROL_MOUSE_TEST);
    controller->has[PS2_KEYBOARD] = port_test(controller, CONTROL_KEYBOARD_TEST);
    if (controller->has[PS2_KEYBOARD])
        control(controller, CONTROL_KEYBOARD_ENABLE);
    if (controller->has[PS2_MOUSE])
        control(controller, CONTROL_MOUSE_ENABLE);
    return 0;
}

void ps2_controller_start(struct ps2_controller *controller)
{
    uint8_t byte = BYTE_SYSTEM | BYTE_TRANSLATE;

    byte |= controller->has[PS2_KEYBOARD] ? BYTE_KEYBOARD_INTERRUPT : 0;
    byte |= controller->has[PS2_MOUSE] ? BYTE_MOUSE_INTERRUPT : BYTE_MOUSE_OFF;
    byte_write(controller, byte);
}

void ps2_controller_stop(struct ps2_controller *controller)
{
    byte_write(controller, BYTE_SYSTEM | BYTE_TRANSLATE);
}

static bool device_write(struct ps2_controller *controller, enum ps2_port port, uint8_t byte)
{
    if (port == PS2_MOUSE && !control(controller, CONTROL_TO_MOUSE))
        return false;
    return data_write(controller, byte);
}

/* What is no answer is what the device had to say before; it is not listened to for ever. */
static bool byte_send(struct ps2_controller *controller, enum ps2_port port, uint8_t byte)
{
    uint8_t answer;

    for (unsigned i = 0; i < TRIES && device_write(controller, port, byte); i++) {
        uint64_t deadline = clock_now() + ACKNOWLEDGE_TIME;
        do {
            if (!await(controller, port, deadline, &answer))
                return false;
            if (answer == PS2_ACKNOWLEDGE)
                return true;
            if (answer != PS2_RESEND)
                controller->came(port, answer);
        } while (answer != PS2_RESEND && clock_now() < deadline);
        if (answer != PS2_RESEND)
            return false;
    }
    return false;
}

bool ps2_device_command(struct ps2_controller *controller, enum ps2_port port, const uint8_t *bytes,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!byte_send(controller, port, bytes[i]))
            return false;
    }
    return true;
}

bool ps2_device_reset(struct ps2_controller *controller, enum ps2_port port)
{
    uint8_t answer;

    return controller->has[port] &&
           ps2_device_command(controller, port, &(uint8_t){PS2_RESET}, 1) &&
           ps2_controller_await(controller, port, RESET_LIMIT, &answer) &&
           answer == PS2_TEST_PASSED;
}

size_t ps2_device_identify(struct ps2_controller *controller, enum ps2_port port, uint8_t id[2])
{
    size_t count = 0;

    if (!ps2_device_command(controller, port, &(uint8_t){PS2_IDENTIFY}, 1))
        return 0;
    while (count < 2 && ps2_controller_await(controller, port, ANSWER_LIMIT, &id[count]))
        count++;
    return count;
}
