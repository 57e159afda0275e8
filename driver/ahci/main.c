/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * AHCI: a SATA controller, what is at each of its ports a block device (Serial ATA AHCI 1.3.1).
 *
 *   registers.h, command.h, ata.h   the specifications' layouts
 *   main.c                          the controller as a whole
 *   port.c                          a port's way to a device that works, first of all or again
 *   device.c                        what a device says of itself, and what is offered of it
 *   io.c, command.c                 block requests as commands
 */
#include <errno.h>
#include <string.h>

#include <kit/driver.h>
#include <kit/irq.h>
#include <kit/log.h>

#include "ahci.h"

#define RESET_LIMIT   (1 * CLOCK_SECOND) /* 10.4.3 */
#define HANDOFF_LIMIT (2 * CLOCK_SECOND) /* 10.6.3, of firmware that is busy */

/* Attached is who has disks that are ready at once; others are offered when they are. */
#define SETTLE_LIMIT (1 * CLOCK_SECOND)

/* The supervisor's patience with a driver that stops is 10 s, and there is the reset. */
#define STOP_LIMIT  (5 * CLOCK_SECOND)
#define CLOSE_LIMIT (4 * CLOCK_SECOND)

struct ahci_hba ahci_hba;
static uint32_t implemented; /* ports, a bit for each */

/* Wait for the bits of a register to be cleared. */
static bool is_cleared(size_t offset, uint32_t bits, uint64_t limit)
{
    for (uint64_t start = clock_now(); ahci_read(offset) & bits;) {
        if (!clock_wait(start, limit))
            return false;
    }
    return true;
}

static int check(int error, const char *what)
{
    if (error != 0)
        log_error("this controller cannot be used: %s: %s", what, strerror(error));
    return error;
}

/* Map the registers. A port whose registers are not in the window cannot be used. */
static int window_open(struct device *device)
{
    size_t there = device_window_size(device, AHCI_WINDOW), first = AHCI_PORT_BASE(0);
    size_t fit = there < first ? 0 : (there - first) / sizeof(struct ahci_port_registers);
    size_t size = AHCI_PORT_BASE(fit < AHCI_PORTS ? fit : AHCI_PORTS);
    int error = device_window_open(device, AHCI_WINDOW, size, &ahci_hba.regs);

    if (error != 0)
        return check(error, "its registers (window 5) cannot be opened");
    implemented = ahci_read(AHCI_REGISTER(pi));
    if (fit < AHCI_PORTS)
        implemented &= (UINT32_C(1) << fit) - 1;
    return 0;
}

/* Nothing of the controller touches memory afterwards, and no interrupt comes. */
static int reset(void)
{
    /* 10.4.3: HR may be set while AE is only; and the reset clears AE where it can be. */
    ahci_write(AHCI_REGISTER(ghc), AHCI_GHC_AHCI);
    ahci_write(AHCI_REGISTER(ghc), AHCI_GHC_AHCI | AHCI_GHC_RESET);
    if (!is_cleared(AHCI_REGISTER(ghc), AHCI_GHC_RESET, RESET_LIMIT))
        return check(ETIMEDOUT, "it does not reset within 1 s, and needs a power cycle");
    ahci_write(AHCI_REGISTER(ghc), AHCI_GHC_AHCI);
    return 0;
}

/* 10.6.3. Firmware that does not let go loses the device by the reset. What an earlier driver asked
 * for must not be carried out on memory that is another's now. */
static int take_over(void)
{
    if (ahci_read(AHCI_REGISTER(cap2)) & AHCI_CAP2_HANDOFF) {
        ahci_write(AHCI_REGISTER(bohc), ahci_read(AHCI_REGISTER(bohc)) | AHCI_BOHC_OS);
        if (!is_cleared(AHCI_REGISTER(bohc), AHCI_BOHC_BIOS, HANDOFF_LIMIT))
            log_warning("the firmware does not let go of the device: it is taken away");
    }
    int error = reset();
    ahci_hba.cap = ahci_read(AHCI_REGISTER(cap));
    if (error == 0 && !(ahci_hba.cap & AHCI_CAP_64))
        error = check(ENOTSUP, "it does not reach memory above 4 GiB");
    return error;
}

/* 10.7.2.1: the ports' bits first, then theirs here. */
static bool interrupt(void *context)
{
    uint32_t pending = ahci_read(AHCI_REGISTER(is));
    bool any = false;

    (void)context;
    for (uint32_t left = pending; left; left &= left - 1)
        any |= ahci_port_interrupt(&ahci_hba.port[__builtin_ctz(left)]);
    ahci_write(AHCI_REGISTER(is), pending);
    return any;
}

/* Until no port is on its way; what takes longer goes on by the ports' timers. Whether there is
 * anything to use, or may be. */
static bool ports_settle(uint64_t limit)
{
    for (uint64_t start = clock_now();;) {
        enum ahci_stage most = AHCI_CLOSED;
        for (struct ahci_port *port = ahci_hba.port; port < ahci_hba.port + AHCI_PORTS; port++) {
            ahci_port_step(port);
            most = port->stage > most ? port->stage : most;
        }
        if (most <= AHCI_OPEN || !clock_wait(start, limit))
            return most > AHCI_EMPTY;
    }
}

static int attach(struct device *device)
{
    ahci_hba = (struct ahci_hba){.device = device};
    int error = window_open(device);
    if (error == 0)
        error = take_over();
    if (error == 0)
        error = check(device_enable(device), "it may not master the bus");
    if (error == 0)
        error = check(irq_attach(device, 0, interrupt, NULL), "its interrupt cannot be attached");
    if (error != 0)
        return error;
    for (unsigned number = 0; number < AHCI_PORTS; number++) {
        if (implemented >> number & 1)
            ahci_hba.port[number] =
                (struct ahci_port){.number = number, .said = "", .stage = AHCI_RESET};
    }
    if (!ports_settle(SETTLE_LIMIT))
        log_info("%u ports, nothing to use", (unsigned)__builtin_popcount(implemented));
    ahci_write(AHCI_REGISTER(is), UINT32_MAX); /* what came up before */
    ahci_write(AHCI_REGISTER(ghc), AHCI_GHC_AHCI | AHCI_GHC_INTERRUPTS);
    return 0;
}

static void detach(void)
{
    ahci_hba.is_ending = true;
    bool is_idle = block_stop(STOP_LIMIT);

    ahci_hba.is_closing = true;
    for (unsigned number = 0; number < AHCI_PORTS; number++)
        ahci_port_close(&ahci_hba.port[number]);
    ports_settle(CLOSE_LIMIT);
    for (unsigned number = 0; number < AHCI_PORTS; number++) {
        if (ahci_hba.port[number].stage != AHCI_CLOSED)
            log_error("port %u: the disk was not flushed, or not put to rest", number);
    }
    reset();
    if (!is_idle)
        block_give_up("requests are still in flight");
}

const struct driver driver = {.name = "ahci", .attach = attach, .detach = detach};
