/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "uart_model.h"

#include <string.h>

#include <driver/uart/registers.h>
#include <kit/clock.h>

enum { MODEM_INPUTS = 0xf0, BITS = 10 };
enum { IIR_LINE = 6, IIR_RECEIVED = 4, IIR_EMPTY = 2, IIR_MODEM = 0 };

static bool has_fifo(const struct uart_model *model)
{
    return model->has_fifo && (model->fcr & UART_FCR_ENABLE);
}

static unsigned depth(const struct uart_model *model)
{
    return has_fifo(model) ? UART_MODEL_FIFO : 1;
}

/* What its interrupt is about (8.5), and UART_IIR_NONE. */
static uint8_t cause(const struct uart_model *model)
{
    if ((model->ier & UART_IER_LINE) &&
        (model->overrun || (model->received_count > 0 && model->received_status[0])))
        return IIR_LINE;
    if ((model->ier & UART_IER_RECEIVED) && model->received_count > 0)
        return IIR_RECEIVED;
    if ((model->ier & UART_IER_EMPTY) && model->empty_pending)
        return IIR_EMPTY;
    if ((model->ier & UART_IER_MODEM) && model->modem_changed)
        return IIR_MODEM;
    return UART_IIR_NONE;
}

/* Only an edge is an interrupt. */
static void line_update(struct uart_model *model)
{
    bool high = cause(model) != UART_IIR_NONE && (model->mcr & UART_MCR_OUT2);

    if (high && !model->line_is_high && !model->holds_interrupts)
        model_interrupt(0);
    model->line_is_high = high;
}

static uint8_t modem_status(const struct uart_model *model)
{
    if (model->mcr & UART_MCR_LOOP)
        return (uint8_t)((model->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0) |
                         (model->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
                         (model->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0));
    return (uint8_t)(UART_MSR_DSR | UART_MSR_DCD | (model->cts ? UART_MSR_CTS : 0));
}

static uint8_t line_status(struct uart_model *model)
{
    uint8_t status = 0;

    if (model->received_count > 0)
        status |= (uint8_t)(UART_LSR_READY | model->received_status[0]);
    if (model->to_send_count == 0)
        status |= UART_LSR_ROOM;
    if (model->to_send_count == 0 && model->next_sent == 0)
        status |= UART_LSR_IDLE;
    if (model->overrun)
        status |= UART_LSR_OVERRUN;
    model->overrun = false;
    if (model->received_count > 0)
        model->received_status[0] = 0; /* told once */
    return status;
}

static uint8_t byte_take(struct uart_model *model)
{
    uint8_t byte = model->received[0];

    if (model->received_count == 0)
        return 0;
    model->received_count--;
    memmove(model->received, model->received + 1, model->received_count);
    memmove(model->received_status, model->received_status + 1, model->received_count);
    return byte;
}

static uint64_t uart_read(struct model_device *device, unsigned window, size_t offset,
                          unsigned width)
{
    struct uart_model *model = (struct uart_model *)device;
    uint8_t value = 0;

    (void)window, (void)width;
    if (model->is_absent)
        return 0xff;
    if ((model->lcr & UART_LCR_DLAB) && offset <= UART_DLM)
        return offset == UART_DLL ? model->divisor & 0xff : model->divisor >> 8;
    switch (offset) {
    case UART_RBR:
        value = byte_take(model);
        break;
    case UART_IER:
        value = model->ier;
        break;
    case UART_IIR:
        value = cause(model);
        if (value == IIR_EMPTY)
            model->empty_pending = false;
        if (has_fifo(model))
            value |= model->fifo_is_broken ? UART_IIR_FIFO_BROKEN : UART_IIR_FIFO;
        break;
    case UART_LCR:
        value = model->lcr;
        break;
    case UART_MCR:
        value = model->mcr;
        break;
    case UART_LSR:
        value = line_status(model);
        break;
    case UART_MSR:
        value = modem_status(model);
        model->modem_changed = false;
        break;
    case UART_SCR:
        value = model->has_scratch ? model->scr : 0;
        break;
    }
    line_update(model);
    return value;
}

static void byte_put(struct uart_model *model, uint8_t byte)
{
    if (model->to_send_count == depth(model)) {
        model_violation("a byte to send where there is no room");
        return;
    }
    model->to_send[model->to_send_count++] = byte;
    model->empty_pending = false;
}

static void uart_write(struct model_device *device, unsigned window, size_t offset, unsigned width,
                       uint64_t value64)
{
    struct uart_model *model = (struct uart_model *)device;
    uint8_t value = (uint8_t)value64;

    (void)window, (void)width;
    if ((model->lcr & UART_LCR_DLAB) && offset <= UART_DLM) {
        model->divisor = (uint16_t)(offset == UART_DLL ? (model->divisor & 0xff00) | value
                                                       : (model->divisor & 0xff) | value << 8);
        return;
    }
    switch (offset) {
    case UART_THR:
        byte_put(model, value);
        break;
    case UART_IER:
        if ((value & ~model->ier & UART_IER_EMPTY) && model->to_send_count == 0)
            model->empty_pending = true;
        model->ier = value & 0x0f;
        break;
    case UART_FCR:
        if ((value ^ model->fcr) & UART_FCR_ENABLE)
            model->received_count = model->to_send_count = 0;
        if (value & UART_FCR_CLEAR_RECEIVE)
            model->received_count = 0;
        model->fcr = value;
        break;
    case UART_LCR:
        if (value & ~model->lcr & UART_LCR_BREAK)
            model->breaks++;
        model->lcr = value;
        break;
    case UART_MCR:
        model->mcr = value & 0x1f;
        break;
    case UART_SCR:
        model->scr = value;
        break;
    }
    line_update(model);
}

static uint64_t byte_time(const struct uart_model *model)
{
    unsigned divisor = model->divisor ? model->divisor : 1;

    return CLOCK_SECOND * BITS * divisor / UART_CLOCK;
}

static void bytes_send(struct uart_model *model)
{
    while (model->next_sent != 0 && model->next_sent <= model_time()) {
        if (model->got_count < UART_MODEL_LINE)
            model->got[model->got_count++] = model->to_send[0];
        model->to_send_count--;
        memmove(model->to_send, model->to_send + 1, model->to_send_count);
        if (model->to_send_count == 0)
            model->empty_pending = true;
        model->next_sent = model->to_send_count > 0 ? model->next_sent + byte_time(model) : 0;
    }
    if (model->next_sent == 0 && model->to_send_count > 0)
        model->next_sent = model_time() + byte_time(model);
}

static void bytes_receive(struct uart_model *model)
{
    while (model->coming_taken < model->coming_count &&
           (!model->heeds_rts || (model->mcr & UART_MCR_RTS)) &&
           model->received_count < depth(model)) {
        model->received[model->received_count] = model->coming[model->coming_taken];
        model->received_status[model->received_count++] =
            model->coming_status[model->coming_taken++];
    }
}

static void uart_step(struct model_device *device)
{
    struct uart_model *model = (struct uart_model *)device;

    bytes_send(model);
    bytes_receive(model);
    line_update(model);
}

void uart_model_init(struct uart_model *model)
{
    *model = (struct uart_model){
        .device =
            {
                .identity = {.vectors = 1},
                .window_size = {UART_REGISTERS},
                .read = uart_read,
                .write = uart_write,
                .step = uart_step,
            },
        .has_scratch = true,
        .has_fifo = true,
        .cts = true,
    };
}

void uart_model_send(struct uart_model *model, const void *bytes, unsigned count, uint8_t status)
{
    if (count > UART_MODEL_LINE - model->coming_count) {
        model_violation("more than the line has room for");
        return;
    }
    memcpy(model->coming + model->coming_count, bytes, count);
    model->coming_count += count;
    model->coming_status[model->coming_count - 1] = status;
}

void uart_model_cts(struct uart_model *model, bool on)
{
    model->cts = on;
    model->modem_changed = true;
    line_update(model);
}
