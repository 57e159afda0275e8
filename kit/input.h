/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input class, as a driver sees it: it reports what its device says, and the kit tells the
 * clients, of which there may be several. Keys that are held repeat by the kit's clock, whatever
 * the device does.
 */
#ifndef KIT_INPUT_H
#define KIT_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/input-event-codes.h>

#include <interface/input.h>
#include <kit/clock.h>

struct device;
struct stream_device;

enum { INPUT_REPORT_MOST = 16 };

/* The driver's memory for one; what is in it is the kit's. */
struct input_device {
    struct stream_device *stream;
    const struct input_device_ops *ops;
    void *context;
    uint8_t pressed[KEY_CNT / 8];
    unsigned count;
    struct input_event report[INPUT_REPORT_MOST]; /* the last place is for its end */
    struct input_repeat repeat;
    uint16_t repeating; /* the key that does; 0: none */
    struct clock_timer timer;
};

struct input_device_ops {
    /* Light the LEDs whose bits are set (LED_NUML, ...) and no others. False: it has none, or did
     * not do it. May be null. */
    bool (*leds)(void *context, uint32_t lit);
};

/* Offer it as "<device name><suffix>". 0 or an errno value. */
int input_device_publish(struct device *device, const char *suffix, const char *model,
                         const struct input_device_ops *ops, void *context,
                         struct input_device *input);

/* One thing that happened (EV_KEY, EV_REL, ...). A key that is said to be pressed and was already
 * is no news; no more is a movement by 0. */
void input_device_report(struct input_device *device, uint16_t type, uint16_t code, int32_t value);

/* That was all of it, for now. */
void input_device_sync(struct input_device *device);

bool input_device_is_pressed(const struct input_device *device, uint16_t key);

/* The device is not there, or has forgotten: every key is released. */
void input_device_release(struct input_device *device);

#endif
