/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A model of a PC16550D and its forerunners, with the line that it is on.
 */
#ifndef HOST_MODEL_UART_MODEL_H
#define HOST_MODEL_UART_MODEL_H

#include "model.h"

enum { UART_MODEL_LINE = 8192, UART_MODEL_FIFO = 16 };

struct uart_model {
    struct model_device device; /* first: the handlers cast */

    /* Which it is. */
    bool has_scratch, has_fifo, fifo_is_broken, is_absent;
    bool holds_interrupts; /* as if its line were another */

    /* The other end: what it sends, as soon as there is room, each byte with these bits of the line
     * status; what it got; whether it lets us send; whether it heeds RTS. */
    uint8_t coming[UART_MODEL_LINE], coming_status[UART_MODEL_LINE];
    unsigned coming_count, coming_taken;
    bool heeds_rts;
    uint8_t got[UART_MODEL_LINE];
    unsigned got_count;
    unsigned breaks; /* that it saw */
    bool cts;

    /* Its registers. */
    uint8_t ier, fcr, lcr, mcr, scr;
    uint16_t divisor;
    uint8_t received[UART_MODEL_FIFO], received_status[UART_MODEL_FIFO];
    unsigned received_count;
    uint8_t to_send[UART_MODEL_FIFO];
    unsigned to_send_count;
    bool overrun, empty_pending, modem_changed, line_is_high;
    uint64_t next_sent; /* when the byte that is on its way is out; 0: none is */
};

/* A 16550A whose other end lets it send. */
void uart_model_init(struct uart_model *model);

/* The other end sends bytes, the last of them with that status. */
void uart_model_send(struct uart_model *model, const void *bytes, unsigned count, uint8_t status);
void uart_model_cts(struct uart_model *model, bool on);

#endif
