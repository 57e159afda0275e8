/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "chip.h"

#include <errno.h>

enum { SPEED_TOLERANCE = 40 }; /* an error of a fortieth is too much for ten bits */

/* Its modem outputs come in at the modem inputs when it is looped back (8.7). */
static bool loops_back(struct uart_chip *chip)
{
    uint8_t saved = uart_read(chip, UART_MCR);

    uart_write(chip, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
    uint8_t inputs = uart_read(chip, UART_MSR) & 0xf0;
    uart_write(chip, UART_MCR, saved & (uint8_t)~UART_MCR_LOOP);
    return inputs == (UART_MSR_DCD | UART_MSR_CTS);
}

static bool scratch_keeps(const struct uart_chip *chip, uint8_t value)
{
    uart_write(chip, UART_SCR, value);
    return uart_read(chip, UART_SCR) == value;
}

/* 8.4, 8.5: older chips have no FIFO control register, and the oldest no scratch register. */
static enum serial_chip kind_find(const struct uart_chip *chip)
{
    if (!scratch_keeps(chip, 0x55) || !scratch_keeps(chip, 0xaa))
        return SERIAL_8250;
    uart_write(chip, UART_FCR, UART_FCR_ENABLE | UART_FCR_TRIGGER_8);
    switch (uart_read(chip, UART_IIR) & UART_IIR_FIFO) {
    case UART_IIR_FIFO:
        return SERIAL_16550A;
    case UART_IIR_FIFO_BROKEN:
        uart_write(chip, UART_FCR, 0); /* there is one, and it does not work */
        return SERIAL_16550;
    default:
        return SERIAL_16450;
    }
}

int uart_chip_open(struct device *device, struct uart_chip *chip)
{
    int error = device_ports_open(device, 0, UART_REGISTERS, &chip->ports);

    if (error != 0)
        return error;
    uart_write(chip, UART_LCR, 0);
    uart_write(chip, UART_IER, 0);
    if (uart_read(chip, UART_IER) != 0 || !loops_back(chip))
        return ENODEV;
    chip->kind = kind_find(chip);
    chip->fifo = chip->kind == SERIAL_16550A ? 16 : 1;
    uart_read(chip, UART_MSR); /* what the loop changed */
    return 0;
}

const char *uart_chip_name(enum serial_chip kind)
{
    static const char *const names[] = {"8250", "16450", "16550", "16550A"};

    return names[kind];
}

/* 8.1: the order of the parity's three bits. */
static uint8_t parity_bits(uint8_t parity)
{
    static const uint8_t bits[] = {
        [SERIAL_PARITY_NONE] = 0,
        [SERIAL_PARITY_ODD] = UART_LCR_PARITY,
        [SERIAL_PARITY_EVEN] = UART_LCR_PARITY | UART_LCR_EVEN,
        [SERIAL_PARITY_MARK] = UART_LCR_PARITY | UART_LCR_STICK,
        [SERIAL_PARITY_SPACE] = UART_LCR_PARITY | UART_LCR_STICK | UART_LCR_EVEN,
    };

    return bits[parity];
}

int uart_chip_set(struct uart_chip *chip, const struct serial_settings *settings)
{
    uint32_t speed = settings->speed;

    if (settings->data_bits < 5 || settings->data_bits > 8 || settings->stop_bits < 1 ||
        settings->stop_bits > 2 || settings->parity > SERIAL_PARITY_SPACE ||
        settings->flow > SERIAL_FLOW_XON_XOFF || speed == 0 || speed > UART_CLOCK)
        return EINVAL;
    uint32_t divisor = (UART_CLOCK + speed / 2) / speed;
    if (divisor > UINT16_MAX)
        return EINVAL;
    uint32_t exact = UART_CLOCK / divisor;
    uint32_t off = exact > speed ? exact - speed : speed - exact;
    if (off > speed / SPEED_TOLERANCE)
        return EINVAL;

    chip->speed = exact;
    chip->line_control =
        (uint8_t)((settings->data_bits - 5) | (settings->stop_bits == 2 ? UART_LCR_STOP_2 : 0) |
                  parity_bits(settings->parity));
    uart_write(chip, UART_LCR, chip->line_control | UART_LCR_DLAB);
    uart_write(chip, UART_DLL, (uint8_t)divisor);
    uart_write(chip, UART_DLM, (uint8_t)(divisor >> 8));
    uart_write(chip, UART_LCR, chip->line_control);
    return 0;
}

void uart_chip_modem(struct uart_chip *chip, uint8_t bits, bool on)
{
    chip->modem_control = (uint8_t)(on ? chip->modem_control | bits : chip->modem_control & ~bits);
    uart_write(chip, UART_MCR, chip->modem_control);
}

void uart_chip_break(const struct uart_chip *chip, bool on)
{
    uart_write(chip, UART_LCR, on ? chip->line_control | UART_LCR_BREAK : chip->line_control);
}
