/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IEEE 1284-2000: negotiation, and the device id in nibble mode. The numbers are those of the
 * standard's events.
 */
#include <errno.h>

#include "port.h"

enum { REQUEST_ID_BY_NIBBLES = 0x04, ID_LEAST = 2 };

/* Who is here negotiates: 1284Active is high (SELECTIN off), nInit stays high. */
enum { ACTIVE = CONTROL_NINIT };

static bool negotiate(const struct parport *port, uint8_t request)
{
    ports_write8(&port->ports, PARPORT_DATA, request); /* 0 */
    parport_control(port, ACTIVE | CONTROL_AUTOFD);    /* 1 */
    if (!parport_await(port, STATUS_NACK | STATUS_PAPER_OUT | STATUS_SELECT | STATUS_NERROR,
                       STATUS_PAPER_OUT | STATUS_SELECT | STATUS_NERROR)) /* 2 */
        return false;
    parport_control(port, ACTIVE | CONTROL_AUTOFD | CONTROL_STROBE); /* 3 */
    parport_status(port);
    parport_control(port, ACTIVE);                      /* 4 */
    if (!parport_await(port, STATUS_NACK, STATUS_NACK)) /* 5, 6 */
        return false;
    return parport_status(port) & STATUS_SELECT; /* it knows that request */
}

static void terminate(const struct parport *port)
{
    parport_control(port, CONTROL_NINIT | CONTROL_SELECTIN);                      /* 22 */
    if (parport_await(port, STATUS_NACK, 0)) {                                    /* 24 */
        parport_control(port, CONTROL_NINIT | CONTROL_SELECTIN | CONTROL_AUTOFD); /* 25 */
        parport_await(port, STATUS_NACK, STATUS_NACK);                            /* 27 */
    }
    parport_rest(port); /* 28 */
}

static bool nibble_read(const struct parport *port, uint8_t *nibble)
{
    parport_control(port, ACTIVE | CONTROL_AUTOFD); /* 7 */
    if (!parport_await(port, STATUS_NACK, 0))       /* 8, 9 */
        return false;
    uint8_t status = parport_status(port);
    parport_control(port, ACTIVE);                      /* 10 */
    if (!parport_await(port, STATUS_NACK, STATUS_NACK)) /* 11 */
        return false;
    *nibble = (uint8_t)((status >> 3 & 7) | (status & STATUS_NBUSY ? 0 : 8));
    return true;
}

static bool byte_read(const struct parport *port, uint8_t *byte)
{
    uint8_t low, high;

    if (!nibble_read(port, &low) || !nibble_read(port, &high))
        return false;
    *byte = (uint8_t)(low | high << 4);
    return true;
}

/* The id is preceded by its length, the higher byte first, which counts those two (7.6). */
static int id_receive(const struct parport *port, uint8_t *id, size_t size, size_t *length)
{
    uint8_t high, low;

    if (!byte_read(port, &high) || !byte_read(port, &low))
        return EIO;
    size_t all = (size_t)high << 8 | low;
    if (all < ID_LEAST)
        return EIO;
    *length = all - ID_LEAST;
    for (size_t i = 0; i < *length && i < size; i++) {
        if (parport_status(port) & STATUS_NERROR) /* nDataAvail: there is no more */
            return EIO;
        if (!byte_read(port, &id[i]))
            return EIO;
    }
    return 0;
}

int parport_id_read(const struct parport *port, uint8_t *id, size_t size, size_t *length)
{
    int error = ENOTSUP;

    if (negotiate(port, REQUEST_ID_BY_NIBBLES))
        error = parport_status(port) & STATUS_NERROR ? EIO : id_receive(port, id, size, length);
    terminate(port);
    return error;
}
