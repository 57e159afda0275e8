/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Serial ports: devices of the stream class (stream.h) that are offered as class "serial".
 */
#ifndef INTERFACE_SERIAL_H
#define INTERFACE_SERIAL_H

#include <interface/stream.h>

enum serial_code {
    SERIAL_CODE_SET = STREAM_CODE_FIRST, /* struct serial_settings; the reply says what it became */
    SERIAL_CODE_STATUS,                  /* the reply is a struct serial_status */
    SERIAL_CODE_BREAK,                   /* struct serial_break; answered when it is over */
};

enum serial_parity {
    SERIAL_PARITY_NONE,
    SERIAL_PARITY_ODD,
    SERIAL_PARITY_EVEN,
    SERIAL_PARITY_MARK,
    SERIAL_PARITY_SPACE,
};

enum serial_flow {
    SERIAL_FLOW_NONE,
    SERIAL_FLOW_RTS_CTS, /* by the lines of those names, both ways */
    SERIAL_FLOW_XON_XOFF /* by the characters 17 and 19, both ways: they are no data then */
};

struct serial_settings {
    uint32_t speed;    /* bits a second */
    uint8_t data_bits; /* 5 to 8 */
    uint8_t stop_bits; /* 1, or 2 (with 5 data bits one and a half) */
    uint8_t parity;    /* enum serial_parity */
    uint8_t flow;      /* enum serial_flow */
};
static_assert(sizeof(struct serial_settings) == 8, "wire layout");

struct serial_break {
    uint32_t milliseconds; /* 1 to 10000 */
};

enum serial_chip { SERIAL_8250, SERIAL_16450, SERIAL_16550, SERIAL_16550A };

/* Lines that the other end sets. */
enum serial_signals {
    SERIAL_CTS = 1u << 0,
    SERIAL_DSR = 1u << 1,
    SERIAL_RI = 1u << 2,
    SERIAL_DCD = 1u << 3,
};

struct serial_status {
    uint8_t chip;                                     /* enum serial_chip */
    uint8_t fifo;                                     /* bytes that it takes at once */
    uint8_t signals;                                  /* enum serial_signals */
    uint8_t send_held;                                /* 1: by the other end's flow control */
    uint32_t speed;                                   /* exactly: what the divisor gives */
    uint32_t interrupts;                              /* 0 while it is polled */
    uint32_t received, sent;                          /* bytes, since the driver was started */
    uint32_t overruns, framing_errors, parity_errors; /* likewise */
    uint32_t breaks;
};
static_assert(sizeof(struct serial_status) == 36 && sizeof(struct serial_status) <= STREAM_DATA,
              "wire layout");

#endif
