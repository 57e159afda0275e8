/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "events.h"

#include <kit/log.h>

#include "admin.h"

/* A controller that tells without end is listened to now and then. */
#define PAUSE (100 * CLOCK_MILLISECOND)

enum { TOLD_MOST = 64 }; /* lines of the log */

/* 5.14.1.2, critical warning. */
static void health_tell(uint8_t warnings)
{
    static const char *const names[] = {
        "its spare space is low",
        "its temperature is out of range",
        "it is degraded, and what it stores may be lost",
        "its media are read-only from now on",
        "its cache is not backed up any more",
    };

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (warnings >> i & 1)
            log_warning("the controller warns: %s", names[i]);
    }
}

/* 5.2.1: reading the log page that the event names is what says that it was heard. */
static void handle(struct nvme_events *events)
{
    struct nvme_controller *controller = events->controller;
    uint32_t event = controller->event;
    unsigned type = event & 7, what = event >> 8 & 0xff, log = event >> 16 & 0xff;
    struct nvme_health_log page;

    controller->has_event = false;
    if (nvme_admin_log(controller, log, NVME_NAMESPACE_ALL, &page, sizeof(page)) != 0)
        return;
    if (type == NVME_EVENT_NOTICE && what == NVME_NOTICE_NAMESPACES)
        nvme_namespaces_look(events->namespaces);
    else if (events->told++ >= TOLD_MOST)
        return;
    else if (type == NVME_EVENT_HEALTH)
        health_tell(page.warning);
    else
        log_info("the controller tells of an event of type %u, %u", type, what);
}

static void timer_expired(void *context)
{
    struct nvme_events *events = context;

    if (!events->controller->has_event || !nvme_lanes_are_open(events->namespaces->lanes))
        return;
    handle(events);
    nvme_admin_event_request(events->controller);
}

static void heard(void *context)
{
    struct nvme_events *events = context;

    clock_timer_start(&events->timer, PAUSE, timer_expired, events);
}

void nvme_events_begin(struct nvme_controller *controller, struct nvme_namespaces *namespaces,
                       struct nvme_events *events)
{
    uint32_t wanted = NVME_EVENTS_HEALTH | (controller->events & NVME_EVENTS_NAMESPACES);

    *events = (struct nvme_events){.controller = controller, .namespaces = namespaces};
    controller->event_heard = heard;
    controller->event_context = events;
    if (nvme_admin_events_choose(controller, wanted) == 0)
        nvme_admin_event_request(controller);
}

void nvme_events_end(struct nvme_events *events)
{
    events->controller->event_heard = NULL;
    clock_timer_cancel(&events->timer);
}
