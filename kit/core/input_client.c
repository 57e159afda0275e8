/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <kit/client/input.h>

#include <errno.h>
#include <string.h>

#include <kit/client/stream.h>
#include <kit/clock.h>

enum { CONTROL_LIMIT = 1000 };

int input_client_open(struct input_client *client, const char *name)
{
    return stream_client_open(name, &client->stream);
}

void input_client_close(struct input_client *client)
{
    stream_client_close(client->stream);
}

int input_client_leds(struct input_client *client, uint32_t lit)
{
    uint8_t data[STREAM_DATA];
    size_t size = sizeof(struct input_leds);

    memcpy(data, &(struct input_leds){lit}, size);
    return stream_client_control(client->stream, INPUT_CODE_LEDS, 0, true, data, &size,
                                 CONTROL_LIMIT);
}

/* One of the keys that are pressed is released; when none is left, the report ends. */
static bool release_next(struct input_client *client, struct input_event *event)
{
    if (!client->is_releasing)
        return false;
    *event = (struct input_event){.time = clock_now(), .type = EV_KEY};
    for (uint16_t key = 0; key < KEY_CNT; key++) {
        if (!(client->pressed[key / 8] & 1u << key % 8))
            continue;
        client->pressed[key / 8] &= (uint8_t) ~(1u << key % 8);
        event->code = key;
        return true;
    }
    client->is_releasing = false;
    event->type = EV_SYN;
    event->code = client->has_dropped ? SYN_DROPPED : SYN_REPORT;
    client->has_dropped = false;
    return true;
}

/* Whether it is told: a key that is released twice, or repeats without having been pressed, is not.
 */
static bool event_note(struct input_client *client, const struct input_event *event)
{
    uint8_t bit = (uint8_t)(1u << event->code % 8);

    if (event->type != EV_KEY)
        return true;
    if (event->code >= KEY_CNT)
        return false;
    bool was = client->pressed[event->code / 8] & bit;
    if (event->value == 1)
        client->pressed[event->code / 8] |= bit;
    else if (event->value == 0)
        client->pressed[event->code / 8] &= (uint8_t)~bit;
    return was || event->value == 1;
}

/* The event's bytes lie together in an entry, and are read together. */
static int event_read(struct input_client *client, struct input_event *event, unsigned milliseconds,
                      unsigned *flags)
{
    uint8_t bytes[sizeof(*event)];
    size_t length;
    int error =
        stream_client_read(client->stream, bytes, sizeof(bytes), milliseconds, &length, flags);

    if (error == 0 && length != sizeof(*event))
        error = EPROTO;
    if (error == 0)
        memcpy(event, bytes, sizeof(*event));
    return error;
}

int input_client_next(struct input_client *client, struct input_event *event, unsigned milliseconds)
{
    uint64_t deadline = clock_now() + milliseconds * CLOCK_MILLISECOND;
    unsigned flags;

    for (;;) {
        if (release_next(client, event))
            return 0;
        if (client->is_waiting) {
            client->is_waiting = false;
            *event = client->waiting;
        } else {
            uint64_t now = clock_now();
            unsigned left = now < deadline ? (unsigned)((deadline - now) / CLOCK_MILLISECOND) : 0;
            int error = event_read(client, event, left, &flags);
            if (error != 0 && error != ECONNRESET && error != EPROTO)
                return error;
            if (error != 0 || (flags & STREAM_OVERRUN)) {
                client->is_releasing = true;
                client->has_dropped = error != ECONNRESET;
                client->is_waiting = error == 0;
                client->waiting = *event;
                continue;
            }
        }
        if (event_note(client, event))
            return 0;
    }
}
