/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An NVMe controller: bringing it up, admin commands, putting it to rest.
 */
#ifndef DRIVER_NVME_CONTROLLER_H
#define DRIVER_NVME_CONTROLLER_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/device.h>
#include <kit/dma.h>

#include "command.h"
#include "queue.h"

enum { NVME_PAGE = 4096, NVME_ADMIN_ENTRIES = 32 };

struct nvme_controller {
    struct device *device;
    struct regs regs;
    uint64_t cap;
    uint32_t version;
    struct nvme_queue admin;
    struct dma_buffer page; /* for identify data */
    unsigned admin_stray;   /* completions for no admin command of ours */
    uint16_t admin_id;

    /* From identify controller. */
    char serial[32], model[48];
    uint64_t max_transfer; /* bytes */
    uint64_t shutdown_limit; /* nanoseconds */
    uint32_t namespaces;
    bool volatile_cache;
};

/* Reset, enable (3.5.1 and 7.6.1) and identify. 0 or an errno value with a line in the log:
 * ETIMEDOUT if it does not become ready in the time that it names itself. */
int nvme_controller_start(struct device *device, struct nvme_controller *controller);

/* Run an admin command and wait. 0, EIO if the controller fails it, ETIMEDOUT. `result` may be null. */
int nvme_controller_admin(struct nvme_controller *controller, const struct nvme_command *command,
                          uint32_t *result);

/* Identify into controller->page. */
int nvme_controller_identify(struct nvme_controller *controller, unsigned cns, uint32_t namespace);

/* Make an I/O queue pair whose completions raise `vector`. */
int nvme_controller_queue(struct nvme_controller *controller, unsigned id, unsigned entries,
                          unsigned vector, struct nvme_queue *queue);

/* Whether it has given up (CSTS.CFS) or is not there any more. */
bool nvme_controller_is_dead(const struct nvme_controller *controller);

/* Stop it where it is; it forgets what was in flight and touches memory no more. */
void nvme_controller_disable(struct nvme_controller *controller);

/* Orderly shutdown (7.6.2): everything in its cache becomes durable. 0 or ETIMEDOUT. */
int nvme_controller_shutdown(struct nvme_controller *controller);

#endif
