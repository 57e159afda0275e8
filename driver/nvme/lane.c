/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lane.h"

#include <kit/device.h>
#include <kit/log.h>

#include "admin.h"

/* A lane's queue pairs; 0 is the admin queue's. */
#define IO_ID(lane)     (1 + 2 * (lane))
#define SILENT_ID(lane) (2 + 2 * (lane))
static_assert(SILENT_ID(NVME_LANES - 1) == NVME_QUEUES - 1, "the last one's doorbell is mapped");

static int lane_open(struct nvme_lanes *lanes, unsigned index)
{
    struct nvme_lane *lane = &lanes->lane[index];
    int error = nvme_io_open(lanes->controller, IO_ID(index), index, &lane->io);

    if (error == 0 && lanes->polled) {
        error = nvme_io_open(lanes->controller, SILENT_ID(index), NVME_SILENT, &lane->silent);
        if (error != 0)
            nvme_io_close(&lane->io);
    }
    return error;
}

/* One that is given up takes the others with it. */
static void lane_join(struct nvme_lanes *lanes, struct nvme_lane *lane)
{
    struct nvme_io *first = &lanes->lane[0].io;

    if (&lane->io != first)
        nvme_io_join(&lane->io, first);
    if (lanes->polled)
        nvme_io_join(&lane->silent, first);
}

int nvme_lanes_open(struct nvme_controller *controller, struct nvme_lanes *lanes)
{
    unsigned vectors = device_identity(controller->device)->vectors, queues = 0;
    int error = nvme_admin_queues_request(controller, controller->queues - 1, &queues);

    if (error != 0)
        return error;
    *lanes = (struct nvme_lanes){.controller = controller, .polled = queues >= 2, .most = 1};
    if (queues / 2 > 1 && vectors > 1)
        lanes->most = queues / 2 < vectors ? queues / 2 : vectors;
    error = lane_open(lanes, 0);
    if (error == 0) {
        lane_join(lanes, &lanes->lane[0]);
        lanes->count = 1;
    }
    return error;
}

void nvme_lanes_extend(struct nvme_lanes *lanes, unsigned client)
{
    while (client >= lanes->count && lanes->count < lanes->most && nvme_lanes_are_open(lanes)) {
        if (lane_open(lanes, lanes->count) != 0) {
            log_warning("clients share %u queues from now on", lanes->count);
            lanes->most = lanes->count;
            return;
        }
        lane_join(lanes, &lanes->lane[lanes->count]);
        lanes->count++;
    }
}

void nvme_lanes_kick(struct nvme_lanes *lanes)
{
    for (unsigned i = 0; i < lanes->count; i++) {
        nvme_io_kick(&lanes->lane[i].io);
        nvme_io_kick(&lanes->lane[i].silent);
    }
}

void nvme_lanes_poll(struct nvme_lanes *lanes)
{
    /* The other queues as well: their interrupts may be long in coming while we are busy. */
    for (unsigned i = 0; i < lanes->count; i++) {
        nvme_io_poll(&lanes->lane[i].silent);
        if (nvme_io_is_ready(&lanes->lane[i].io))
            nvme_io_poll(&lanes->lane[i].io);
    }
}

bool nvme_lanes_are_ready(const struct nvme_lanes *lanes)
{
    for (unsigned i = 0; i < lanes->count; i++) {
        if (nvme_io_is_ready(&lanes->lane[i].silent))
            return true;
    }
    return false;
}

bool nvme_lanes_are_open(const struct nvme_lanes *lanes)
{
    return lanes->lane[0].io.state == NVME_IO_OPEN;
}

int nvme_lanes_drain(struct nvme_lanes *lanes, uint64_t limit)
{
    uint64_t start = clock_now();
    int error = 0;

    for (unsigned i = 0; i < lanes->count && error == 0; i++) {
        uint64_t spent = clock_now() - start;
        error = nvme_io_drain(&lanes->lane[i].io, spent < limit ? limit - spent : 0);
        if (error == 0 && lanes->polled)
            error = nvme_io_drain(&lanes->lane[i].silent, spent < limit ? limit - spent : 0);
    }
    return error;
}

static void io_close(struct nvme_lanes *lanes, struct nvme_io *io, bool delete_queues)
{
    bool open = io->state == NVME_IO_OPEN;

    nvme_io_close(io);
    if (open && delete_queues)
        nvme_admin_queue_delete(lanes->controller, &io->queue);
}

void nvme_lanes_close(struct nvme_lanes *lanes, bool delete_queues)
{
    for (unsigned i = 0; i < lanes->count; i++) {
        io_close(lanes, &lanes->lane[i].io, delete_queues);
        io_close(lanes, &lanes->lane[i].silent, delete_queues);
    }
}

void nvme_lanes_abandon(struct nvme_lanes *lanes, enum block_status status)
{
    for (unsigned i = 0; i < lanes->count; i++) {
        nvme_io_abandon(&lanes->lane[i].io, status);
        nvme_io_abandon(&lanes->lane[i].silent, status);
    }
}
