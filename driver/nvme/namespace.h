/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Namespaces: each active one that this driver can use is offered as a block device.
 */
#ifndef DRIVER_NVME_NAMESPACE_H
#define DRIVER_NVME_NAMESPACE_H

#include "lane.h"

/* More than the largest controllers that are sold have; bounds what a broken one can cost. */
enum { NVME_NAMESPACES_MAX = 2048 };

struct nvme_namespace {
    uint32_t id;
    struct nvme_lanes *lanes;
    struct block_device *block; /* null: it is not there any more */
    uint64_t blocks;
    uint32_t block_size, flags;
};

struct nvme_namespaces {
    struct nvme_controller *controller;
    struct nvme_lanes *lanes;
    unsigned looked_at;
    unsigned count;
    struct nvme_namespace list[NVME_NAMESPACES_MAX];
};

/* Find and publish them. A namespace that cannot be used is left out with a line in the log. 0, or
 * an errno value if the controller does not answer. */
int nvme_namespaces_offer(struct nvme_controller *controller, struct nvme_lanes *lanes,
                          struct nvme_namespaces *namespaces);

/* Some of them came, went or changed. */
void nvme_namespaces_look(struct nvme_namespaces *namespaces);

/* Flush them all, in `limit` together. 0 or an errno value with a line in the log. */
int nvme_namespaces_flush(struct nvme_namespaces *namespaces, uint64_t limit);

#endif
