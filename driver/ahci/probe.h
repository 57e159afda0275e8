/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is connected to a port is found out step by step, by a timer, while other ports work:
 *
 *   PORT -> IDENTIFY -> (a disk) offered
 *                    -> (an optical drive) MEDIUM -> offered, or PAUSE -> MEDIUM
 *   and from each, if it cannot be used or goes: REST -> NONE, until something is connected
 */
#ifndef DRIVER_AHCI_PROBE_H
#define DRIVER_AHCI_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/clock.h>

struct ahci_disk;

enum ahci_probe_stage {
    AHCI_PROBE_NONE = 0, /* nothing that is used, or it is offered */
    AHCI_PROBE_PORT,     /* the port and its device come up */
    AHCI_PROBE_IDENTIFY, /* it is asked what it is */
    AHCI_PROBE_MEDIUM,   /* and what medium is in it */
    AHCI_PROBE_PAUSE,    /* there is none: it is asked again later */
    AHCI_PROBE_REST,     /* the port comes to rest */
};

struct ahci_probe {
    enum ahci_probe_stage stage;
    bool is_packet;
    bool is_empty;  /* that there is no medium was said */
    bool is_linked; /* something was there when the port was given up */
    struct clock_timer timer;
    unsigned begun;     /* how often, since something was connected */
    unsigned connected; /* how often something was while the driver ran */
};

/* Something was connected; the port is stopped, at rest or working without commands. */
void ahci_probe_begin(struct ahci_disk *disk);

/* The port works: ask its device what it is; or, of a drive that is known, what medium is in it. */
void ahci_probe_identify(struct ahci_disk *disk);
void ahci_probe_medium(struct ahci_disk *disk);

/* The port has an errno value instead of a device that could be used (ENODEV: no device). */
void ahci_probe_leave(struct ahci_disk *disk, int error);

/* Go on. True: there is more to be found out at once. */
bool ahci_probe_step(struct ahci_disk *disk);

void ahci_probe_cancel(struct ahci_disk *disk);

/* A port without an offered device has raised an interrupt: whether there was anything (7.3.1). */
bool ahci_probe_interrupt(struct ahci_disk *disk);

#endif
