/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is connected to a port, and the block device that is offered.
 */
#ifndef DRIVER_AHCI_DISK_H
#define DRIVER_AHCI_DISK_H

#include "io.h"

struct ahci_disk {
    struct ahci_port port;
    struct ahci_io io;
    struct block_device_limits limits;
    struct block_device *block; /* null: none is offered */
};

/* The port works: find out what is there and offer it. What cannot be used is left out with a line
 * in the log. 0, or an errno value if the port has to be given up. */
int ahci_disk_offer(struct ahci_disk *disk);

/* The port has raised an interrupt: whether there was anything. */
bool ahci_disk_interrupt(struct ahci_disk *disk);

/* Orderly stop: let what is in flight end, make it durable, let the disk come to rest. */
void ahci_disk_stop(struct ahci_disk *disk, uint64_t limit);

/* For recovery: ask a device what it is; whether the answer is as it was. */
const struct ahci_task *ahci_disk_identify_task(bool is_packet);
bool ahci_disk_is_same(const struct ahci_io *io);

#endif
