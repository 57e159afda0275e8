/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * NVMe: one controller, each of its active namespaces a block device.
 *
 *   registers.h, command.h   the specification's layouts
 *   queue.c                  submission and completion rings
 *   controller.c             bring-up and shutdown
 *   admin.c                  admin commands
 *   io.c                     block requests as commands
 *   lane.c                   queue pairs for each client
 *   namespace.c              what is offered to clients
 *   events.c                 what the controller tells by itself
 */
#include <kit/driver.h>
#include <kit/log.h>

#include "events.h"
#include "namespace.h"

#define STOP_LIMIT (5 * CLOCK_SECOND)

static struct nvme_controller controller;
static struct nvme_lanes lanes;
static struct nvme_namespaces namespaces;
static struct nvme_events events;

static int attach(struct device *device)
{
    int error = nvme_controller_start(device, &controller);

    if (error == 0)
        error = nvme_lanes_open(&controller, &lanes);
    if (error == 0)
        error = nvme_namespaces_offer(&controller, &lanes, &namespaces);
    if (error == 0)
        nvme_events_begin(&controller, &namespaces, &events);
    return error;
}

/* 7.6.2: let what is in flight end, delete the I/O queues, then notify. */
static void detach(void)
{
    nvme_events_end(&events);
    bool open = nvme_lanes_are_open(&lanes); /* it was not given up before */
    int error = open ? nvme_lanes_drain(&lanes, STOP_LIMIT) : 0;

    if (error != 0)
        log_warning("requests are still in flight: stopping all the same");
    else if (open)
        error = nvme_namespaces_flush(&namespaces, STOP_LIMIT);
    nvme_lanes_close(&lanes, open && error == 0);
    /* A controller that did not stop still owns the memory of what is in flight. */
    if (nvme_controller_shutdown(&controller) == 0)
        nvme_lanes_abandon(&lanes, BLOCK_STATUS_GONE);
    else
        log_error("the controller does not stop: the system has to reset it");
}

const struct driver driver = {
    .name = "nvme",
    .attach = attach,
    .detach = detach,
};
