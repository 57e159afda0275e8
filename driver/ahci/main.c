/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * AHCI: a SATA controller, the disk at each of its ports a block device (Serial ATA AHCI 1.3.1).
 *
 *   registers.h, command.h, ata.h   the specifications' layouts
 *   hba.c                           taking over and resetting the controller
 *   port.c                          a port's link and engines, the driver's own commands
 *   probe.c, packet.c               what is connected, found out step by step
 *   disk.c                          what is offered of it
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

/* All ports together, or one after the other where the controller spins disks up one by one
 * (10.10); then the devices that are there are asked what they are. */
static void ports_bring_up(void)
{
    uint32_t left = hba.ports, begun = 0;

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
                ahci_probe_identify(&disks[number]);
            else
                ahci_probe_leave(&disks[number], error);
        }
        if (!left)
            return;
        clock_sleep(CLOCK_MILLISECOND);
    }
}

/* Until it is known of every port what is there. How many devices are offered. */
static unsigned ports_look(void)
{
    unsigned pending, offered;

    for (;;) {
        pending = offered = 0;
        for (unsigned number = 0; number < AHCI_PORTS; number++) {
            if (!is_port(number))
                continue;
            pending += ahci_probe_step(&disks[number]);
            offered += disks[number].block != NULL;
        }
        if (pending == 0)
            return offered;
        clock_sleep(CLOCK_MILLISECOND);
    }
}

static int attach(struct device *device)
{
    int error = ahci_hba_start(device, &hba);

    memset(disks, 0, sizeof(disks));
    if (error != 0)
        return error;
    error = irq_attach(device, VECTOR, interrupt, NULL);
    if (error != 0) {
        log_error("interrupt vector %u cannot be attached: %s", VECTOR, strerror(error));
        return error;
    }
    ports_bring_up();
    if (ports_look() == 0)
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
