/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ps2: the keyboard and the mouse of the PS/2 and what came after it (IBM PS/2 Hardware Interface
 * Technical Reference).
 *
 *   controller.c   the 8042 between us and the two: self-tests, bytes to and from either
 *   keyboard.c     codes into keys, LEDs
 *   mouse.c        packets into movements and buttons
 *   main.c         bring-up, interrupts
 */
#include <errno.h>

#include <kit/clock.h>
#include <kit/driver.h>
#include <kit/irq.h>
#include <kit/log.h>

#include "keyboard.h"
#include "mouse.h"

/* Without interrupts a hundred times a second; with them, should one be lost. */
#define POLL_PERIOD  (10 * CLOCK_MILLISECOND)
#define WATCH_PERIOD CLOCK_SECOND

/* A device that has something to say all the time is listened to by and by. */
enum { TURN_BYTES = 64 };
#define TURN_TIME (100 * CLOCK_MILLISECOND)

static struct ps2_controller controller;
static struct ps2_keyboard keyboard;
static struct ps2_mouse mouse;
static struct clock_timer watch_timer;
static uint64_t watch_period;

static void byte_came(enum ps2_port port, uint8_t byte)
{
    if (port == PS2_KEYBOARD)
        ps2_keyboard_byte(&keyboard, byte);
    else
        ps2_mouse_byte(&mouse, byte);
}

/* An edge comes with each byte that follows one which was read: read until there is none. */
static bool bytes_take(void *context)
{
    enum ps2_port port;
    uint8_t byte;
    unsigned count = 0;
    uint64_t end = clock_now() + TURN_TIME;

    (void)context;
    while (count < TURN_BYTES && clock_now() < end &&
           ps2_controller_read(&controller, &port, &byte)) {
        byte_came(port, byte);
        count++;
    }
    return count > 0;
}

static void watch(void *context)
{
    bytes_take(context);
    clock_timer_start(&watch_timer, watch_period, watch, NULL);
}

static int attach(struct device *device)
{
    unsigned vectors = device_identity(device)->vectors;

    controller = (struct ps2_controller){.came = byte_came};
    keyboard = (struct ps2_keyboard){.input = NULL};
    mouse = (struct ps2_mouse){.input = NULL};
    int error = ps2_controller_open(device, &controller);
    if (error != 0) {
        log_error("the controller does not pass its self-test");
        return error;
    }
    int no_keyboard = ps2_keyboard_open(&keyboard, device, &controller);
    int no_mouse = ps2_mouse_open(&mouse, device, &controller);
    for (unsigned i = 0; i < vectors && i < PS2_PORTS; i++) {
        if (irq_attach(device, i, bytes_take, NULL) != 0)
            vectors = i;
    }
    log_info("%s, %s%s", no_keyboard == 0 ? "keyboard" : "no keyboard",
             no_mouse == 0        ? mouse.size == 4 ? "mouse with a wheel" : "mouse"
             : no_mouse == ENODEV ? "no mouse"
                                  : "a mouse that cannot be offered",
             vectors == PS2_PORTS ? "" : "; polled");
    ps2_controller_start(&controller);
    watch_period = vectors == PS2_PORTS ? WATCH_PERIOD : POLL_PERIOD;
    watch(NULL);
    return 0;
}

static void detach(void)
{
    clock_timer_cancel(&watch_timer);
    ps2_controller_stop(&controller);
}

const struct driver driver = {
    .name = "ps2",
    .attach = attach,
    .detach = detach,
};
