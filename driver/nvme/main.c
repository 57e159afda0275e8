/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <kit/driver.h>
#include <kit/log.h>

#include "nvme.h"

#define STOP_LIMIT (5 * CLOCK_SECOND)

static struct nvme nvme;

static int attach(struct device *device)
{
    int error = nvme_start(device, &nvme);

    if (error == 0)
        error = nvme_io_open(&nvme);
    if (error == 0)
        error = nvme_namespaces_look(&nvme);
    if (error != 0)
        return error;
    if (nvme.namespace_count == 0)
        log_warning("%s has no namespace that can be used", device_name(device));
    nvme_admin_events_begin(&nvme, nvme_namespaces_look);
    return 0;
}

/* 7.6.2: let what is in flight end, have the queues deleted, then notify. */
static void detach(void)
{
    bool is_idle = block_stop(STOP_LIMIT);

    if (is_idle)
        nvme_io_close(&nvme);
    nvme_shutdown(&nvme);
    if (!is_idle)
        block_give_up("requests are still in flight");
}

const struct driver driver = {
    .name = "nvme",
    .attach = attach,
    .detach = detach,
};
