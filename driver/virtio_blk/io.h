/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Block requests go to the device's request queues, each client's to one of its own as far as there
 * are so many (VIRTIO_BLK_F_MQ).
 */
#ifndef DRIVER_VIRTIO_BLK_IO_H
#define DRIVER_VIRTIO_BLK_IO_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/block.h>
#include <kit/clock.h>
#include <kit/virtio.h>

#include "lane.h"

enum { VIRTIO_BLK_LANES_MAX = 4 };

/* How requests are cut: a segment has at most so many bytes, a request at most so many of them. */
struct virtio_blk_shape {
    uint32_t piece;
    unsigned pieces;
    unsigned sectors_per_block;
};

struct virtio_blk_io {
    struct virtio *virtio;
    struct virtio_blk_shape shape;
    unsigned lane_count;
    struct virtio_blk_lane lane[VIRTIO_BLK_LANES_MAX];
    unsigned gather;      /* how many completions together ... */
    uint64_t gather_time; /* ... in so many nanoseconds */
    uint8_t own_status;   /* of the driver's last own command */
};

/* With so many queues, between virtio_start and virtio_run. 0 or an errno value with a line in the
 * log. */
int virtio_blk_io_open(struct virtio *virtio, const struct virtio_blk_shape *shape, unsigned queues,
                       struct virtio_blk_io *io);

/* As in struct block_device_ops, with the io as their context. */
extern const struct block_device_ops virtio_blk_io_ops;

/* Commands of the driver's own, waited for, with nothing else in flight: 0, EIO, EBUSY or
 * ETIMEDOUT. The identity is not terminated. */
int virtio_blk_io_flush(struct virtio_blk_io *io, uint64_t limit);
int virtio_blk_io_identify(struct virtio_blk_io *io, uint64_t limit, char *identity);

#endif
