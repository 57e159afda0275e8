/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * virtio-net: a network card of a virtual machine (Virtual I/O Device specification 1.2, 5.1). What
 * it has in common with other virtio devices is in kit/virtio.h.
 *
 *   layout.h   the specification's layouts
 *   io.c       frames and buffers as chains of the two queues
 *   control.c  filters
 *   nic.c      what the device is, bring-up, link and stop
 */
#include <kit/driver.h>

#include "nic.h"

static struct virtio_net_nic nic;

static int attach(struct device *device)
{
    return virtio_net_nic_start(device, &nic);
}

static void detach(void)
{
    virtio_net_nic_stop(&nic);
}

const struct driver driver = {
    .name = "virtio-net",
    .attach = attach,
    .detach = detach,
};
