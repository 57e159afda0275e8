/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is connected to a port, and the block device that is offered.
 */
#ifndef DRIVER_AHCI_DISK_H
#define DRIVER_AHCI_DISK_H

#include "io.h"
#include "packet.h"
#include "probe.h"

struct ahci_disk {
    struct ahci_port port;
    struct ahci_probe probe;
    struct ata_identity identity;
    struct ahci_medium medium; /* of an optical drive */
    struct clock_timer medium_watch;
    unsigned mediums; /* that it had while it was offered: clients tell them apart */
    struct ahci_io io;
    struct block_device_limits limits;
    struct block_device *block; /* null: none is offered */
};

static inline struct ahci_disk *ahci_disk_of(struct ahci_io *io)
{
    return (struct ahci_disk *)((char *)io - offsetof(struct ahci_disk, io));
}

/* Offer the disk of this identity; the medium in the drive of this identity. 0; ENOTSUP, with a
 * line in the log; ENOMEDIUM: it is none that can be read. */
int ahci_disk_offer(struct ahci_disk *disk);
int ahci_disk_offer_medium(struct ahci_disk *disk);
void ahci_disk_refuse(struct ahci_disk *disk, const char *problem);

/* What was offered is not there any more. The port moves no data. */
void ahci_disk_withdraw(struct ahci_disk *disk);

/* The port has raised an interrupt: whether there was anything. */
bool ahci_disk_interrupt(struct ahci_disk *disk);

/* Orderly stop: let what is in flight end, make it durable, let the disk come to rest. */
void ahci_disk_stop(struct ahci_disk *disk, uint64_t limit);

/* Ask a device what it is; whether the answer is as it was. */
const struct ahci_task *ahci_disk_identify_task(bool is_packet);
bool ahci_disk_is_same(const struct ahci_disk *disk);

#endif
