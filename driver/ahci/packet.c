/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet.h"

#include <errno.h>
#include <string.h>

#define PACKET_LIMIT   (10 * CLOCK_SECOND)
#define SPIN_UP_PERIOD (250 * CLOCK_MILLISECOND)

/* SPC-4, 6; MMC-6, 6 */
enum {
    SCSI_TEST_UNIT_READY = 0x00,
    SCSI_REQUEST_SENSE = 0x03,
    SCSI_READ_CAPACITY = 0x25,
    SCSI_READ_10 = 0x28,
};

/* SPC-4, 4.5.6: sense keys, in the error register's upper half too; and an additional code. */
enum { SENSE_NOT_READY = 2, SENSE_MEDIUM = 3, SENSE_NO_MEDIUM = 0x3a };
enum { SENSE_SIZE = 18, CAPACITY_SIZE = 8, TRIES = 8 };

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* ACS-3, PACKET: data goes by DMA, and some drives have to be told which way. */
static void task_set(struct ahci_task *task, const struct ata_identity *identity,
                     const uint8_t *packet, uint64_t address, uint32_t length)
{
    unsigned feature = length == 0 ? 0 : ATA_PACKET_DMA;

    if (length > 0 && identity->packet_dma & ATA_PACKET_DIRECTION)
        feature |= ATA_PACKET_TO_HOST;
    *task = (struct ahci_task){
        .command = ATA_PACKET,
        .feature = (uint16_t)feature,
        .packet = packet,
        .address = address,
        .length = length,
    };
}

void ahci_packet_read(const struct block_request *request, const struct ata_identity *identity,
                      uint8_t *packet, struct ahci_task *task)
{
    uint32_t block = (uint32_t)request->block; /* the drive has no more of them */

    memset(packet, 0, AHCI_PACKET_SIZE);
    packet[0] = SCSI_READ_10;
    for (unsigned i = 0; i < 4; i++)
        packet[2 + i] = (uint8_t)(block >> (24 - 8 * i));
    packet[7] = (uint8_t)(request->count >> 8);
    packet[8] = (uint8_t)request->count;
    task_set(task, identity, packet, request->address, (uint32_t)request->length);
}

enum block_status ahci_packet_status(uint8_t error)
{
    return error >> 4 == SENSE_MEDIUM ? BLOCK_STATUS_MEDIUM : BLOCK_STATUS_DEVICE;
}

/* What the drive answers is copied to `answer`. */
static int run(struct ahci_port *port, const struct ata_identity *identity, unsigned operation,
               uint8_t *answer, uint32_t length)
{
    uint8_t packet[AHCI_PACKET_SIZE] = {(uint8_t)operation};
    struct ahci_task task;

    if (operation == SCSI_REQUEST_SENSE)
        packet[4] = (uint8_t)length;
    task_set(&task, identity, packet, 0, length);
    int error = ahci_port_own_run(port, &task, PACKET_LIMIT);
    if (error == 0 && length > 0)
        memcpy(answer, ahci_port_memory(port)->answer, length);
    return error;
}

int ahci_packet_capacity(struct ahci_port *port, const struct ata_identity *identity,
                         uint64_t *blocks, uint32_t *block_size)
{
    uint8_t answer[SENSE_SIZE] = {0};
    int error = EIO;

    /* A drive that was reset says so once, or several times, before it does anything else. */
    for (unsigned i = 0; error == EIO && i < TRIES; i++) {
        error = run(port, identity, SCSI_TEST_UNIT_READY, NULL, 0);
        if (error != EIO)
            break;
        int asked = run(port, identity, SCSI_REQUEST_SENSE, answer, SENSE_SIZE);
        if (asked != 0 && asked != EIO)
            return asked;
        if (asked == 0 && (answer[2] & 15) == SENSE_NOT_READY) {
            if (answer[12] == SENSE_NO_MEDIUM)
                return ENOMEDIUM;
            clock_sleep(SPIN_UP_PERIOD);
        }
    }
    if (error == 0)
        error = run(port, identity, SCSI_READ_CAPACITY, answer, CAPACITY_SIZE);
    if (error != 0)
        return error == EIO ? ENOMEDIUM : error;
    *blocks = (uint64_t)big_endian(answer) + 1;
    *block_size = big_endian(answer + 4);
    return 0;
}
