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
    struct dma_buffer memory; /* of the command that the device has */
    bool has_filters;
    unsigned errors;
};

/* Between virtio_start and virtio_run; the queue is the device's number `index`. 0 or an errno
 * value with a line in the log. */
int virtio_net_control_open(struct virtio *virtio, unsigned index,
                            struct virtio_net_control *control);

/* Both wait for the device, which is given up if it does not answer within 800 ms. */

/* Have it use so many pairs of queues, before any filter; false: it does not take so many. */
bool virtio_net_control_pairs(struct virtio_net_control *control, unsigned count);

/* A device without filters lets through what it likes, and at least that. */
void virtio_net_control_filter(struct virtio_net_control *control, const struct net_filter *filter);

#endif
