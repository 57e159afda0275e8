/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The queues for frames: requests become chains, chains that come back become their ends.
 */
#ifndef DRIVER_VIRTIO_NET_IO_H
#define DRIVER_VIRTIO_NET_IO_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/clock.h>
#include <kit/net.h>
#include <kit/virtio.h>

enum { VIRTIO_NET_PAIRS_MAX = NET_QUEUES };

/* One direction. */
struct virtio_net_ring {
    struct virtio_queue queue;
    struct dma_buffer headers; /* one for each request with the device */
    unsigned slots;
    unsigned free_count;
    uint16_t free_id[VIRTIO_ENTRIES_MAX];
    struct virtio_net_slot {
        struct net_request *request; /* null: not in use */
        unsigned round;              /* of the watch, when it was given to the device */
    } slot[VIRTIO_ENTRIES_MAX];
    unsigned errors;
};

struct virtio_net_io {
    struct virtio *virtio;
    bool merges;           /* headers of what comes are in the client's buffers */
    unsigned count, pairs; /* of queues that were made, and that are used */
    struct virtio_net_pair {
        struct virtio_net_io *io;
        struct virtio_net_ring receive, send;
    } pair[VIRTIO_NET_PAIRS_MAX];
    struct clock_timer watch; /* runs while frames are being sent */
    unsigned round;           /* how often it did */
};

/* Between virtio_start and virtio_run: so many pairs of queues. 0 or an errno value with a line in
 * the log. */
int virtio_net_io_open(struct virtio *virtio, unsigned pairs, struct virtio_net_io *io);

/* The device runs, for the first time or once more, and uses so many of them. */
void virtio_net_io_begin(struct virtio_net_io *io, unsigned pairs);

/* As in struct net_device_ops. */
bool virtio_net_io_send(struct virtio_net_io *io, struct net_request *request);
bool virtio_net_io_receive(struct virtio_net_io *io, struct net_request *request);
void virtio_net_io_kick(struct virtio_net_io *io);

/* The device is stopped: everything goes back to the kit. */
void virtio_net_io_abandon(struct virtio_net_io *io);

#endif
