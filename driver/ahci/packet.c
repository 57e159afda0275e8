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
enum { SENSE_NOT_READY = 2, SENSE_MEDIUM = 3, SENSE_ATTENTION = 6 };
enum { SENSE_MEDIUM_CHANGED = 0x28, SENSE_NO_MEDIUM = 0x3a };
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

bool ahci_packet_is_doubtful(uint8_t error)
{
    return error >> 4 == SENSE_ATTENTION || error >> 4 == SENSE_NOT_READY;
}

static void ask(struct ahci_medium *medium, enum ahci_medium_stage stage)
{
    static const struct {
        uint8_t operation;
        uint32_t length;
    } questions[] = {
        [AHCI_MEDIUM_READY] = {SCSI_TEST_UNIT_READY, 0},
        [AHCI_MEDIUM_SENSE] = {SCSI_REQUEST_SENSE, SENSE_SIZE},
        [AHCI_MEDIUM_CAPACITY] = {SCSI_READ_CAPACITY, CAPACITY_SIZE},
    };

    memset(medium->packet, 0, sizeof(medium->packet));
    medium->packet[0] = questions[stage].operation;
    if (stage == AHCI_MEDIUM_SENSE)
        medium->packet[4] = SENSE_SIZE;
    medium->stage = stage;
    task_set(&medium->task, medium->identity, medium->packet, 0, questions[stage].length);
    ahci_port_ask_begin(medium->port, &medium->task, PACKET_LIMIT);
}

void ahci_medium_begin(struct ahci_port *port, const struct ata_identity *identity, bool has_failed,
                       struct ahci_medium *medium)
{
    *medium = (struct ahci_medium){.port = port, .identity = identity};
    ask(medium, has_failed ? AHCI_MEDIUM_SENSE : AHCI_MEDIUM_READY);
}

/* EAGAIN: it is asked again. */
static int sense_take(struct ahci_medium *medium)
{
    uint8_t sense[SENSE_SIZE];

    memcpy(sense, ahci_port_memory(medium->port)->answer, sizeof(sense));
    unsigned key = sense[2] & 15, code = sense[12];
    if (key == SENSE_NOT_READY && code == SENSE_NO_MEDIUM) {
        medium->changed = true;
        return ENOMEDIUM;
    }
    medium->changed |= key == SENSE_ATTENTION && code == SENSE_MEDIUM_CHANGED;
    if (key == SENSE_NOT_READY) {
        medium->stage = AHCI_MEDIUM_PAUSE;
        medium->due = clock_now() + SPIN_UP_PERIOD;
    } else {
        ask(medium, AHCI_MEDIUM_READY);
    }
    return EAGAIN;
}

static int capacity_take(struct ahci_medium *medium)
{
    uint8_t answer[CAPACITY_SIZE];

    memcpy(answer, ahci_port_memory(medium->port)->answer, sizeof(answer));
    medium->blocks = (uint64_t)big_endian(answer) + 1;
    medium->block_size = big_endian(answer + 4);
    return 0;
}

int ahci_medium_step(struct ahci_medium *medium)
{
    int error;

    if (medium->stage == AHCI_MEDIUM_PAUSE) {
        if (clock_now() >= medium->due)
            ask(medium, AHCI_MEDIUM_READY);
        return EAGAIN;
    }
    error = ahci_port_ask_step(medium->port, &medium->task);
    if (error != 0 && error != EIO)
        return error;
    if (medium->stage == AHCI_MEDIUM_CAPACITY)
        return error == 0 ? capacity_take(medium) : ENOMEDIUM;
    if (medium->stage == AHCI_MEDIUM_SENSE && error == 0)
        return sense_take(medium);
    /* A drive that was reset says so once, or several times, before it does anything else. */
    if (error != 0 && ++medium->tries > TRIES)
        return ENOMEDIUM;
    ask(medium, medium->stage == AHCI_MEDIUM_SENSE ? AHCI_MEDIUM_READY
                : error == 0                       ? AHCI_MEDIUM_CAPACITY
                                                   : AHCI_MEDIUM_SENSE);
    return EAGAIN;
}
