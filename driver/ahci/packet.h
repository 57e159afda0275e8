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

/* Ask what medium is in it. 0; ENOMEDIUM; or an errno value if the drive does not answer. */
int ahci_packet_capacity(struct ahci_port *port, const struct ata_identity *identity,
                         uint64_t *blocks, uint32_t *block_size);

#endif
