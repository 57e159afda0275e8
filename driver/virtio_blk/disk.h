/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the device says of itself, and the block device that is offered.
 */
#ifndef DRIVER_VIRTIO_BLK_DISK_H
#define DRIVER_VIRTIO_BLK_DISK_H

#include "io.h"

struct virtio_blk_disk {
    struct virtio virtio;
    struct virtio_blk_io io;
    uint64_t capacity; /* sectors */
    struct block_device_limits limits;
    struct block_device *block;
};

/* Bring the device up and offer its disk. 0 or an errno value with a line in the log. */
int virtio_blk_disk_start(struct device *device, struct virtio_blk_disk *disk);

/* Orderly stop: let what is in flight end, make it durable, reset the device. */
void virtio_blk_disk_stop(struct virtio_blk_disk *disk);

#endif
