/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * uart with a device that says anything (ports.h, stream_driver.h), once it has passed for a UART.
 */
#include <driver/uart/registers.h>
#include <test/fuzz/ports.h>

const unsigned fuzz_ports[FUZZ_RANGES] = {UART_REGISTERS}, fuzz_vectors = 1;

static bool looped;

uint8_t fuzz_port_read(unsigned range, size_t offset, uint8_t written, uint8_t input)
{
    (void)range;
    switch (offset) {
    case UART_MCR:
        looped = true;
        return written;
    case UART_MSR: /* the loop's, the first time */
        if (looped) {
            looped = false;
            return UART_MSR_DCD | UART_MSR_CTS;
        }
        return input;
    case UART_IER:
    case UART_SCR:
        return written;
    case UART_LSR:
        return input == UART_LSR_GONE ? 0 : input;
    default:
        return input;
    }
}
