/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the controller tells by itself (5.2): namespaces that come, go or change, media that fail.
 */
#ifndef DRIVER_NVME_EVENTS_H
#define DRIVER_NVME_EVENTS_H

#include "namespace.h"

struct nvme_events {
    struct nvme_controller *controller;
    struct nvme_namespaces *namespaces;
    struct clock_timer timer;
    unsigned told; /* lines of the log */
};

/* Ask to be told from now on, of what the controller can tell. */
void nvme_events_begin(struct nvme_controller *controller, struct nvme_namespaces *namespaces,
                       struct nvme_events *events);

/* What is told is of no interest any more. */
void nvme_events_end(struct nvme_events *events);

#endif
