/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Lanes: what each client has of the controller, a queue pair that interrupts with a vector of its
 * own and one that is polled. The controller takes commands from its submission queues in turn
 * (4.13), so a client with many requests does not stand in front of another with few. Where there
 * are more clients than lanes, they share.
 */
#ifndef DRIVER_NVME_LANE_H
#define DRIVER_NVME_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "io.h"

enum { NVME_LANES = 4 };

struct nvme_lane {
    struct nvme_io io, silent; /* silent: closed if the controller has too few queues */
};

struct nvme_lanes {
    struct nvme_controller *controller;
    bool polled;          /* there are silent queues */
    unsigned count, most; /* open; that the controller and its vectors allow */
    struct nvme_lane lane[NVME_LANES];
};

/* The first one. 0 or an errno value with a line in the log. */
int nvme_lanes_open(struct nvme_controller *controller, struct nvme_lanes *lanes);

/* There is a client of this number: it gets a lane, or shares one if there are no more. */
void nvme_lanes_extend(struct nvme_lanes *lanes, unsigned client);

/* As in struct block_device_ops; several namespaces share the lanes. */
static inline bool nvme_lanes_submit(struct nvme_lanes *lanes, uint32_t namespace,
                                     struct block_request *request)
{
    struct nvme_lane *lane = &lanes->lane[request->client % lanes->count];

    return nvme_io_submit(request->silent ? &lane->silent : &lane->io, namespace, request);
}

void nvme_lanes_kick(struct nvme_lanes *lanes);
void nvme_lanes_poll(struct nvme_lanes *lanes);
bool nvme_lanes_are_ready(const struct nvme_lanes *lanes);

/* Whether the controller was not given up. */
bool nvme_lanes_are_open(const struct nvme_lanes *lanes);

/* Wait until nothing is in flight. 0 or ETIMEDOUT. */
int nvme_lanes_drain(struct nvme_lanes *lanes, uint64_t limit);

/* Take no more requests, and have the controller delete the queues (7.6.2) if it is asked to. */
void nvme_lanes_close(struct nvme_lanes *lanes, bool delete_queues);

/* The controller is stopped: fail what is in flight. */
void nvme_lanes_abandon(struct nvme_lanes *lanes, enum block_status status);

#endif
