/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * uart: serial ports with a 16550A or one of its forerunners (datasheet: National Semiconductor
 * PC16550D).
 *
 *   registers.h   the datasheet's layouts
 *   chip.c        which chip it is; speed and format, modem lines, break
 *   main.c        bytes in and out, flow control, the device that is offered
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/driver.h>
#include <kit/irq.h>
#include <kit/log.h>
#include <kit/stream.h>

#include "chip.h"

/* Without interrupts: 115200 bits a second are a FIFO in 1.4 ms. With them, in case one is lost. */
#define POLL_PERIOD  CLOCK_MILLISECOND
#define WATCH_PERIOD (50 * CLOCK_MILLISECOND)
#define DRAIN_PERIOD (2 * CLOCK_MILLISECOND)
#define DRAIN_LIMIT  (8 * CLOCK_SECOND) /* below a client's 10; at 50 bit/s a FIFO takes 4 */

enum { XON = 17, XOFF = 19 };
enum { TURN_BYTES = 256, TURN_INTERRUPTS = 64, MISSED_MAX = 3, BREAK_MOST = 10000 };

struct uart {
    struct uart_chip chip;
    struct stream_device *stream;
    struct serial_status counts; /* those fields of it that count */
    uint8_t flow;                /* enum serial_flow */
    bool is_used;
    bool interrupts;   /* the line works */
    unsigned missed;   /* watches in a row that found what no interrupt had told */
    bool send_waits;   /* there is something to send */
    bool send_stopped; /* XOFF came */
    bool receive_stopped;
    uint8_t character; /* XON or XOFF, to be sent before anything else; 0: none */
    struct clock_timer watch, wait;
    uint64_t drain_began;
    struct stream_request *waiting; /* a break or a drain */
};

static struct uart uart;

static bool is_held(void)
{
    if (uart.flow == SERIAL_FLOW_RTS_CTS)
        return !(uart_read(&uart.chip, UART_MSR) & UART_MSR_CTS);
    return uart.flow == SERIAL_FLOW_XON_XOFF && uart.send_stopped;
}

/* "Room" is told only to who has something to send, or it would be told again and again. */
static void interrupts_set(void)
{
    uint8_t wanted = UART_IER_RECEIVED | UART_IER_LINE | UART_IER_MODEM;

    if (uart.send_waits && !is_held())
        wanted |= UART_IER_EMPTY;
    uart_write(&uart.chip, UART_IER, uart.is_used && uart.interrupts ? wanted : 0);
}

static void character_send(void)
{
    if (uart.character == 0 || !(uart_read(&uart.chip, UART_LSR) & UART_LSR_ROOM))
        return;
    uart_write(&uart.chip, UART_THR, uart.character);
    uart.character = 0;
}

static unsigned uart_send(void *context, const uint8_t *data, size_t length, size_t *taken)
{
    (void)context;
    *taken = 0;
    character_send();
    while (*taken < length && !is_held() && (uart_read(&uart.chip, UART_LSR) & UART_LSR_ROOM)) {
        for (unsigned i = 0; i < uart.chip.fifo && *taken < length; i++)
            uart_write(&uart.chip, UART_THR, data[(*taken)++]);
    }
    uart.counts.sent += (uint32_t)*taken;
    uart.send_waits = *taken < length;
    interrupts_set();
    return uart.send_waits ? STREAM_PENDING : STREAM_STATUS_OK;
}

/* Tell the other end whether it may send. */
static void receive_stop(bool stop)
{
    if (uart.receive_stopped == stop)
        return;
    uart.receive_stopped = stop;
    if (uart.flow == SERIAL_FLOW_RTS_CTS)
        uart_chip_modem(&uart.chip, UART_MCR_RTS, !stop);
    if (uart.flow == SERIAL_FLOW_XON_XOFF)
        uart.character = stop ? XOFF : XON;
    character_send();
}

static void uart_read_on(void *context)
{
    (void)context;
    receive_stop(false);
}

static unsigned errors_take(uint8_t status)
{
    unsigned flags = 0;

    if (status & UART_LSR_OVERRUN) {
        uart.counts.overruns++;
        flags |= STREAM_OVERRUN;
    }
    if (status & UART_LSR_BREAK) {
        uart.counts.breaks++;
        return flags | STREAM_BREAK; /* which has wrong parity and no stop bit as well */
    }
    if (status & UART_LSR_FRAMING) {
        uart.counts.framing_errors++;
        flags |= STREAM_FRAMING;
    }
    if (status & UART_LSR_PARITY) {
        uart.counts.parity_errors++;
        flags |= STREAM_PARITY;
    }
    return flags;
}

/* Whether it was flow control's, and no data. */
static bool character_took(uint8_t byte)
{
    if (uart.flow != SERIAL_FLOW_XON_XOFF || (byte != XON && byte != XOFF))
        return false;
    uart.send_stopped = byte == XOFF;
    return true;
}

static void __attribute__((noreturn)) give_up(void)
{
    log_error("the device is not there any more: the driver ends");
    exit(EXIT_FAILURE);
}

/* Whether there was anything. The status register is about the byte that is read next (8.3). */
static bool bytes_take(void)
{
    uint8_t bytes[16];
    unsigned count = 0, all = 0, flags = 0;
    bool has_room = true;

    while (all < TURN_BYTES) {
        uint8_t status = uart_read(&uart.chip, UART_LSR);
        if (status == UART_LSR_GONE)
            give_up();
        if (!(status & UART_LSR_READY))
            break;
        uint8_t byte = uart_read(&uart.chip, UART_RBR);
        all++;
        flags = errors_take(status);
        if (flags == 0 && character_took(byte))
            continue;
        bytes[count++] = byte;
        if (flags == 0 && count < sizeof(bytes))
            continue;
        has_room = stream_device_received(uart.stream, bytes, count, flags);
        count = 0;
    }
    if (count > 0)
        has_room = stream_device_received(uart.stream, bytes, count, 0);
    uart.counts.received += all;
    if (!has_room)
        receive_stop(true);
    return all > 0;
}

static void look(void)
{
    bytes_take();
    character_send();
    if (uart.send_waits)
        stream_device_room(uart.stream);
}

/* An edge comes only when the chip had nothing more to say in between: so until it says that. */
static bool causes_take(void)
{
    bool any = false;

    for (unsigned i = 0; i < TURN_INTERRUPTS; i++) {
        if (uart_read(&uart.chip, UART_IIR) & UART_IIR_NONE)
            break;
        any = true;
        uart_read(&uart.chip, UART_MSR);
        bytes_take();
        uart_write(&uart.chip, UART_IER, 0); /* "room" is answered, or asked for again */
        uart.send_waits &= is_held() || !(uart_read(&uart.chip, UART_LSR) & UART_LSR_ROOM);
        interrupts_set();
    }
    if (any) {
        character_send();
        stream_device_room(uart.stream);
    }
    return any;
}

static bool interrupt(void *context)
{
    (void)context;
    uart.missed = 0; /* even if the watch was faster: the line works */
    if (!causes_take())
        return false;
    uart.counts.interrupts++;
    return true;
}

static void watch(void *context)
{
    (void)context;
    if (uart.interrupts && causes_take() && ++uart.missed == MISSED_MAX) {
        log_warning("no interrupts come, as if its line were another: it is polled");
        uart.interrupts = false;
        interrupts_set();
    }
    look();
    clock_timer_start(&uart.watch, uart.interrupts ? WATCH_PERIOD : POLL_PERIOD, watch, NULL);
}

static void uart_in_use(void *context, bool used)
{
    (void)context;
    uart.is_used = used;
    uart.send_waits = uart.send_stopped = false;
    uart_chip_modem(&uart.chip, UART_MCR_DTR | UART_MCR_RTS, used);
    if (used)
        receive_stop(false); /* the last may have left it stopped, or before XON was sent */
    interrupts_set();
    if (used)
        clock_timer_start(&uart.watch, 0, watch, NULL);
    else
        clock_timer_cancel(&uart.watch);
}

static unsigned settings_take(struct stream_request *request)
{
    struct serial_settings settings;

    if (request->length != sizeof(settings))
        return STREAM_STATUS_INVALID;
    memcpy(&settings, request->data, sizeof(settings));
    if (uart_chip_set(&uart.chip, &settings) != 0)
        return STREAM_STATUS_INVALID;
    receive_stop(false); /* as it was stopped; if there is no room it is again, the new way */
    /* As with RTS below: a driver before us may have died with the other end stopped. */
    if (settings.flow == SERIAL_FLOW_XON_XOFF && uart.flow != settings.flow)
        uart.character = XON;
    uart.flow = settings.flow;
    uart.send_stopped = false;
    uart_chip_modem(&uart.chip, UART_MCR_RTS, true);
    settings.speed = uart.chip.speed;
    memcpy(stream_request_reply(request, sizeof(settings)), &settings, sizeof(settings));
    return STREAM_STATUS_OK;
}

static unsigned status_give(struct stream_request *request)
{
    uint8_t inputs = uart_read(&uart.chip, UART_MSR);
    struct serial_status status = uart.counts;

    status.chip = (uint8_t)uart.chip.kind;
    status.fifo = (uint8_t)uart.chip.fifo;
    status.speed = uart.chip.speed;
    status.signals = (uint8_t)((inputs & UART_MSR_CTS ? SERIAL_CTS : 0) |
                               (inputs & UART_MSR_DSR ? SERIAL_DSR : 0) |
                               (inputs & UART_MSR_RI ? SERIAL_RI : 0) |
                               (inputs & UART_MSR_DCD ? SERIAL_DCD : 0));
    status.send_held = is_held();
    memcpy(stream_request_reply(request, sizeof(status)), &status, sizeof(status));
    return STREAM_STATUS_OK;
}

static void wait_end(enum stream_status status)
{
    struct stream_request *request = uart.waiting;

    uart.waiting = NULL;
    stream_request_done(request, status);
}

static void break_end(void *context)
{
    (void)context;
    uart_chip_break(&uart.chip, false);
    wait_end(STREAM_STATUS_OK);
}

/* Whether all is out; if not, it is looked at again, or given up. */
static bool is_drained(void (*again)(void *context))
{
    if (uart_read(&uart.chip, UART_LSR) & UART_LSR_IDLE)
        return true;
    if (clock_now() - uart.drain_began > DRAIN_LIMIT)
        wait_end(STREAM_STATUS_FAILED);
    else
        clock_timer_start(&uart.wait, DRAIN_PERIOD, again, NULL);
    return false;
}

static void drain_look(void *context)
{
    (void)context;
    if (is_drained(drain_look))
        wait_end(STREAM_STATUS_OK);
}

/* What was sent before has to be out, or the break would cut it off. */
static void break_begin(void *context)
{
    struct serial_break length;

    (void)context;
    if (!is_drained(break_begin))
        return;
    memcpy(&length, uart.waiting->data, sizeof(length));
    uart_chip_break(&uart.chip, true);
    clock_timer_start(&uart.wait, length.milliseconds * CLOCK_MILLISECOND, break_end, NULL);
}

static unsigned break_take(struct stream_request *request)
{
    struct serial_break length;

    if (request->length != sizeof(length))
        return STREAM_STATUS_INVALID;
    memcpy(&length, request->data, sizeof(length));
    if (length.milliseconds == 0 || length.milliseconds > BREAK_MOST)
        return STREAM_STATUS_INVALID;
    if (uart.waiting) /* a client that is gone by now left one behind */
        return STREAM_STATUS_FAILED;
    uart.waiting = request;
    uart.drain_began = clock_now();
    break_begin(NULL);
    return STREAM_PENDING;
}

static unsigned drain_take(struct stream_request *request)
{
    if (uart.waiting)
        return STREAM_STATUS_FAILED;
    uart.waiting = request;
    uart.drain_began = clock_now();
    clock_timer_start(&uart.wait, 0, drain_look, NULL);
    return STREAM_PENDING;
}

static unsigned uart_control(void *context, struct stream_request *request)
{
    (void)context;
    switch (request->code) {
    case SERIAL_CODE_SET:
        return settings_take(request);
    case SERIAL_CODE_STATUS:
        return status_give(request);
    case SERIAL_CODE_BREAK:
        return break_take(request);
    case STREAM_CODE_DRAIN:
        return drain_take(request);
    default:
        return STREAM_STATUS_UNSUPPORTED;
    }
}

static const struct stream_device_ops uart_ops = {
    .write = uart_send,
    .control = uart_control,
    .read_on = uart_read_on,
    .in_use = uart_in_use,
};

static int attach(struct device *device)
{
    static const struct serial_settings usual = {UART_CLOCK, 8, 1, SERIAL_PARITY_NONE,
                                                 SERIAL_FLOW_NONE};
    struct stream_info info = {0};

    uart = (struct uart){.is_used = false};
    int error = uart_chip_open(device, &uart.chip);
    if (error != 0) {
        log_error("what is there is no UART");
        return error;
    }
    uart_chip_set(&uart.chip, &usual);
    if (device_identity(device)->vectors > 0)
        uart.interrupts = irq_attach(device, 0, interrupt, NULL) == 0;
    uart.chip.modem_control = uart.interrupts ? UART_MCR_OUT2 : 0;
    snprintf(info.model, sizeof(info.model), "%s, %s", uart_chip_name(uart.chip.kind),
             uart.interrupts ? "with interrupts" : "polled");
    error = stream_device_publish(device, "", "serial", &info, &uart_ops, NULL, &uart.stream);
    if (error == 0)
        log_info("%s", info.model);
    return error;
}

static void detach(void)
{
    clock_timer_cancel(&uart.watch);
    clock_timer_cancel(&uart.wait);
    uart_write(&uart.chip, UART_IER, 0);
    uart_chip_break(&uart.chip, false);
}

const struct driver driver = {
    .name = "uart",
    .attach = attach,
    .detach = detach,
};
