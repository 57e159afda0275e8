/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * NVMe: one controller, each of its active namespaces a block device.
 *
 *   registers.h, command.h   the specification's layouts
 *   queue.c                  submission and completion rings
 *   controller.c             bring-up and shutdown
 *   admin.c                  admin commands
 *   io.c                     block requests as commands
 *   namespace.c              what is offered to clients
 */
#include <kit/driver.h>
#include <kit/log.h>

#include "admin.h"
#include "namespace.h"

/* One queue pair that interrupts and one that is polled. */
enum { IO_QUEUE = 1, SILENT_QUEUE = 2, IO_VECTOR = 0 };

#define STOP_LIMIT (5 * CLOCK_SECOND)

static struct nvme_controller controller;
static struct nvme_io io, silent;
static struct nvme_namespaces namespaces;

static int attach(struct device *device)
{
    unsigned queues = 0;
    int error = nvme_controller_start(device, &controller);

    if (error == 0)
        error = nvme_admin_queues_request(&controller, SILENT_QUEUE, &queues);
    if (error == 0)
        error = nvme_io_open(&controller, IO_QUEUE, IO_VECTOR, &io);
    if (error == 0 && queues >= SILENT_QUEUE)
        error = nvme_io_open(&controller, SILENT_QUEUE, NVME_SILENT, &silent);
    io.sibling = &silent;
    silent.sibling = &io;
    if (error == 0)
        error = nvme_namespaces_offer(&controller, &io,
                                      silent.state == NVME_IO_OPEN ? &silent : NULL, &namespaces);
    return error;
}

/* 7.6.2: let what is in flight end, delete the I/O queues, then notify. */
static void detach(void)
{
    bool open = io.state == NVME_IO_OPEN; /* it was not given up before */
    int error = open ? nvme_io_drain(&io, STOP_LIMIT) : 0;

    if (error == 0 && silent.state == NVME_IO_OPEN)
        error = nvme_io_drain(&silent, STOP_LIMIT);
    if (error != 0)
        log_warning("requests are still in flight: stopping all the same");
    else if (open)
        error = nvme_namespaces_flush(&namespaces, STOP_LIMIT);
    nvme_io_close(&io);
    if (open && error == 0) {
        nvme_admin_queue_delete(&controller, &io.queue);
        if (silent.state == NVME_IO_OPEN)
            nvme_admin_queue_delete(&controller, &silent.queue);
    }
    nvme_io_close(&silent);
    /* A controller that did not stop still owns the memory of what is in flight. */
    if (nvme_controller_shutdown(&controller) == 0) {
        nvme_io_abandon(&io, BLOCK_STATUS_GONE);
        nvme_io_abandon(&silent, BLOCK_STATUS_GONE);
    } else {
        log_error("the controller does not stop: the system has to reset it");
    }
}

const struct driver driver = {
    .name = "nvme",
    .attach = attach,
    .detach = detach,
};
