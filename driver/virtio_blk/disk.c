/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <kit/log.h>

#include "layout.h"

#define IDENTIFY_LIMIT (5 * CLOCK_SECOND)
#define STOP_LIMIT     (5 * CLOCK_SECOND)
#define TRANSFER_MOST  (UINT32_C(1) << 20)

#define FEATURES                                                                                   \
    (VIRTIO_FEATURE(VIRTIO_BLK_F_SIZE_MAX) | VIRTIO_FEATURE(VIRTIO_BLK_F_SEG_MAX) |                \
     VIRTIO_FEATURE(VIRTIO_BLK_F_RO) | VIRTIO_FEATURE(VIRTIO_BLK_F_BLK_SIZE) |                     \
     VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) | VIRTIO_FEATURE(VIRTIO_BLK_F_TOPOLOGY) |                  \
     VIRTIO_FEATURE(VIRTIO_BLK_F_MQ) | VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD) |                      \
     VIRTIO_FEATURE(VIRTIO_BLK_F_WRITE_ZEROES))

/* A field of the device's configuration. */
#define CONFIG(disk, field)                                                                        \
    virtio_config_get(&(disk)->virtio, offsetof(struct virtio_blk_config, field),                  \
                      sizeof(((struct virtio_blk_config *)NULL)->field))

/* 5.2.4: the block size is a hint; what it cannot be is not taken. */
static uint32_t block_size_get(const struct virtio_blk_disk *disk)
{
    uint32_t size = (uint32_t)CONFIG(disk, blk_size);

    if (!virtio_has(&disk->virtio, VIRTIO_BLK_F_BLK_SIZE))
        return VIRTIO_BLK_SECTOR;
    if (size >= VIRTIO_BLK_SECTOR && size <= 65536 && (size & (size - 1)) == 0)
        return size;
    log_warning("the device names blocks of %u bytes: %u are used", size, VIRTIO_BLK_SECTOR);
    return VIRTIO_BLK_SECTOR;
}

/* 5.2.4, 5.2.6.2: how many segments a request's data may have, with the header's and the status's
 * in the queue as well. */
static uint32_t pieces_allowed(const struct virtio_blk_disk *disk)
{
    unsigned entries = virtio_queue_entries(&disk->virtio, 0);
    uint32_t pieces =
        virtio_has(&disk->virtio, VIRTIO_BLK_F_SEG_MAX) ? (uint32_t)CONFIG(disk, seg_max) : 1;

    if (pieces > VIRTIO_BLK_PIECES_MAX)
        pieces = VIRTIO_BLK_PIECES_MAX;
    return entries > 2 && pieces > entries - 2 ? entries - 2 : pieces;
}

/* 5.2.4: a device may bound the length of segments and their number. Ours are of one piece unless
 * it bounds their length, or a client scatters its data, which is for devices that say how many
 * segments they take and do not bound their length. False: not even a block fits. */
static bool shape_get(struct virtio_blk_disk *disk, struct virtio_blk_shape *shape)
{
    uint32_t size = disk->limits.block_size, most = TRANSFER_MOST;
    uint32_t allowed = pieces_allowed(disk), pieces = 1;

    shape->piece = most;
    if (virtio_has(&disk->virtio, VIRTIO_BLK_F_SIZE_MAX)) {
        uint32_t piece = (uint32_t)CONFIG(disk, size_max);
        if (piece < shape->piece)
            shape->piece = piece;
        pieces = allowed;
        if (most > (uint64_t)shape->piece * pieces)
            most = shape->piece * pieces;
    }
    if (shape->piece == TRANSFER_MOST && allowed >= BLOCK_PARTS) {
        pieces = BLOCK_PARTS;
        disk->limits.flags |= BLOCK_INFO_SCATTER;
    }
    shape->pieces = pieces;
    shape->sectors_per_block = size / VIRTIO_BLK_SECTOR;
    disk->limits.max_transfer = most / size * size;
    return most >= size;
}

/* 5.2.4: how many sectors a discard or a write of zeroes may have; there is one number for both,
 * and an operation whose own is less than a block is not offered. A range has to fit a segment, and
 * one is always allowed. */
static void zeroing_get(struct virtio_blk_disk *disk, const struct virtio_blk_shape *shape)
{
    const struct {
        unsigned feature;
        uint32_t sectors, flag;
    } operations[] = {
        {VIRTIO_BLK_F_DISCARD, (uint32_t)CONFIG(disk, max_discard_sectors), BLOCK_INFO_DISCARD},
        {VIRTIO_BLK_F_WRITE_ZEROES, (uint32_t)CONFIG(disk, max_write_zeroes_sectors),
         BLOCK_INFO_WRITE_ZEROES},
    };
    uint32_t most = UINT32_MAX;

    for (unsigned i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        uint32_t blocks = operations[i].sectors / shape->sectors_per_block;
        if (!virtio_has(&disk->virtio, operations[i].feature) || blocks == 0)
            continue;
        disk->limits.flags |= operations[i].flag;
        if (blocks < most)
            most = blocks;
        disk->limits.max_blocks = most;
    }
}

static int limits_get(struct virtio_blk_disk *disk, struct virtio_blk_shape *shape)
{
    struct block_device_limits *limits = &disk->limits;

    disk->capacity = CONFIG(disk, capacity);
    limits->block_size = block_size_get(disk);
    limits->blocks = disk->capacity / (limits->block_size / VIRTIO_BLK_SECTOR);
    limits->flags = (virtio_has(&disk->virtio, VIRTIO_BLK_F_RO) ? BLOCK_INFO_READ_ONLY : 0) |
                    (virtio_has(&disk->virtio, VIRTIO_BLK_F_FLUSH) ? BLOCK_INFO_VOLATILE_CACHE : 0);
    snprintf(limits->model, sizeof(limits->model), "virtio block device");
    if (disk->capacity > UINT64_MAX / VIRTIO_BLK_SECTOR) {
        log_error("the disk cannot be used: its size cannot be");
        return ENOTSUP;
    }
    if (!shape_get(disk, shape)) {
        log_error("the disk cannot be used: %u segments of %u bytes do not hold a block of %u",
                  shape->pieces, shape->piece, limits->block_size);
        return ENOTSUP;
    }
    zeroing_get(disk, shape);
    return 0;
}

/* 5.2.4: how many of the device's queues are used. */
static unsigned queues_get(const struct virtio_blk_disk *disk)
{
    unsigned queues =
        virtio_has(&disk->virtio, VIRTIO_BLK_F_MQ) ? (unsigned)CONFIG(disk, queues) : 1;

    if (queues == 0) /* "1 or more" */
        return 1;
    return queues < VIRTIO_BLK_LANES_MAX ? queues : VIRTIO_BLK_LANES_MAX;
}

/* 5.2.6: up to 20 bytes, ended by a NUL if there are fewer. A device without one is as good. */
static int serial_get(struct virtio_blk_disk *disk)
{
    char identity[VIRTIO_BLK_ID_SIZE];
    int error = virtio_blk_io_identify(&disk->io, IDENTIFY_LIMIT, identity);

    if (error == EIO)
        return 0;
    if (error != 0) {
        log_error("the device does not answer: %s", strerror(error));
        return error;
    }
    static_assert(sizeof(disk->limits.serial) > sizeof(identity), "room for a NUL");
    memcpy(disk->limits.serial, identity, strnlen(identity, sizeof(identity)));
    return 0;
}

/* 5.2.5.3, 5.2.6: only the size changes while a device works. */
static bool changed(void *context)
{
    struct virtio_blk_disk *disk = context;
    uint64_t capacity;

    capacity = CONFIG(disk, capacity);
    if (capacity == disk->capacity)
        return false;
    if (capacity > UINT64_MAX / VIRTIO_BLK_SECTOR || !disk->block) {
        log_warning("the device names another size that cannot be, or too early: it is ignored");
        return true;
    }
    log_info("the disk has now %llu bytes, %llu before: who opens it from now on sees them",
             (unsigned long long)capacity * VIRTIO_BLK_SECTOR,
             (unsigned long long)disk->capacity * VIRTIO_BLK_SECTOR);
    disk->capacity = capacity;
    block_device_resize(disk->block, capacity / (disk->limits.block_size / VIRTIO_BLK_SECTOR));
    return true;
}

static int disk_publish(struct virtio_blk_disk *disk, struct device *device)
{
    unsigned exponent = (unsigned)CONFIG(disk, topology.physical_block_exp);
    int error = block_device_publish(device, "", &disk->limits, &virtio_blk_io_ops, &disk->io,
                                     &disk->block);

    if (error != 0)
        return error;
    log_info("%u request queue(s)", disk->io.lane_count);
    if (virtio_has(&disk->virtio, VIRTIO_BLK_F_TOPOLOGY) && exponent > 0)
        log_info("writes are best of whole physical blocks, 2^%u of those", exponent);
    return 0;
}

int virtio_blk_disk_start(struct device *device, struct virtio_blk_disk *disk)
{
    struct virtio_blk_shape shape;

    *disk = (struct virtio_blk_disk){.capacity = 0};
    int error = virtio_start(device, FEATURES, &disk->virtio);

    if (error == 0)
        error = limits_get(disk, &shape);
    if (error == 0)
        error = virtio_blk_io_open(&disk->virtio, &shape, queues_get(disk), &disk->io);
    if (error == 0)
        error = virtio_run(&disk->virtio, changed, disk);
    if (error == 0)
        error = serial_get(disk);
    if (error == 0)
        error = disk_publish(disk, device);
    return error;
}

void virtio_blk_disk_stop(struct virtio_blk_disk *disk)
{
    bool is_idle = block_stop(STOP_LIMIT);
    int error = is_idle ? virtio_blk_io_flush(&disk->io, STOP_LIMIT) : 0;

    if (error != 0)
        log_error("the disk was not flushed: %s", strerror(error));
    virtio_reset(&disk->virtio);
    if (!is_idle)
        block_give_up("requests are still in flight");
}
