/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A client of the input class. When the driver dies, or events were lost, keys that were pressed
 * are released to the client, and it goes on with the next driver.
 */
#ifndef KIT_CLIENT_INPUT_H
#define KIT_CLIENT_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/input-event-codes.h>

#include <interface/input.h>

struct stream_client;

/* Zeroed by its owner. */
struct input_client {
    struct stream_client *stream;
    uint8_t pressed[KEY_CNT / 8];
    bool is_releasing, has_dropped; /* what is to be told before anything else */
    struct input_event waiting;     /* came behind that */
    bool is_waiting;
};

/* 0 or an errno value, as stream_client_open. */
int input_client_open(struct input_client *client, const char *name);
void input_client_close(struct input_client *client);

/* The next event, within so many milliseconds. ETIMEDOUT; ENODEV: there is no driver any more. */
int input_client_next(struct input_client *client, struct input_event *event,
                      unsigned milliseconds);

/* Light these LEDs (bits LED_NUML, ...), for this driver and those after it. */
int input_client_leds(struct input_client *client, uint32_t lit);

#endif
