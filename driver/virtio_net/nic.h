/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the device says of itself, and the network device that is offered.
 */
#ifndef DRIVER_VIRTIO_NET_NIC_H
#define DRIVER_VIRTIO_NET_NIC_H

#include "control.h"
#include "io.h"

struct virtio_net_nic {
    struct virtio virtio;
    struct virtio_net_io io;
    struct virtio_net_control control;
    struct net_info info;
    struct net_device *net;
    uint64_t recall_due;
    struct clock_timer recall;
};

/* Bring the device up and offer it. 0 or an errno value with a line in the log. */
int virtio_net_nic_start(struct device *device, struct virtio_net_nic *nic);

/* Orderly stop: what is on its way may be lost, as frames may. */
void virtio_net_nic_stop(struct virtio_net_nic *nic);

#endif
