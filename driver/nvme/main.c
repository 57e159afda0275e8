/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * NVMe: one controller, each of its active namespaces a block device.
 *
 *   layout.h       the specification's layouts
 *   queue.c        submission and completion rings
 *   controller.c   bring-up and shutdown
 *   admin.c        admin commands, and what the controller tells by itself
 *   io.c           block requests as commands, in queue pairs for each client
 *   namespace.c    what is offered to clients
 */
#include <kit/driver.h>
#include <kit/log.h>

#include "namespace.h"

#define STOP_LIMIT (5 * CLOCK_SECOND)

static struct nvme nvme;
static struct nvme_io io;
static struct nvme_namespaces namespaces = {.io = &io};

static void namespaces_changed(void *context)
{
    (void)context;
    nvme_namespaces_look(&namespaces);
}

static int attach(struct device *device)
{
    int error = nvme_start(device, &nvme);

    namespaces.count = 0;
    if (error == 0)
        error = nvme_io_open(&nvme, &io);
    if (error == 0)
        error = nvme_namespaces_look(&namespaces);
    if (error != 0)
        return error;
    if (namespaces.count == 0)
        log_warning("%s has no namespace that can be used", device_name(device));
    nvme_admin_events_begin(&nvme, namespaces_changed, NULL);
    return 0;
}

/* 7.6.2: let what is in flight end, have the queues deleted, then notify. */
static void detach(void)
{
    bool is_idle = block_stop(STOP_LIMIT);

    if (is_idle)
        nvme_io_close(&io);
    nvme_shutdown(&nvme);
    if (!is_idle)
        block_give_up("requests are still in flight");
}

const struct driver driver = {
    .name = "nvme",
    .attach = attach,
    .detach = detach,
};
