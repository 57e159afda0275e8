/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "port.h"

#include <errno.h>

#include <kit/clock.h>
#include <kit/stream.h>

/* ECP standard, the extended control register: its mode is above the FIFO's state. */
enum { ECR_BYTE = 0x34, ECR_BYTE_READ = 0x35, ECR_SPP = 0x15, ECR_EPP = 0x95 };

enum { DATA_TRIES = 2, BUSY_TRIES = 20 };

#define AWAIT_LIMIT (35 * CLOCK_MILLISECOND) /* IEEE 1284, T_L */
#define RESET_TIME  (50 * CLOCK_MILLISECOND / 1000)
#define SHORT_TIME  (CLOCK_MILLISECOND / 1000)

/* The bus itself takes about a microsecond for each access, and the clock may be slower. */
static void pause_for(const struct parport *port, uint64_t nanoseconds)
{
    uint64_t deadline = clock_now() + nanoseconds;

    do {
        parport_status(port);
    } while (clock_now() < deadline);
}

/* What is written to the data lines is read back. */
static bool data_keeps(const struct parport *port)
{
    static const uint8_t values[DATA_TRIES] = {0x55, 0xaa};

    for (unsigned i = 0; i < DATA_TRIES; i++) {
        ports_write8(&port->ports, PARPORT_DATA, values[i]);
        if (ports_read8(&port->ports, PARPORT_DATA) != values[i])
            return false;
    }
    return true;
}

/* A port that firmware left in another mode has other registers in the same places. */
static bool ecp_leave(struct device *device, bool to_epp)
{
    struct ports extended;

    if (device_ports_open(device, 1, PARPORT_ECP_REGISTERS, &extended) != 0)
        return false;
    ports_write8(&extended, PARPORT_ECR, ECR_BYTE);
    if (ports_read8(&extended, PARPORT_ECR) != ECR_BYTE_READ)
        return false;
    ports_write8(&extended, PARPORT_ECR, to_epp ? ECR_EPP : ECR_SPP);
    return true;
}

/* The timeout bit can be cleared only where there is EPP: by reading, or by writing ones or zeroes;
 * and it comes when nobody answers a cycle. */
static void timeout_clear(const struct parport *port)
{
    uint8_t status = parport_status(port);

    if (!(status & STATUS_TIMEOUT))
        return;
    ports_write8(&port->ports, PARPORT_STATUS, status | STATUS_TIMEOUT);
    ports_write8(&port->ports, PARPORT_STATUS, status & (uint8_t)~STATUS_TIMEOUT);
}

/* Any value can be left in the address register, and nowhere if there is none. */
static bool epp_answers(const struct parport *port)
{
    timeout_clear(port);
    if (parport_status(port) & STATUS_TIMEOUT)
        return false;
    ports_write8(&port->ports, PARPORT_EPP_ADDRESS, 0x55);
    if (parport_status(port) & STATUS_TIMEOUT) { /* there is, and nothing is connected */
        timeout_clear(port);
        return !(parport_status(port) & STATUS_TIMEOUT);
    }
    return ports_read8(&port->ports, PARPORT_EPP_ADDRESS) == 0x55;
}

int parport_open(struct device *device, struct parport *port)
{
    bool epp = device_ports_open(device, 0, PARPORT_EPP_REGISTERS, &port->ports) == 0;
    int error = epp ? 0 : device_ports_open(device, 0, PARPORT_SPP_REGISTERS, &port->ports);

    if (error != 0)
        return error;
    bool ecp = ecp_leave(device, false);
    parport_control(port, CONTROL_NINIT | CONTROL_SELECTIN);
    if (!data_keeps(port))
        return ENODEV;
    if (ecp)
        ecp_leave(device, epp);
    port->has_epp = epp && epp_answers(port);
    if (ecp && !port->has_epp)
        ecp_leave(device, false);
    port->chip = ecp ? PARALLEL_CHIP_ECP : port->has_epp ? PARALLEL_CHIP_EPP : PARALLEL_CHIP_SPP;
    return 0;
}

void parport_rest(const struct parport *port)
{
    parport_control(port, CONTROL_NINIT | CONTROL_SELECTIN);
}

void parport_wait(const struct parport *port)
{
    parport_control(port, CONTROL_NINIT | CONTROL_SELECTIN | CONTROL_INTERRUPT);
}

/* A printer with room for the next byte takes some microseconds to say so. */
uint8_t parport_settled(const struct parport *port)
{
    uint8_t status = parport_status(port);

    for (unsigned i = 0; i < BUSY_TRIES && !(status & STATUS_NBUSY); i++)
        status = parport_status(port);
    return status;
}

unsigned parport_put(const struct parport *port, uint8_t byte)
{
    uint8_t status = parport_settled(port);

    if (!(status & STATUS_NBUSY)) {
        /* A printer that does not go on says why. */
        if (status & STATUS_PAPER_OUT)
            return STREAM_STATUS_PAPER;
        if (!(status & STATUS_SELECT))
            return STREAM_STATUS_OFFLINE;
        if (!(status & STATUS_NERROR))
            return STREAM_STATUS_FAILED;
        return STREAM_PENDING;
    }
    ports_write8(&port->ports, PARPORT_DATA, byte);
    pause_for(port, SHORT_TIME); /* half a microsecond before, during and after the strobe */
    parport_control(port, CONTROL_NINIT | CONTROL_SELECTIN | CONTROL_STROBE);
    pause_for(port, SHORT_TIME);
    parport_rest(port);
    return STREAM_STATUS_OK;
}

void parport_reset(const struct parport *port)
{
    parport_control(port, CONTROL_SELECTIN);
    pause_for(port, RESET_TIME);
    parport_rest(port);
}

bool parport_epp_write(const struct parport *port, enum parport_register which, uint8_t byte)
{
    parport_control(port, CONTROL_NINIT);
    ports_write8(&port->ports, which, byte);
    bool answered = !(parport_status(port) & STATUS_TIMEOUT);
    timeout_clear(port);
    return answered;
}

bool parport_epp_read(const struct parport *port, uint8_t *byte)
{
    parport_control(port, CONTROL_NINIT | CONTROL_INPUT);
    *byte = ports_read8(&port->ports, PARPORT_EPP_DATA);
    bool answered = !(parport_status(port) & STATUS_TIMEOUT);
    timeout_clear(port);
    parport_control(port, CONTROL_NINIT);
    return answered;
}

bool parport_await(const struct parport *port, uint8_t mask, uint8_t value)
{
    uint64_t deadline = clock_now() + AWAIT_LIMIT;

    while ((parport_status(port) & mask) != value) {
        if (clock_now() > deadline)
            return false;
    }
    return true;
}
