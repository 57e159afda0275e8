/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * AHCI: a SATA controller, the disk at each of its ports a block device (Serial ATA AHCI 1.3.1).
 *
 *   registers.h, command.h, ata.h   the specifications' layouts
 *   hba.c                           taking over and resetting the controller
 *   port.c                          a port's link and engines, the driver's own commands
 *   disk.c, packet.c                what is connected, and what is offered of it
 *   io.c                            block requests as commands
 *   recovery.c                      what happens after an error
 */
#include <errno.h>
#include <string.h>

#include <kit/driver.h>
#include <kit/irq.h>
#include <kit/log.h>

#include "disk.h"

enum { VECTOR = 0 };

#define STOP_LIMIT (5 * CLOCK_SECOND)

static struct ahci_hba hba;
static struct ahci_disk disks[AHCI_PORTS];

static bool is_port(unsigned number)
{
    return hba.ports >> number & 1;
}

/* 10.7.2.1: the ports' bits first, then theirs here. */
static bool interrupt(void *context)
{
    uint32_t pending = regs_read32(&hba.regs, AHCI_REGISTER(is));
    bool any = false;

    (void)context;
    for (unsigned number = 0; number < AHCI_PORTS; number++) {
        if (is_port(number) && pending >> number & 1)
            any |= ahci_disk_interrupt(&disks[number]);
    }
    if (pending)
        regs_write32(&hba.regs, AHCI_REGISTER(is), pending);
    return any;
}

static void port_report(unsigned number, int error)
{
    if (error == ETIMEDOUT)
        log_warning("port %u: the device does not become ready: it is not used", number);
    else if (error == EFBIG)
        log_warning("port %u: the controller does not reach memory above 4 GiB: it is not used",
                    number);
    else if (error != ENODEV)
        log_warning("port %u is not used: %s", number, strerror(error));
}

/* All ports together, or one after the other where the controller spins disks up one by one
 * (10.10). `ready`: those with a device that is. */
static void ports_bring_up(uint32_t *ready)
{
    uint32_t left = hba.ports, begun = 0;

    *ready = 0;
    for (;;) {
        for (unsigned number = 0; number < AHCI_PORTS; number++) {
            uint32_t bit = UINT32_C(1) << number;
            if (!(left & bit))
                continue;
            if (!(begun & bit))
                ahci_port_begin(&hba, number, &disks[number].port);
            begun |= bit;
            int error = ahci_port_step(&disks[number].port);
            if (error == EAGAIN && hba.cap & AHCI_CAP_STAGGERED)
                break;
            if (error == EAGAIN)
                continue;
            left &= ~bit;
            if (error == 0)
                *ready |= bit;
            else
                port_report(number, error);
        }
        if (!left)
            return;
        clock_sleep(CLOCK_MILLISECOND);
    }
}

static int attach(struct device *device)
{
    unsigned offered = 0;
    uint32_t ready;
    int error = ahci_hba_start(device, &hba);

    memset(disks, 0, sizeof(disks));
    if (error != 0)
        return error;
    error = irq_attach(device, VECTOR, interrupt, NULL);
    if (error != 0) {
        log_error("interrupt vector %u cannot be attached: %s", VECTOR, strerror(error));
        return error;
    }
    ports_bring_up(&ready);
    for (unsigned number = 0; number < AHCI_PORTS; number++) {
        struct ahci_port *port = &disks[number].port;
        if (!is_port(number))
            continue;
        if (ready >> number & 1 && ahci_disk_offer(&disks[number]) == 0) {
            offered++;
            continue;
        }
        ahci_port_rest(port);
        if (ahci_port_settle(port) == 0)
            ahci_port_leave(port);
    }
    if (offered == 0)
        log_info("%u ports, nothing to use", (unsigned)__builtin_popcount(hba.ports));
    ahci_hba_interrupts_enable(&hba);
    return 0;
}

static void detach(void)
{
    for (unsigned number = 0; number < AHCI_PORTS; number++)
        ahci_disk_stop(&disks[number], STOP_LIMIT);
    /* A controller that did not reset still owns the memory of what is in flight. */
    if (ahci_hba_reset(&hba) != 0)
        return;
    for (unsigned number = 0; number < AHCI_PORTS; number++)
        ahci_io_abandon(&disks[number].io, BLOCK_STATUS_GONE);
}

const struct driver driver = {
    .name = "ahci",
    .attach = attach,
    .detach = detach,
};
