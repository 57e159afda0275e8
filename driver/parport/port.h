/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The port: its registers (IBM PC Technical Reference, Printer Adapter; IEEE 1284-2000, annexes on
 * EPP; Microsoft, "Extended Capabilities Port Protocol and ISA Interface Standard"), and bytes to
 * what is connected.
 */
#ifndef DRIVER_PARPORT_PORT_H
#define DRIVER_PARPORT_PORT_H

#include <stdbool.h>
#include <stddef.h>

#include <interface/parallel.h>
#include <kit/device.h>
#include <kit/ports.h>

enum parport_register {
    PARPORT_DATA = 0,
    PARPORT_STATUS = 1,
    PARPORT_CONTROL = 2,
    PARPORT_EPP_ADDRESS = 3,
    PARPORT_EPP_DATA = 4,
    PARPORT_SPP_REGISTERS = 3,
    PARPORT_EPP_REGISTERS = 8,
    PARPORT_ECR = 2, /* of the second range */
    PARPORT_ECP_REGISTERS = 3,
};

/* Those with an N are the line's level turned over. */
enum {
    STATUS_TIMEOUT = 0x01, /* EPP's */
    STATUS_NERROR = 0x08,
    STATUS_SELECT = 0x10,
    STATUS_PAPER_OUT = 0x20,
    STATUS_NACK = 0x40,
    STATUS_NBUSY = 0x80,
};

enum {
    CONTROL_STROBE = 0x01,
    CONTROL_AUTOFD = 0x02,
    CONTROL_NINIT = 0x04,
    CONTROL_SELECTIN = 0x08,
    CONTROL_INTERRUPT = 0x10,
    CONTROL_INPUT = 0x20,
};

struct parport {
    struct ports ports;
    enum parallel_chip chip;
    enum parallel_mode mode;
    bool has_epp;
};

static inline uint8_t parport_status(const struct parport *port)
{
    return ports_read8(&port->ports, PARPORT_STATUS);
}

static inline void parport_control(const struct parport *port, uint8_t value)
{
    ports_write8(&port->ports, PARPORT_CONTROL, value);
}

/* Take it over: out of ECP mode, the printer selected. ENODEV: there is none. */
int parport_open(struct device *device, struct parport *port);

/* The lines at rest; the same, and the end of the printer's being busy raises the interrupt. */
void parport_rest(const struct parport *port);
void parport_wait(const struct parport *port);

/* The status, when the printer has had a moment to settle. */
uint8_t parport_settled(const struct parport *port);

/* One byte, if the printer takes one now. A status; STREAM_PENDING: it is busy. */
unsigned parport_put(const struct parport *port, uint8_t byte);

/* Its self-test and what it takes of it; the caller does not wait for that. */
void parport_reset(const struct parport *port);

/* One EPP cycle; false: nobody answered it. */
bool parport_epp_write(const struct parport *port, enum parport_register which, uint8_t byte);
bool parport_epp_read(const struct parport *port, uint8_t *byte);

/* Wait until these status bits have that value; false: they do not in IEEE 1284's 35 ms. */
bool parport_await(const struct parport *port, uint8_t mask, uint8_t value);

/* ieee1284.c: ask for the device id; at most `size` bytes of it, `*length` in all. ENOTSUP: who is
 * connected does not negotiate; EIO: it stopped in the middle. */
int parport_id_read(const struct parport *port, uint8_t *id, size_t size, size_t *length);

#endif
