/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The chip: which it is, and how its line is set.
 */
#ifndef DRIVER_UART_CHIP_H
#define DRIVER_UART_CHIP_H

#include <stdbool.h>

#include <interface/serial.h>
#include <kit/device.h>
#include <kit/ports.h>

#include "registers.h"

struct uart_chip {
    struct ports ports;
    enum serial_chip kind;
    unsigned fifo;        /* bytes that it takes at once */
    uint8_t line_control; /* without break and divisor latch */
    uint8_t modem_control;
    uint32_t speed;
};

static inline uint8_t uart_read(const struct uart_chip *chip, enum uart_register which)
{
    return ports_read8(&chip->ports, which);
}

static inline void uart_write(const struct uart_chip *chip, enum uart_register which, uint8_t value)
{
    ports_write8(&chip->ports, which, value);
}

/* Find out what it is, with interrupts off and its FIFO on; what has come by now stays there.
 * ENODEV: it is no UART. */
int uart_chip_open(struct device *device, struct uart_chip *chip);
const char *uart_chip_name(enum serial_chip kind);

/* EINVAL: it cannot be, or no divisor comes close. */
int uart_chip_set(struct uart_chip *chip, const struct serial_settings *settings);

void uart_chip_modem(struct uart_chip *chip, uint8_t bits, bool on);
void uart_chip_break(const struct uart_chip *chip, bool on);

#endif
