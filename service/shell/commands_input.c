/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input devices: which there are, and what they say.
 */
#include <errno.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/input_client.h>
#include <kit/stream_client.h>

#include "console.h"
#include "shell.h"

enum { EVENTS_MAX = 100000, MILLISECONDS_MAX = 3600000 };

static int device_print(const char *name)
{
    struct stream_client *client;
    int error = stream_client_open(name, &client);

    if (error != 0)
        return shell_complain("input", name, error);
    console_print("%s: %s\n", name, stream_client_info(client)->model);
    stream_client_close(client);
    return 0;
}

static int input_run(unsigned count, char **words)
{
    (void)words;
    return count == 1 ? shell_each_device("input", device_print) : SHELL_USAGE;
}

static void event_print(const struct input_event *event, uint64_t start)
{
    static const char *const keys[] = {"released", "pressed", "repeated"};
    static const char *const axes[] = {"x", "y", "z", "", "", "", "hwheel", "dial", "wheel"};

    console_print("%6llu.%03llu  ", (unsigned long long)((event->time - start) / CLOCK_MILLISECOND),
                  (unsigned long long)((event->time - start) / 1000 % 1000));
    if (event->type == EV_KEY)
        console_print("key %u %s\n", event->code,
                      event->value >= 0 && event->value < 3 ? keys[event->value] : "?");
    else if (event->type == EV_REL && event->code < sizeof(axes) / sizeof(axes[0]))
        console_print("%s %d\n", axes[event->code], event->value);
    else if (event->type == EV_SYN && event->code == SYN_DROPPED)
        console_print("events are missing\n");
    else
        console_print("type %u code %u value %d\n", event->type, event->code, event->value);
}

static int watch_run(unsigned count, char **words)
{
    struct input_client client = {0};
    struct input_event event;
    uint64_t wanted = EVENTS_MAX, milliseconds;
    unsigned got = 0;

    if (count < 3 || count > 4 || !shell_number(words[2], &milliseconds) ||
        milliseconds > MILLISECONDS_MAX || (count == 4 && !shell_number(words[3], &wanted)))
        return SHELL_USAGE;
    int error = input_client_open(&client, words[1]);
    if (error != 0)
        return shell_complain("input-watch", words[1], error);
    console_print("watching %s\n", words[1]);
    console_flush();
    uint64_t start = clock_now(), deadline = start + milliseconds * CLOCK_MILLISECOND;
    while (error == 0 && got < wanted && clock_now() < deadline) {
        error = input_client_next(&client, &event,
                                  (unsigned)((deadline - clock_now()) / CLOCK_MILLISECOND));
        if (error != 0 || (event.type == EV_SYN && event.code == SYN_REPORT))
            continue; /* the end of a report is no event to a reader */
        event_print(&event, start < event.time ? start : event.time);
        console_flush();
        got++;
    }
    console_print("%u events, %u drivers died\n", got, stream_client_recoveries(client.stream));
    input_client_close(&client);
    return error == 0 || error == ETIMEDOUT ? 0 : shell_complain("input-watch", words[1], error);
}

static int leds_run(unsigned count, char **words)
{
    struct input_client client = {0};
    uint32_t lit = 0;

    if (count < 2)
        return SHELL_USAGE;
    for (unsigned i = 2; i < count; i++) {
        if (strcmp(words[i], "num") == 0)
            lit |= 1u << LED_NUML;
        else if (strcmp(words[i], "caps") == 0)
            lit |= 1u << LED_CAPSL;
        else if (strcmp(words[i], "scroll") == 0)
            lit |= 1u << LED_SCROLLL;
        else
            return SHELL_USAGE;
    }
    int error = input_client_open(&client, words[1]);
    if (error == 0) {
        error = input_client_leds(&client, lit);
        input_client_close(&client);
    }
    return error == 0 ? 0 : shell_complain("input-leds", words[1], error);
}

const struct command commands_input[] = {
    {"input", "", "keyboards and mice", input_run},
    {"input-watch", "DEVICE MILLISECONDS [EVENTS]", "what it says, for so long", watch_run},
    {"input-leds", "DEVICE [num] [caps] [scroll]", "light these, and no others", leds_run},
    {0},
};
