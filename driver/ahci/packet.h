/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Optical drives: SCSI commands in PACKET commands (ACS-3, PACKET; MMC-6), read only.
 */
#ifndef DRIVER_AHCI_PACKET_H
#define DRIVER_AHCI_PACKET_H

#include "ata.h"
#include "port.h"

#include <kit/block.h>

enum { AHCI_PACKET_SIZE = 12, AHCI_PACKET_TRANSFER_MAX = 65536 };

/* The task of a read. `packet` has to live as long as the task. */
void ahci_packet_read(const struct block_request *request, const struct ata_identity *identity,
                      uint8_t *packet, struct ahci_task *task);

/* What a request that failed with this in the error register ends with. */
enum block_status ahci_packet_status(uint8_t error);

/* Whether a request that failed so did because of another medium, or none, or for a reset: it is
 * for struct ahci_medium to find out. */
bool ahci_packet_is_doubtful(uint8_t error);

enum ahci_medium_stage {
    AHCI_MEDIUM_READY = 0, /* the drive is asked whether it is ready */
    AHCI_MEDIUM_SENSE,     /* why not */
    AHCI_MEDIUM_PAUSE,     /* it will be */
    AHCI_MEDIUM_CAPACITY,  /* the medium's size is asked for */
};

/* What medium is in a drive. */
struct ahci_medium {
    struct ahci_port *port;
    const struct ata_identity *identity;
    enum ahci_medium_stage stage;
    unsigned tries;
    uint64_t due;
    uint8_t packet[AHCI_PACKET_SIZE];
    struct ahci_task task;
    bool changed; /* it is not the one that was there before, or may not be */
    uint64_t blocks;
    uint32_t block_size;
};

/* Ask; to be stepped. The port works and nothing is in flight, interrupts are off. `has_failed`: a
 * command did, just now. */
void ahci_medium_begin(struct ahci_port *port, const struct ata_identity *identity, bool has_failed,
                       struct ahci_medium *medium);
/* EAGAIN: not yet. 0; ENOMEDIUM; or as ahci_port_ask_step if the drive does not answer. */
int ahci_medium_step(struct ahci_medium *medium);

#endif
