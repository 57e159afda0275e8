/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A request queue of the device: commands become chains, chains that come back become their ends.
 */
#ifndef DRIVER_VIRTIO_BLK_LANE_H
#define DRIVER_VIRTIO_BLK_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/block.h>
#include <kit/clock.h>
#include <kit/virtio.h>

#include "layout.h"

enum { VIRTIO_BLK_PIECES_MAX = 32 }; /* that a request's data is cut into */

struct virtio_blk_io;

struct virtio_blk_command {
    struct block_request *request; /* null: the driver's own */
    uint32_t expected;             /* bytes that the device has to write, the status among them */
};

struct virtio_blk_lane {
    struct virtio_blk_io *io;
    struct virtio_queue queue;
    struct dma_buffer slots; /* a header and a status for each command, and room for an answer */
    unsigned commands;       /* how many there are */
    unsigned free_count;
    uint16_t free_id[VIRTIO_ENTRIES_MAX];
    struct virtio_blk_command command[VIRTIO_ENTRIES_MAX];
    unsigned loud; /* in flight, and to be noticed by an interrupt */
    struct clock_timer gathering;
};

/* Queue `index`, between virtio_start and virtio_run; the lane is the handler's context. 0 or an
 * errno value with a line in the log. */
int virtio_blk_lane_open(struct virtio_blk_io *io, unsigned index, irq_handler handler,
                         struct virtio_blk_lane *lane);

/* Put a command into the queue, with `length` bytes of data; false if there is no room now. */
bool virtio_blk_lane_start(struct virtio_blk_lane *lane, const struct virtio_blk_header *header,
                           uint64_t length, struct block_request *request);

/* End what the device is done with. Whether there was any; the queue gives back only what it has,
 * so not for ever. */
bool virtio_blk_lane_take(struct virtio_blk_lane *lane);

/* Have the device interrupt if somebody waits for that. */
void virtio_blk_lane_arm(struct virtio_blk_lane *lane);

/* What the device answered to the command that ended last. */
const uint8_t *virtio_blk_lane_answer(const struct virtio_blk_lane *lane);

#endif
