/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An NVMe controller: bringing it up and putting it to rest. Its admin commands are in admin.h.
 */
#ifndef DRIVER_NVME_CONTROLLER_H
#define DRIVER_NVME_CONTROLLER_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/device.h>
#include <kit/dma.h>

#include "command.h"
#include "queue.h"

enum {
    NVME_PAGE = 4096, /* CC.MPS: the controller's memory page, which PRP entries count in */
    NVME_LIST_ENTRIES = NVME_PAGE / sizeof(uint64_t), /* of a PRP list that fits one page */
    NVME_ADMIN_ENTRIES = 32,
    NVME_QUEUES = 9,       /* queue pairs at most: the admin queue's and those of the lanes */
    NVME_QUEUES_LEAST = 2, /* the admin queue's and one for I/O */
};

struct nvme_controller {
    struct device *device;
    struct regs regs;
    uint64_t cap;
    uint32_t version;
    unsigned queues;      /* pairs whose doorbells are in the window */
    uint64_t ready_limit; /* nanoseconds for CSTS.RDY to follow CC.EN */

    struct nvme_queue admin;
    struct dma_buffer page;   /* for identify data */
    struct dma_buffer shadow; /* doorbells, and what the controller wants to hear of */
    bool is_shadowed;
    uint16_t admin_id;
    unsigned admin_stray; /* completions for no admin command of ours */

    bool event_asked; /* it is asked to tell of the next event (5.2) */
    bool has_event;
    uint32_t event;                     /* that it told of */
    void (*event_heard)(void *context); /* or null */
    void *event_context;

    /* From identify controller. */
    char serial[20], model[40]; /* not ended */
    uint32_t max_transfer;      /* bytes */
    uint64_t shutdown_limit;    /* nanoseconds */
    uint32_t namespaces;        /* the largest namespace id */
    bool can_shadow;            /* OACS: doorbells in memory */
    uint16_t optional;          /* ONCS: commands that it knows */
    uint32_t events;            /* OAES: that it can tell of, beyond those that all can */
    bool volatile_cache;
    bool has_sgl;   /* of a read or write, the data may be described by an SGL (4.4) */
    bool read_only; /* all its media are */
};

/* Reset, enable (7.6.1) and identify. 0, or an errno value with a line in the log: ENOTSUP for a
 * controller that this driver is not made for, ETIMEDOUT if it does not become ready in the time
 * that it names itself, EIO if it reports a fatal status, ENODEV if nothing is there. */
int nvme_controller_start(struct device *device, struct nvme_controller *controller);

/* Whether it has given up (CSTS.CFS) or is not there any more. */
bool nvme_controller_is_dead(const struct nvme_controller *controller);

/* Tell it to stop where it is and to forget what was in flight. It may touch memory until it is
 * stopped, which it should be within ready_limit. */
void nvme_controller_disable(struct nvme_controller *controller);
bool nvme_controller_is_stopped(const struct nvme_controller *controller);

/* Orderly shutdown (7.6.2): everything in its cache becomes durable. Then disable it and wait until
 * it is stopped. 0, or an errno value if it is not: memory must stay its own. */
int nvme_controller_shutdown(struct nvme_controller *controller);

#endif
