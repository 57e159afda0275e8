/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ps2_model.h"

#include <string.h>

enum { DATA, STATUS };
enum { OUTPUT_FULL = 1, FROM_MOUSE = 0x20 };
enum { KEYBOARD_INTERRUPT = 1, MOUSE_INTERRUPT = 2, KEYBOARD_OFF = 0x10, MOUSE_OFF = 0x20 };

static void queue_add(struct ps2_model_device *device, uint8_t byte)
{
    if (device->count < PS2_MODEL_QUEUE)
        device->queue[device->count++] = byte;
}

static void answers_add(struct ps2_model_device *device, const char *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        queue_add(device, (uint8_t)bytes[i]);
}

static void parameter_take(struct ps2_model_device *device, uint8_t byte)
{
    static const uint8_t knock[] = {200, 100, 80};

    if (device->command == 0xed)
        device->leds = byte;
    if (device->command == 0xf3) {
        memmove(device->rates, device->rates + 1, 2);
        device->rates[2] = byte;
        device->wheel_is_on |= device->has_wheel && memcmp(device->rates, knock, 3) == 0;
    }
    device->command = 0;
    queue_add(device, 0xfa);
}

static void device_take(struct ps2_model_device *device, uint8_t byte)
{
    if (!device->is_there || device->is_mute)
        return;
    if (device->command != 0) {
        parameter_take(device, byte);
        return;
    }
    queue_add(device, 0xfa);
    switch (byte) {
    case 0xff:
        device->resets++;
        device->reports = device->wheel_is_on = false;
        answers_add(device, "\xaa\0", device->is_mouse ? 2 : 1);
        break;
    case 0xf2:
        if (device->is_mouse)
            queue_add(device, device->wheel_is_on ? 3 : 0);
        else
            answers_add(device, "\xab\x41", 2);
        break;
    case 0xf4:
        device->reports = true;
        break;
    case 0xf5:
        device->reports = false;
        break;
    case 0xed:
    case 0xe8:
    case 0xf3:
        device->command = byte;
        break;
    }
}

/* What the controller gives next, if the last one was read. */
static void output_fill(struct ps2_model *model)
{
    struct ps2_model_device *from = NULL;

    if (model->is_full)
        return;
    if (model->has_answer) {
        model->has_answer = false;
        model->output = model->answer;
        model->is_from_mouse = false;
        model->is_full = true;
        return;
    }
    if (model->keyboard.babble)
        model->keyboard.queue[0] = model->keyboard.babble, model->keyboard.count = 1;
    if (model->mouse.babble)
        model->mouse.queue[0] = model->mouse.babble, model->mouse.count = 1;
    if (model->keyboard.count > 0 && !(model->byte & KEYBOARD_OFF))
        from = &model->keyboard;
    else if (model->mouse.count > 0 && !(model->byte & MOUSE_OFF))
        from = &model->mouse;
    if (!from)
        return;
    model->output = from->queue[0];
    from->count--;
    memmove(from->queue, from->queue + 1, from->count);
    model->is_from_mouse = from == &model->mouse;
    model->is_full = true;
    if (model->byte & (model->is_from_mouse ? MOUSE_INTERRUPT : KEYBOARD_INTERRUPT))
        model_interrupt(model->is_from_mouse);
}

static void answer_set(struct ps2_model *model, uint8_t answer)
{
    model->answer = answer;
    model->has_answer = true;
}

static void command_take(struct ps2_model *model, uint8_t command)
{
    switch (command) {
    case 0x20:
        answer_set(model, model->byte);
        break;
    case 0x60:
    case 0xd4:
        model->command = command;
        break;
    case 0xa7: /* where there is no such port the bit is no switch */
        if (!model->has_no_mouse_port)
            model->byte |= MOUSE_OFF;
        break;
    case 0xa8:
        if (!model->has_no_mouse_port)
            model->byte &= (uint8_t)~MOUSE_OFF;
        break;
    case 0xaa:
        answer_set(model, model->fails_test ? 0xfc : 0x55);
        break;
    case 0xa9:
    case 0xab:
        answer_set(model, 0);
        break;
    case 0xad:
        model->byte |= KEYBOARD_OFF;
        break;
    case 0xae:
        model->byte &= (uint8_t)~KEYBOARD_OFF;
        break;
    default:
        model_violation("command %x to the keyboard controller", command);
    }
}

static void data_take(struct ps2_model *model, uint8_t byte)
{
    if (model->command == 0x60)
        model->byte = byte;
    else
        device_take(model->command == 0xd4 ? &model->mouse : &model->keyboard, byte);
    model->command = 0;
}

static uint64_t ps2_read(struct model_device *device, unsigned window, size_t offset,
                         unsigned width)
{
    struct ps2_model *model = (struct ps2_model *)device;

    (void)offset, (void)width;
    output_fill(model);
    if (window == STATUS)
        return (model->is_full ? OUTPUT_FULL : 0) |
               (model->is_full && model->is_from_mouse ? FROM_MOUSE : 0);
    model->is_full = false;
    return model->output;
}

static void ps2_write(struct model_device *device, unsigned window, size_t offset, unsigned width,
                      uint64_t value)
{
    struct ps2_model *model = (struct ps2_model *)device;

    (void)offset, (void)width;
    if (window == STATUS)
        command_take(model, (uint8_t)value);
    else
        data_take(model, (uint8_t)value);
}

static void ps2_step(struct model_device *device)
{
    output_fill((struct ps2_model *)device);
}

void ps2_model_say(struct ps2_model_device *device, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count && device->reports; i++)
        queue_add(device, bytes[i]);
}

void ps2_model_init(struct ps2_model *model)
{
    *model = (struct ps2_model){
        .device =
            {
                .identity = {.vectors = 2},
                .window_size = {1, 1},
                .read = ps2_read,
                .write = ps2_write,
                .step = ps2_step,
            },
        .keyboard = {.is_there = true},
        .mouse = {.is_there = true, .is_mouse = true, .has_wheel = true},
    };
}
