/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An NVMe controller: bringing it up, putting it to rest (controller.c), and its admin commands
 * (admin.c), one at a time, waiting for each.
 *
 * What returns `int` returns 0 or an errno value with a line in the log. From an admin command: EIO
 * if the controller fails it, ETIMEDOUT or ENODEV if it does not answer.
 */
#ifndef DRIVER_NVME_CONTROLLER_H
#define DRIVER_NVME_CONTROLLER_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/clock.h>
#include <kit/device.h>
#include <kit/dma.h>

#include "layout.h"
#include "queue.h"

enum {
    NVME_PAGE = 4096, /* CC.MPS: the controller's memory page, which PRP entries count in */
    NVME_ADMIN_ENTRIES = 32,
    NVME_LANES = 4,                   /* clients with queues of their own */
    NVME_QUEUES = 1 + 2 * NVME_LANES, /* queue pairs at most: the admin queue's, two for each */
    NVME_SILENT = 0xffff,             /* no interrupt vector */
};

struct nvme {
    struct device *device;
    struct regs regs;
    uint64_t cap;
    unsigned queues; /* pairs whose doorbells are in the window */
    struct nvme_queue admin;
    uint16_t admin_id;
    struct dma_buffer page;   /* for what admin commands read */
    struct dma_buffer shadow; /* doorbells, and what the controller wants to hear of; or none */

    struct nvme_identify_controller identity;
    uint32_t max_transfer; /* bytes */
    bool read_only;        /* all its media are */

    bool event_asked; /* it is asked to tell of the next event (5.2) */
    uint32_t event;   /* that it told of */
    unsigned events_told;
    struct clock_timer event_timer;
    void (*namespaces_changed)(void *context); /* or null */
    void *event_context;
};

/* Reset, enable (7.6.1) and identify. ENOTSUP for a controller that this driver is not made for,
 * ETIMEDOUT if it does not become ready in the time that it names itself, EIO if it reports a fatal
 * status, ENODEV if nothing is there. */
int nvme_start(struct device *device, struct nvme *nvme);

/* Whether it has failed (CSTS.CFS) or is not there any more. */
bool nvme_is_dead(const struct nvme *nvme);

/* Orderly shutdown (7.6.2): everything in its cache becomes durable. Then it is disabled. */
void nvme_shutdown(struct nvme *nvme);

/* 5.15. `data` receives a copy of NVME_IDENTIFY_SIZE bytes, which the device cannot change. */
int nvme_admin_identify(struct nvme *nvme, unsigned cns, uint32_t namespace, void *data);

/* 5.14. A copy of the beginning of a log page about all namespaces. */
int nvme_admin_log(struct nvme *nvme, unsigned log, struct nvme_health_log *page);

/* 5.21. `result`, or null: what the controller answers. */
int nvme_admin_feature_set(struct nvme *nvme, unsigned feature, uint32_t value, uint32_t *result);

/* 5.7. Doorbells in memory, for the admin queue and for all that are made from now on, where the
 * operator wants them, the controller offers them and their slots fit its page. A controller that
 * fails what it offers is used without. */
int nvme_admin_shadow_begin(struct nvme *nvme);

/* 5.3, 5.4. Tell the controller of an I/O queue pair, whose completions raise `vector`, or
 * NVME_SILENT: nothing; 5.5, 5.6: it forgets it. */
int nvme_admin_queue_register(struct nvme *nvme, unsigned vector, const struct nvme_queue *queue);
int nvme_admin_queue_delete(struct nvme *nvme, const struct nvme_queue *queue);

/* 5.2. Have it tell of its health and of namespaces that come, go or change, as far as it can.
 * `changed` is called from the event loop. */
void nvme_admin_events_begin(struct nvme *nvme, void (*changed)(void *context), void *context);

/* Its interrupt came: take what nobody waits for. Whether there was any. */
bool nvme_admin_look(struct nvme *nvme);

#endif
