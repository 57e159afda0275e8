/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "parport_model.h"

#include <driver/parport/port.h>

enum { REQUEST_ID = 4, ECR_EPP_MODE = 4, ECR_MODE_SHIFT = 5, EMPTY_FIFO = 1 };

static uint8_t printer_status(const struct parport_model *model)
{
    bool stands = model->no_paper || model->offline || model->error || model->busy ||
                  (model->takes > 0 && model->printed_count >= model->takes);

    return (uint8_t)((model->error ? 0 : STATUS_NERROR) | (model->offline ? 0 : STATUS_SELECT) |
                     (model->no_paper ? STATUS_PAPER_OUT : 0) | STATUS_NACK |
                     (stands ? 0 : STATUS_NBUSY) | (model->timed_out ? STATUS_TIMEOUT : 0));
}

/* A port in ECP mode has no EPP registers. */
static bool epp_works(const struct parport_model *model)
{
    return model->has_epp && (!model->has_ecp || model->ecr >> ECR_MODE_SHIFT == ECR_EPP_MODE);
}

static uint64_t epp_cycle(struct parport_model *model)
{
    model->timed_out = !model->epp_answers;
    return model->epp_answers;
}

static uint64_t parport_read(struct model_device *device, unsigned window, size_t offset,
                             unsigned width)
{
    struct parport_model *model = (struct parport_model *)device;

    (void)width;
    if (model->is_absent)
        return 0xff;
    if (window == 1)
        return offset == PARPORT_ECR && model->has_ecp ? model->ecr | EMPTY_FIFO : 0xff;
    switch (offset) {
    case PARPORT_DATA:
        return model->data;
    case PARPORT_STATUS:
        return model->phase == PARPORT_FORWARD ? printer_status(model) : model->status;
    case PARPORT_CONTROL:
        return model->control;
    case PARPORT_EPP_ADDRESS:
        return epp_works(model) && epp_cycle(model) ? model->epp_address : 0xff;
    case PARPORT_EPP_DATA:
        return epp_works(model) && epp_cycle(model) ? model->epp_next++ : 0xff;
    default:
        return 0xff;
    }
}

static uint8_t id_byte(const struct parport_model *model, unsigned at)
{
    unsigned all = model->id_size + 2;

    return at == 0 ? (uint8_t)(all >> 8) : at == 1 ? (uint8_t)all : (uint8_t)model->id[at - 2];
}

static void nibble_put(struct parport_model *model)
{
    uint8_t value = id_byte(model, model->nibble / 2);
    uint8_t nibble = model->nibble % 2 ? value >> 4 : value & 0xf;

    if (model->id_stops_at > 0 && model->nibble / 2 >= model->id_stops_at)
        return;
    model->status = (uint8_t)((nibble & 7) << 3 | (nibble & 8 ? 0 : STATUS_NBUSY));
}

/* IEEE 1284's events, from the lines that the host has changed. */
static void negotiation_step(struct parport_model *model, uint8_t control)
{
    bool active = !(control & CONTROL_SELECTIN), host_busy = control & CONTROL_AUTOFD;

    if (!model->id)
        return;
    if (model->phase != PARPORT_FORWARD && !active && model->phase != PARPORT_ENDING) {
        model->phase = PARPORT_ENDING;
        model->status = 0;
    } else if (model->phase == PARPORT_FORWARD && active && host_busy &&
               model->data == REQUEST_ID) {
        model->phase = PARPORT_ASKED;
        model->status = STATUS_PAPER_OUT | STATUS_SELECT | STATUS_NERROR;
    } else if (model->phase == PARPORT_ASKED && !host_busy && !(control & CONTROL_STROBE)) {
        model->phase = PARPORT_ID;
        model->nibble = 0;
        model->status = STATUS_NACK | STATUS_SELECT | STATUS_NBUSY;
    } else if (model->phase == PARPORT_ID && host_busy) {
        nibble_put(model);
    } else if (model->phase == PARPORT_ID && !(model->status & STATUS_NACK)) {
        model->nibble++;
        model->status = STATUS_NACK | STATUS_NBUSY;
        if (model->nibble / 2 >= model->id_size + 2)
            model->status |= STATUS_NERROR;
    } else if (model->phase == PARPORT_ENDING) {
        model->status = host_busy ? STATUS_NACK : 0;
        if (!host_busy && (model->control & CONTROL_AUTOFD))
            model->phase = PARPORT_FORWARD;
    }
}

static void control_write(struct parport_model *model, uint8_t control)
{
    bool strobes = (control & ~model->control) & CONTROL_STROBE;

    if (!(control & CONTROL_NINIT) && (model->control & CONTROL_NINIT))
        model->resets++;
    if (model->phase == PARPORT_FORWARD && (control & CONTROL_SELECTIN) && strobes) {
        if (!(printer_status(model) & STATUS_NBUSY))
            model_violation("a byte for a printer that does not take one");
        else if (model->printed_count < PARPORT_MODEL_PAPER)
            model->printed[model->printed_count++] = model->data;
    }
    negotiation_step(model, control);
    model->control = control;
}

static void parport_write(struct model_device *device, unsigned window, size_t offset,
                          unsigned width, uint64_t value)
{
    struct parport_model *model = (struct parport_model *)device;

    (void)width;
    if (window == 1) {
        model->ecr = (uint8_t)value;
        return;
    }
    switch (offset) {
    case PARPORT_DATA:
        model->data = (uint8_t)value;
        break;
    case PARPORT_STATUS:
        if (!(value & STATUS_TIMEOUT))
            model->timed_out = false;
        break;
    case PARPORT_CONTROL:
        control_write(model, (uint8_t)value);
        break;
    case PARPORT_EPP_ADDRESS:
        if (epp_works(model) && epp_cycle(model))
            model->epp_address = (uint8_t)value;
        break;
    case PARPORT_EPP_DATA:
        if (epp_works(model) && epp_cycle(model))
            model->epp_count++;
        break;
    }
}

static void parport_step(struct model_device *device)
{
    (void)device;
}

void parport_model_init(struct parport_model *model)
{
    *model = (struct parport_model){
        .device =
            {
                .identity = {.vectors = 1},
                .window_size = {PARPORT_EPP_REGISTERS, PARPORT_ECP_REGISTERS},
                .read = parport_read,
                .write = parport_write,
                .step = parport_step,
            },
    };
}
