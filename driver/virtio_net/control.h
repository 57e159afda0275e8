/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The control queue: which frames the device lets through.
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
    bool is_behind;           /* the filter became another one meanwhile */
    struct net_filter filter; /* as it should be */
    unsigned errors;
};

/* Between virtio_start and virtio_run. 0 or an errno value with a line in the log. */
int virtio_net_control_open(struct virtio *virtio, struct virtio_net_control *control);

/* From some moment on. A device without filters lets through what it likes, and at least that. */
void virtio_net_control_filter(struct virtio_net_control *control, const struct net_filter *filter);

/* The device is stopped: what it was told is forgotten. */
void virtio_net_control_abandon(struct virtio_net_control *control);

#endif
