/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <kit/log.h>

#define STANDBY_LIMIT (5 * CLOCK_SECOND)
#define WATCH_PERIOD  (2 * CLOCK_SECOND)
#define TRANSFER_MOST (UINT32_C(1) << 20)

static_assert(TRANSFER_MOST <= AHCI_REGION_MAX,
              "a request's data is one region, or each part of it");
static_assert((int)BLOCK_PARTS <= (int)AHCI_REGIONS, "room in a command table");
static_assert(TRANSFER_MOST / 512 <= 65535, "the count of a command");

const struct ahci_task *ahci_disk_identify_task(bool is_packet)
{
    static const struct ahci_task disk = {.command = ATA_IDENTIFY_DEVICE, .length = 512},
                                  packet = {.command = ATA_IDENTIFY_PACKET_DEVICE, .length = 512};

    return is_packet ? &packet : &disk;
}

bool ahci_disk_is_same(const struct ahci_disk *disk)
{
    const struct ata_identity *before = &disk->identity;
    struct ata_identity now;

    memcpy(&now, ahci_port_memory(&disk->port)->answer, sizeof(now));
    return memcmp(now.serial, before->serial, sizeof(now.serial)) == 0 &&
           memcmp(now.model, before->model, sizeof(now.model)) == 0 &&
           memcmp(now.sectors, before->sectors, sizeof(now.sectors)) == 0;
}

/* Two characters in a word, the first above. */
static void string_copy(char *to, const uint16_t *words, size_t length)
{
    char text[sizeof(((struct ata_identity *)NULL)->model)];

    for (size_t i = 0; i < length; i++)
        text[i] = (char)(words[i / 2] >> (i % 2 ? 0 : 8));
    block_text_copy(to, text, length);
}

static uint32_t sector_size(const struct ata_identity *identity)
{
    uint32_t words = identity->sector_words[0] | (uint32_t)identity->sector_words[1] << 16;

    if (!ATA_IS_VALID(identity->sector_shape) || !(identity->sector_shape & ATA_SHAPE_LONG_LOGICAL))
        return AHCI_SECTOR;
    return words <= 65536 / 2 ? 2 * words : 0;
}

/* Why a disk cannot be offered, or null. */
static const char *identity_problem(const struct ata_identity *identity)
{
    uint32_t size = sector_size(identity);
    uint64_t sectors;
    uint8_t sum = 0;

    memcpy(&sectors, identity->sectors, sizeof(sectors));
    for (size_t i = 0; i < sizeof(*identity); i++)
        sum = (uint8_t)(sum + ((const uint8_t *)identity)[i]);
    if ((identity->integrity & 0xff) == ATA_INTEGRITY_SIGNATURE && sum != 0)
        return "what it says of itself was damaged on the way";
    if (identity->general & ATA_GENERAL_PACKET)
        return "it does not know what it is";
    if (identity->general & ATA_GENERAL_INCOMPLETE)
        return "it does not tell all of itself before it is spun up by a command";
    if (identity->security & ATA_SECURITY_LOCKED)
        return "it is locked by a password; unlock it first";
    if (!(identity->capabilities & ATA_CAPABILITIES_LBA) ||
        !(identity->capabilities & ATA_CAPABILITIES_DMA) || !ATA_IS_VALID(identity->commands2) ||
        !(identity->commands2 & ATA_COMMANDS2_48_BIT))
        return "it has no DMA with addresses of 48 bits";
    if (size < 512 || (size & (size - 1)) != 0)
        return "its sectors are of a size that is not a power of two from 512 to 65536";
    if (sectors == 0 || sectors >> 48)
        return "its size cannot be";
    return NULL;
}

static void disk_describe(struct ahci_disk *disk, struct ahci_shape *shape)
{
    const struct ata_identity *identity = &disk->identity;
    const struct ahci_hba *hba = disk->port.hba;
    struct block_device_limits *limits = &disk->limits;
    bool is_queued = identity->sata & ATA_SATA_QUEUED && identity->sata != UINT16_MAX &&
                     hba->cap & AHCI_CAP_QUEUED;
    unsigned depth = (identity->queue_depth & 31) + 1u;

    shape->is_queued = is_queued;
    shape->slots = is_queued && depth < hba->slots ? depth : hba->slots;
    shape->is_cached = identity->enabled1 & ATA_ENABLED1_WRITE_CACHE;
    limits->block_size = sector_size(identity);
    memcpy(&limits->blocks, identity->sectors, sizeof(limits->blocks));
    limits->max_transfer = TRANSFER_MOST;
    limits->flags = BLOCK_INFO_SCATTER | (shape->is_cached ? BLOCK_INFO_VOLATILE_CACHE : 0);
    /* The ranges fit one sector of 512 bytes, and a device takes at least one. Discarded blocks are
     * not promised to be zeroes, and there is no other command for those. */
    if (identity->data_set & ATA_DATA_SET_TRIM) {
        limits->flags |= BLOCK_INFO_DISCARD;
        limits->max_blocks = AHCI_RANGES * ATA_RANGE_MAX;
    }
}

/* Interrupts are not gathered: what the controllers have for that (11) is for all ports together,
 * and seldom there. */
static int publish(struct ahci_disk *disk, const struct ahci_shape *shape)
{
    const struct ata_identity *identity = &disk->identity;
    struct block_device_limits *limits = &disk->limits;
    struct device *device = disk->port.hba->device;
    char suffix[8];

    static_assert(sizeof(limits->model) > sizeof(identity->model), "room for the NUL");
    string_copy(limits->model, identity->model, sizeof(identity->model));
    snprintf(suffix, sizeof(suffix), "p%u", disk->port.number);
    ahci_io_open(&disk->port, shape, identity, &disk->io);
    int error = block_device_publish(device, suffix, limits, &ahci_io_ops, &disk->io, &disk->block);
    if (error != 0) {
        disk->block = NULL;
        ahci_io_close(&disk->io);
        return ENOTSUP;
    }
    if (shape->is_queued)
        log_info("%s%s: %u commands queued", device_name(device), suffix, shape->slots);
    return 0;
}

void ahci_disk_refuse(struct ahci_disk *disk, const char *problem)
{
    log_warning("port %u: the disk is not offered: %s", disk->port.number, problem);
    ahci_probe_leave(disk, ENOTSUP);
}

int ahci_disk_offer(struct ahci_disk *disk)
{
    struct ahci_shape shape = {.is_packet = false};
    const char *problem = identity_problem(&disk->identity);

    if (problem) {
        log_warning("port %u: the disk is not offered: %s", disk->port.number, problem);
        return ENOTSUP;
    }
    disk->limits = (struct block_device_limits){.blocks = 0};
    static_assert(sizeof(disk->limits.serial) > sizeof(disk->identity.serial), "room for the NUL");
    string_copy(disk->limits.serial, disk->identity.serial, sizeof(disk->identity.serial));
    disk_describe(disk, &shape);
    return publish(disk, &shape);
}

/* Whether the drive still has the medium is asked now and then, as not all of them tell. A drive
 * that is busy says so by itself: its commands fail. */
static void medium_watch(void *context)
{
    struct ahci_disk *disk = context;

    if (disk->io.state == AHCI_IO_OPEN && disk->io.issued == 0)
        ahci_recovery_medium(&disk->io);
    if (disk->block)
        clock_timer_start(&disk->medium_watch, WATCH_PERIOD, medium_watch, disk);
}

/* The drive's serial number, and which medium it is: its clients shall not take one for another. */
static void medium_serial(struct ahci_disk *disk)
{
    char *serial = disk->limits.serial;
    size_t size = sizeof(disk->limits.serial);

    static_assert(sizeof(disk->limits.serial) > sizeof(disk->identity.serial) + sizeof(" 65535"),
                  "room for both");
    string_copy(serial, disk->identity.serial, sizeof(disk->identity.serial));
    if (disk->mediums > 0)
        snprintf(serial + strlen(serial), size - strlen(serial), " %u", disk->mediums & 0xffff);
}

int ahci_disk_offer_medium(struct ahci_disk *disk)
{
    const struct ahci_shape shape = {.is_packet = true, .slots = disk->port.hba->slots};

    if (disk->medium.block_size != 2048)
        return ENOMEDIUM;
    disk->limits = (struct block_device_limits){
        .blocks = disk->medium.blocks,
        .block_size = disk->medium.block_size,
        .max_transfer = AHCI_PACKET_TRANSFER_MAX,
        .flags = BLOCK_INFO_READ_ONLY,
    };
    medium_serial(disk);
    int error = publish(disk, &shape);
    if (error == 0)
        clock_timer_start(&disk->medium_watch, WATCH_PERIOD, medium_watch, disk);
    return error;
}

void ahci_disk_withdraw(struct ahci_disk *disk)
{
    clock_timer_cancel(&disk->medium_watch);
    ahci_io_close(&disk->io);
    block_device_withdraw(disk->block);
    disk->block = NULL;
    ahci_io_abandon(&disk->io, BLOCK_STATUS_GONE);
}

bool ahci_disk_interrupt(struct ahci_disk *disk)
{
    switch (disk->io.state) {
    case AHCI_IO_OPEN:
        return ahci_io_interrupt(&disk->io);
    case AHCI_IO_RECOVERING:
        return false;
    default:
        return ahci_probe_interrupt(disk);
    }
}

void ahci_disk_stop(struct ahci_disk *disk, uint64_t limit)
{
    static const struct ahci_task flush = {.command = ATA_FLUSH_CACHE_EXT},
                                  standby = {.command = ATA_STANDBY_IMMEDIATE};
    struct ahci_io *io = &disk->io;

    ahci_probe_cancel(disk);
    clock_timer_cancel(&disk->medium_watch);
    if (io->state != AHCI_IO_OPEN && io->state != AHCI_IO_RECOVERING)
        return;
    int error = ahci_io_drain(io, limit);
    bool is_open = io->state == AHCI_IO_OPEN;
    ahci_io_close(io);
    if (error != 0) {
        log_error("port %u: requests are still in flight: the disk is stopped without a flush",
                  disk->port.number);
        return;
    }
    if (!is_open || io->shape.is_packet)
        return;
    if (io->shape.is_cached)
        error = ahci_port_ask(&disk->port, &flush, limit);
    if (error != 0)
        log_error("port %u: the disk was not flushed: %s", disk->port.number, strerror(error));
    else
        ahci_port_ask(&disk->port, &standby, STANDBY_LIMIT);
}
