/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The keyboard controller, an 8042 or what behaves like one (IBM PS/2 Hardware Interface Technical
 * Reference, Keyboard and Auxiliary Device Controller), and the two devices' common ground.
 */
#ifndef DRIVER_PS2_CONTROLLER_H
#define DRIVER_PS2_CONTROLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kit/device.h>
#include <kit/ports.h>

/* The second one is the "auxiliary device". */
enum ps2_port { PS2_KEYBOARD, PS2_MOUSE, PS2_PORTS };

struct ps2_controller {
    struct ports data, status;
    bool has[PS2_PORTS]; /* the controller has that port, and it is in order */
    /* Whom a byte goes to that nobody waits for. */
    void (*came)(enum ps2_port port, uint8_t byte);
};

/* Take the controller over: self-test, both ports tested, interrupts off, devices silent. ENODEV:
 * it does not answer as it should. */
int ps2_controller_open(struct device *device, struct ps2_controller *controller);

/* Let the ports raise their interrupts. */
void ps2_controller_start(struct ps2_controller *controller);
void ps2_controller_stop(struct ps2_controller *controller);

/* A byte that waits, and whose; false: there is none. */
bool ps2_controller_read(struct ps2_controller *controller, enum ps2_port *port, uint8_t *byte);

/* A byte of the port within so many milliseconds. What the other port says goes to `came`. */
bool ps2_controller_await(struct ps2_controller *controller, enum ps2_port port,
                          unsigned milliseconds, uint8_t *byte);

/* Send a command's bytes to a device, each of which it has to acknowledge; false: it does not. What
 * comes before the acknowledgement goes to `came`. */
bool ps2_device_command(struct ps2_controller *controller, enum ps2_port port, const uint8_t *bytes,
                        size_t count);

/* Reset it, and hear that its self-test went well. */
bool ps2_device_reset(struct ps2_controller *controller, enum ps2_port port);

/* Its identity: how many bytes, at most two. */
size_t ps2_device_identify(struct ps2_controller *controller, enum ps2_port port, uint8_t id[2]);

/* Commands to a device. */
enum {
    PS2_LEDS = 0xed,
    PS2_RESOLUTION = 0xe8,
    PS2_IDENTIFY = 0xf2,
    PS2_RATE = 0xf3,
    PS2_ENABLE = 0xf4,
    PS2_DISABLE = 0xf5,
    PS2_DEFAULTS = 0xf6,
    PS2_RESET = 0xff,
};

/* What a device says. */
enum { PS2_TEST_PASSED = 0xaa, PS2_ACKNOWLEDGE = 0xfa, PS2_RESEND = 0xfe };

#endif
