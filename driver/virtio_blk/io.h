/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The request queue: block requests become chains, chains that come back become their ends.
 */
#ifndef DRIVER_VIRTIO_BLK_IO_H
#define DRIVER_VIRTIO_BLK_IO_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/block.h>
#include <kit/clock.h>
#include <kit/virtio.h>

enum { VIRTIO_BLK_PIECES_MAX = 32 }; /* that a request's data is cut into */

enum virtio_blk_io_state {
    VIRTIO_BLK_IO_CLOSED = 0, /* takes no requests: not open yet, closed, or given up and stopped */
    VIRTIO_BLK_IO_OPEN,
    VIRTIO_BLK_IO_STOPPING, /* given up; the device may still touch memory */
};

/* How requests are cut: a segment has at most so many bytes, a request at most so many of them. */
struct virtio_blk_shape {
    uint32_t piece;
    unsigned pieces;
    unsigned sectors_per_block;
};

struct virtio_blk_command {
    bool in_flight;
    bool silent;
    struct block_request *request; /* null: the driver's own */
    uint32_t expected;             /* bytes that the device has to write, the status among them */
    unsigned round;                /* of the watch, when it was started */
};

struct virtio_blk_io {
    struct virtio *virtio;
    enum virtio_blk_io_state state;
    struct virtio_blk_shape shape;
    struct virtio_queue queue;
    struct dma_buffer slots; /* a header and a status for each command, and room for an answer */
    unsigned commands;       /* how many there are */
    unsigned free_count;
    uint16_t free_id[VIRTIO_ENTRIES_MAX];
    struct virtio_blk_command command[VIRTIO_ENTRIES_MAX];
    unsigned loud;        /* in flight, and to be noticed by an interrupt */
    unsigned gather;      /* how many of these together ... */
    uint64_t gather_time; /* ... in so many nanoseconds */
    struct clock_timer gathering;
    uint8_t own_status; /* of the driver's last own command */

    unsigned errors; /* requests that the device failed */

    struct clock_timer watch;  /* runs while commands are in flight */
    unsigned round;            /* how often it did: the time, as far as a command's age goes */
    enum block_status verdict; /* what those get that were in flight when it was given up */
    uint64_t stop_due;
};

/* Between virtio_start and virtio_run. 0 or an errno value with a line in the log. */
int virtio_blk_io_open(struct virtio *virtio, const struct virtio_blk_shape *shape,
                       struct virtio_blk_io *io);

/* As in struct block_device_ops, with the io as their context. */
extern const struct block_device_ops virtio_blk_io_ops;

/* The device cannot be relied on any more: stop it, fail everything. */
void virtio_blk_io_give_up(struct virtio_blk_io *io, enum block_status verdict, const char *why);

/* Wait until nothing is in flight. 0 or ETIMEDOUT. */
int virtio_blk_io_drain(struct virtio_blk_io *io, uint64_t limit);

/* Commands of the driver's own, waited for: 0, EIO, EBUSY or ETIMEDOUT. The identity is not
 * terminated. */
int virtio_blk_io_flush(struct virtio_blk_io *io, uint64_t limit);
int virtio_blk_io_identify(struct virtio_blk_io *io, uint64_t limit, char *identity);

/* Take no more requests. What is in flight stays so until virtio_blk_io_abandon. */
void virtio_blk_io_close(struct virtio_blk_io *io);

/* The device is stopped: fail what is in flight. */
void virtio_blk_io_abandon(struct virtio_blk_io *io, enum block_status status);

#endif
