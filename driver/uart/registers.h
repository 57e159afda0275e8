/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The registers of a 16550A and its forerunners (National Semiconductor PC16550D datasheet, 8). The
 * names are the datasheet's.
 */
#ifndef DRIVER_UART_REGISTERS_H
#define DRIVER_UART_REGISTERS_H

enum uart_register {
    UART_RBR = 0, /* received byte (read) */
    UART_THR = 0, /* byte to send (write) */
    UART_IER = 1,
    UART_DLL = 0, /* with UART_LCR_DLAB: the divisor */
    UART_DLM = 1,
    UART_IIR = 2, /* (read) */
    UART_FCR = 2, /* (write) */
    UART_LCR = 3,
    UART_MCR = 4,
    UART_LSR = 5,
    UART_MSR = 6,
    UART_SCR = 7,
    UART_REGISTERS = 8,
};

/* 8.4 */
enum { UART_FCR_ENABLE = 0x01, UART_FCR_CLEAR_RECEIVE = 0x02, UART_FCR_TRIGGER_8 = 0x80 };

/* 8.5 */
enum { UART_IIR_NONE = 0x01, UART_IIR_FIFO = 0xc0, UART_IIR_FIFO_BROKEN = 0x80 };

/* 8.6 */
enum {
    UART_IER_RECEIVED = 0x01,
    UART_IER_EMPTY = 0x02,
    UART_IER_LINE = 0x04,
    UART_IER_MODEM = 0x08
};

/* 8.1 */
enum {
    UART_LCR_STOP_2 = 0x04,
    UART_LCR_PARITY = 0x08,
    UART_LCR_EVEN = 0x10,
    UART_LCR_STICK = 0x20,
    UART_LCR_BREAK = 0x40,
    UART_LCR_DLAB = 0x80,
};

/* 8.7; on a PC, OUT2 lets the interrupt through. */
enum {
    UART_MCR_DTR = 0x01,
    UART_MCR_RTS = 0x02,
    UART_MCR_OUT2 = 0x08,
    UART_MCR_LOOP = 0x10,
};

/* 8.3 */
enum {
    UART_LSR_READY = 0x01,
    UART_LSR_OVERRUN = 0x02,
    UART_LSR_PARITY = 0x04,
    UART_LSR_FRAMING = 0x08,
    UART_LSR_BREAK = 0x10,
    UART_LSR_ROOM = 0x20, /* THRE: the FIFO is empty */
    UART_LSR_IDLE = 0x40, /* TEMT: the last bit is out */
    UART_LSR_GONE = 0xff, /* nothing answers */
};

/* 8.8 */
enum { UART_MSR_CTS = 0x10, UART_MSR_DSR = 0x20, UART_MSR_RI = 0x40, UART_MSR_DCD = 0x80 };

enum { UART_CLOCK = 115200 }; /* 1.8432 MHz, by 16 */

#endif
