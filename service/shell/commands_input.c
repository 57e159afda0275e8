/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input devices: which there are, and what they say.
 */
#include <errno.h>
#include <string.h>

#include <kit/client/input.h>
#include <kit/client/input_text.h>
#include <kit/client/stream.h>
#include <kit/clock.h>

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

static void layouts_print(void)
{
    console_print("layouts:");
    for (const struct input_layout *layout = input_layouts; layout->name; layout++)
        console_print(" %s", layout->name);
    console_print("\n");
}

static int input_run(unsigned count, char **words)
{
    (void)words;
    if (count != 1)
        return SHELL_USAGE;
    int status = shell_each_device("input", device_print);
    layouts_print();
    return status;
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

struct watch {
    const char *device;
    uint64_t milliseconds, wanted;
    struct input_client client;
    bool is_text;
    struct input_text text;
};

/* As terminals show what is no text: Escape is ^[. */
static void text_print(const char *utf8)
{
    for (; *utf8; utf8++) {
        bool is_control = (unsigned char)*utf8 < ' ' || *utf8 == 0x7f;
        if (is_control && *utf8 != '\n' && *utf8 != '\t')
            console_print("^%c", *utf8 ^ 0x40);
        else
            console_write(utf8, 1);
    }
}

/* A keyboard without such lights types no worse. */
static void locks_show(struct watch *watch)
{
    if (watch->is_text)
        input_client_leds(&watch->client, watch->text.locks);
}

static void event_show(struct watch *watch, const struct input_event *event, uint64_t start)
{
    uint32_t locks = watch->text.locks;
    char utf8[INPUT_TEXT_SIZE];

    if (watch->is_text) {
        input_text_event(&watch->text, event, utf8);
        text_print(utf8);
    } else {
        event_print(event, start < event->time ? start : event->time);
    }
    console_flush();
    if (watch->text.locks != locks)
        locks_show(watch);
}

static int watch_until(struct watch *watch)
{
    uint64_t start = clock_now(), deadline = start + watch->milliseconds * CLOCK_MILLISECOND;
    struct input_event event;
    unsigned got = 0;
    int error = 0;

    for (uint64_t now = start; error == 0 && got < watch->wanted && now < deadline;
         now = clock_now()) {
        error = input_client_next(&watch->client, &event,
                                  (unsigned)((deadline - now) / CLOCK_MILLISECOND));
        if (error != 0 || (event.type == EV_SYN && event.code == SYN_REPORT))
            continue; /* the end of a report is no event to a reader */
        event_show(watch, &event, start);
        got++;
    }
    console_print("%s%u events, %u drivers died\n", watch->is_text ? "\n" : "", got,
                  stream_client_recoveries(watch->client.stream));
    return error;
}

/* DEVICE MILLISECONDS [EVENTS] [-t [LAYOUT]]; false: it is something else. */
static bool watch_words(struct watch *watch, unsigned count, char **words)
{
    unsigned next = 3;

    if (count < 3 || !shell_number(words[2], &watch->milliseconds) ||
        watch->milliseconds > MILLISECONDS_MAX)
        return false;
    watch->device = words[1];
    if (next < count && shell_number(words[next], &watch->wanted))
        next++;
    watch->is_text = next < count && strcmp(words[next], "-t") == 0;
    if (watch->is_text) {
        const char *layout = ++next < count ? words[next++] : "us";
        watch->text.layout = input_layout_find(layout);
    }
    return next == count;
}

static int watch_run(unsigned count, char **words)
{
    struct watch watch = {.wanted = EVENTS_MAX};

    if (!watch_words(&watch, count, words))
        return SHELL_USAGE;
    if (watch.is_text && !watch.text.layout) {
        console_print("input-watch: %s: no such layout\n", words[count - 1]);
        layouts_print();
        return 1;
    }
    int error = input_client_open(&watch.client, watch.device);
    if (error != 0)
        return shell_complain("input-watch", watch.device, error);
    console_print("watching %s\n", watch.device);
    console_flush();
    locks_show(&watch);
    error = watch_until(&watch);
    input_client_close(&watch.client);
    return error == 0 || error == ETIMEDOUT ? 0
                                            : shell_complain("input-watch", watch.device, error);
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
    {"input", "", "keyboards and mice, and keyboards' layouts", input_run},
    {"input-watch", "DEVICE MILLISECONDS [EVENTS] [-t [LAYOUT]]",
     "what it says, or with -t what is typed, for so long", watch_run},
    {"input-leds", "DEVICE [num] [caps] [scroll]", "light these, and no others", leds_run},
    {0},
};
