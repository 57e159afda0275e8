/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is offered of the device at a port.
 */
#include <stdio.h>
#include <string.h>

#include <kit/log.h>

#include "ahci.h"

enum { TRANSFER_MOST = 1 << 20, PACKET_TRANSFER_MOST = 1 << 16 };

static_assert((int)BLOCK_PARTS <= (int)AHCI_REGIONS, "room in a command table");
static_assert(TRANSFER_MOST / 512 <= 65535, "the count of a command");

/* Two characters in a word, the first above. */
static void string_copy(char *to, const uint16_t *words, size_t length)
{
    char text[ATA_MODEL_SIZE];

    for (size_t i = 0; i < length; i++)
        text[i] = (char)(words[i / 2] >> (i % 2 ? 0 : 8));
    block_text_copy(to, text, length);
}

static uint32_t sector_size(const uint16_t *identity)
{
    uint32_t words = identity[ATA_SECTOR_WORDS] | (uint32_t)identity[ATA_SECTOR_WORDS + 1] << 16;

    if (!ATA_IS_VALID(identity[ATA_SECTOR_SHAPE]) ||
        !(identity[ATA_SECTOR_SHAPE] & ATA_SHAPE_LONG_LOGICAL))
        return AHCI_SECTOR;
    return words <= 65536 / 2 ? 2 * words : 0;
}

/* Why a disk cannot be offered, or null. */
static const char *problem_find(const uint16_t *identity, const struct block_device_limits *limits)
{
    uint32_t size = limits->block_size;
    uint8_t sum = 0;

    for (size_t i = 0; i < ATA_IDENTITY_WORDS; i++)
        sum = (uint8_t)(sum + identity[i] + (identity[i] >> 8));
    if ((identity[ATA_INTEGRITY] & 0xff) == ATA_INTEGRITY_SIGNATURE && sum != 0)
        return "what it says of itself was damaged on the way";
    if (identity[ATA_GENERAL] & ATA_GENERAL_PACKET)
        return "it does not know what it is";
    if (identity[ATA_GENERAL] & ATA_GENERAL_INCOMPLETE)
        return "it does not tell all of itself before it is spun up by a command";
    if (identity[ATA_SECURITY] & ATA_SECURITY_LOCKED)
        return "it is locked by a password; unlock it first";
    if (~identity[ATA_CAPABILITIES] & ATA_CAPABILITIES_DMA_LBA ||
        !ATA_IS_VALID(identity[ATA_COMMANDS2]) || !(identity[ATA_COMMANDS2] & ATA_COMMANDS2_48_BIT))
        return "it has no DMA with addresses of 48 bits";
    if (size < 512 || (size & (size - 1)) != 0)
        return "its sectors are of a size that is not a power of two from 512 to 65536";
    if (limits->blocks == 0 || limits->blocks >> 48)
        return "its size cannot be";
    return NULL;
}

/* What is found in the identity; or why the disk cannot be offered. */
static const char *disk_describe(struct ahci_port *port, struct block_device_limits *limits)
{
    const uint16_t *identity = port->identity;
    unsigned depth = (identity[ATA_QUEUE_DEPTH] & 31) + 1u;

    port->is_queued = identity[ATA_SATA] & ATA_SATA_QUEUED && identity[ATA_SATA] != UINT16_MAX &&
                      ahci_hba.cap & AHCI_CAP_QUEUED;
    if (port->is_queued && depth < port->depth)
        port->depth = depth;
    port->is_cached = identity[ATA_ENABLED1] & ATA_ENABLED1_WRITE_CACHE;
    limits->block_size = sector_size(identity);
    memcpy(&limits->blocks, identity + ATA_SECTORS, ATA_SECTORS_SIZE);
    limits->max_transfer = TRANSFER_MOST;
    limits->flags = BLOCK_INFO_SCATTER | (port->is_cached ? BLOCK_INFO_VOLATILE_CACHE : 0);
    /* The ranges fit one sector of 512 bytes, and a device takes at least one. Discarded blocks are
     * not promised to be zeroes, and there is no other command for those. */
    if (identity[ATA_DATA_SET] & ATA_DATA_SET_TRIM) {
        limits->flags |= BLOCK_INFO_DISCARD;
        limits->max_blocks = AHCI_RANGES * ATA_RANGE_MAX;
    }
    return problem_find(identity, limits);
}

/* The medium's number is behind the serial number: clients shall not take one for another. */
static void medium_describe(const struct ahci_port *port, struct block_device_limits *limits)
{
    size_t length = strlen(limits->serial);

    limits->blocks = port->blocks;
    limits->block_size = AHCI_PACKET_BLOCK;
    limits->max_transfer = PACKET_TRANSFER_MOST;
    limits->flags = BLOCK_INFO_READ_ONLY;
    if (port->mediums > 0)
        snprintf(limits->serial + length, sizeof(limits->serial) - length, " %u", port->mediums);
}

/* Interrupts are not gathered: what the controllers have for that (11) is for all ports together,
 * and seldom there. Null; or why it cannot be offered. */
static const char *publish(struct ahci_port *port)
{
    struct block_device_limits limits = {.blocks = 0};
    const char *problem = NULL;
    char suffix[8];

    static_assert(sizeof(limits.serial) > ATA_SERIAL_SIZE && sizeof(limits.model) > ATA_MODEL_SIZE,
                  "room for the NUL");
    string_copy(limits.serial, port->identity + ATA_SERIAL, ATA_SERIAL_SIZE);
    string_copy(limits.model, port->identity + ATA_MODEL, ATA_MODEL_SIZE);
    snprintf(suffix, sizeof(suffix), "p%u", port->number);
    port->depth = AHCI_CAP_SLOTS(ahci_hba.cap);
    port->is_queued = port->is_cached = false;
    if (port->is_packet)
        medium_describe(port, &limits);
    else
        problem = disk_describe(port, &limits);
    if (problem)
        return problem;
    if (block_device_publish(ahci_hba.device, suffix, &limits, &ahci_io_ops, port, &port->block) !=
        0) {
        port->block = NULL;
        return "it cannot be published";
    }
    if (port->is_queued)
        log_info("%s%s: %u commands queued", device_name(ahci_hba.device), suffix, port->depth);
    return NULL;
}

void ahci_disk_offer(struct ahci_port *port)
{
    const char *problem = port->block ? NULL : publish(port);

    if (problem)
        ahci_port_leave(port, problem);
    else
        ahci_io_resume(port);
}

void ahci_disk_withdraw(struct ahci_port *port)
{
    block_device_withdraw(port->block);
    port->block = NULL;
    ahci_io_end(port, port->used, BLOCK_STATUS_GONE);
}
