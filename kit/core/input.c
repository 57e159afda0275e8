/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <kit/input.h>

#include <stdio.h>
#include <string.h>

#include <kit/stream.h>

enum { REPEAT_DELAY = 250, REPEAT_PERIOD = 33, REPEAT_MOST = 10000 };

static void report_add(struct input_device *device, uint16_t type, uint16_t code, int32_t value)
{
    if (device->count == INPUT_REPORT_MOST - 1) /* longer than anything has to say at once */
        input_device_sync(device);
    device->report[device->count++] =
        (struct input_event){.type = type, .code = code, .value = value};
}

/* Together, or none of it: who reads has room for all, or is told that something is missing. */
void input_device_sync(struct input_device *device)
{
    uint64_t now = clock_now();

    if (device->count == 0)
        return;
    device->report[device->count++] = (struct input_event){.type = EV_SYN, .code = SYN_REPORT};
    for (unsigned i = 0; i < device->count; i++)
        device->report[i].time = now;
    stream_device_received(device->stream, device->report,
                           device->count * sizeof(device->report[0]), 0);
    device->count = 0;
}

static void repeat_next(void *context)
{
    struct input_device *device = context;

    report_add(device, EV_KEY, device->repeating, 2);
    input_device_sync(device);
    clock_timer_start(&device->timer, device->repeat.period * CLOCK_MILLISECOND, repeat_next,
                      device);
}

static void repeat_begin(struct input_device *device, uint16_t key)
{
    device->repeating = key;
    if (device->repeat.delay > 0 && device->repeat.period > 0)
        clock_timer_start(&device->timer, device->repeat.delay * CLOCK_MILLISECOND, repeat_next,
                          device);
}

static void repeat_end(struct input_device *device)
{
    clock_timer_cancel(&device->timer);
    device->repeating = 0;
}

bool input_device_is_pressed(const struct input_device *device, uint16_t key)
{
    return key < KEY_CNT && (device->pressed[key / 8] & 1u << key % 8);
}

/* Buttons, whose codes are from BTN_MISC to KEY_OK, do not repeat. */
static void key_report(struct input_device *device, uint16_t key, bool pressed)
{
    if (key >= KEY_CNT || input_device_is_pressed(device, key) == pressed)
        return;
    device->pressed[key / 8] ^= (uint8_t)(1u << key % 8);
    report_add(device, EV_KEY, key, pressed);
    if (pressed && (key < BTN_MISC || key >= KEY_OK))
        repeat_begin(device, key);
    else if (key == device->repeating)
        repeat_end(device);
}

void input_device_report(struct input_device *device, uint16_t type, uint16_t code, int32_t value)
{
    if (type == EV_KEY)
        key_report(device, code, value != 0);
    else if (type != EV_REL || value != 0)
        report_add(device, type, code, value);
}

void input_device_release(struct input_device *device)
{
    for (uint16_t key = 0; key < KEY_CNT; key++)
        key_report(device, key, false);
    input_device_sync(device);
}

static unsigned leds_set(struct input_device *device, const struct stream_request *request)
{
    struct input_leds leds;

    if (request->length != sizeof(leds))
        return STREAM_STATUS_INVALID;
    memcpy(&leds, request->data, sizeof(leds));
    if (!device->ops->leds)
        return STREAM_STATUS_UNSUPPORTED;
    return device->ops->leds(device->context, leds.lit) ? STREAM_STATUS_OK : STREAM_STATUS_FAILED;
}

static unsigned repeat_set(struct input_device *device, const struct stream_request *request)
{
    struct input_repeat repeat;

    if (request->length != sizeof(repeat))
        return STREAM_STATUS_INVALID;
    memcpy(&repeat, request->data, sizeof(repeat));
    if (repeat.delay > REPEAT_MOST || repeat.period > REPEAT_MOST)
        return STREAM_STATUS_INVALID;
    repeat_end(device);
    device->repeat = repeat;
    return STREAM_STATUS_OK;
}

static unsigned input_control(void *context, struct stream_request *request)
{
    struct input_device *device = context;
    unsigned status = STREAM_STATUS_UNSUPPORTED;

    if (request->code == INPUT_CODE_LEDS)
        status = leds_set(device, request);
    else if (request->code == INPUT_CODE_REPEAT)
        status = repeat_set(device, request);
    return status;
}

/* What is missing is told to who reads too slowly; the device cannot wait. */
static const struct stream_device_ops input_ops = {.control = input_control};

int input_device_publish(struct device *device, const char *suffix, const char *model,
                         const struct input_device_ops *ops, void *context,
                         struct input_device *input)
{
    struct stream_info info = {.flags = STREAM_INFO_SHARED};

    *input = (struct input_device){
        .ops = ops, .context = context, .repeat = {REPEAT_DELAY, REPEAT_PERIOD}};
    snprintf(info.model, sizeof(info.model), "%s", model);
    return stream_device_publish(device, suffix, "input", &info, &input_ops, input, &input->stream);
}
