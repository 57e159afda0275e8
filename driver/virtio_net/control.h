/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The control queue: which frames the device lets through, and how many pairs of queues it uses.
 */
#ifndef DRIVER_VIRTIO_NET_CONTROL_H
#define DRIVER_VIRTIO_NET_CONTROL_H

#include <stdbool.h>

#include <kit/net.h>
#include <kit/virtio.h>

struct virtio_net_control {
    struct virtio_queue queue;
    struct dma_buffer memory; /* a slot for each command; size 0: the device has no such queue */
    unsigned in_flight;
    bool has_filters;
    bool is_behind;           /* the filter became another one meanwhile */
    struct net_filter filter; /* as it should be */
    unsigned errors;
    enum { VIRTIO_NET_UNANSWERED, VIRTIO_NET_AGREED, VIRTIO_NET_REFUSED } pairs;
};

/* Between virtio_start and virtio_run; the queue is the device's number `index`. 0 or an errno
 * value with a line in the log. */
int virtio_net_control_open(struct virtio *virtio, unsigned index,
                            struct virtio_net_control *control);

/* Have the device use so many pairs of queues, before any filter. Waits for its answer; false: it
 * does not take so many. */
bool virtio_net_control_pairs(struct virtio_net_control *control, unsigned count);

/* From some moment on. A device without filters lets through what it likes, and at least that. */
void virtio_net_control_filter(struct virtio_net_control *control, const struct net_filter *filter);

/* The device is stopped: what it was told is forgotten. */
void virtio_net_control_abandon(struct virtio_net_control *control);

#endif
