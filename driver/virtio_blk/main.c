/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * virtio-blk: a disk of a virtual machine (Virtual I/O Device specification 1.2, 5.2). What it has
 * in common with other virtio devices is in kit/virtio.h.
 *
 *   layout.h   the specification's layouts
 *   lane.c     a request queue: commands as chains
 *   io.c       block requests, and which queue they go to
 *   disk.c     what the device is, bring-up and stop
 */
#include <kit/driver.h>

#include "disk.h"

static struct virtio_blk_disk disk;

static int attach(struct device *device)
{
    return virtio_blk_disk_start(device, &disk);
}

static void detach(void)
{
    virtio_blk_disk_stop(&disk);
}

const struct driver driver = {
    .name = "virtio-blk",
    .attach = attach,
    .detach = detach,
};
