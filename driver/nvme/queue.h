/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A submission queue and its completion queue (NVM Express 1.4, section 4).
 */
#ifndef DRIVER_NVME_QUEUE_H
#define DRIVER_NVME_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/dma.h>
#include <kit/regs.h>

#include "command.h"

struct nvme_queue {
    const struct regs *regs;
    unsigned id, entries;
    size_t tail_doorbell, head_doorbell;
    struct dma_buffer submissions, completions;
    unsigned tail, rung; /* next free submission; what the device was told */
    unsigned taken;      /* the device has fetched everything before this one */
    unsigned head, acknowledged;
    unsigned phase; /* that a new completion has */
};

/* Memory for both queues of `entries` each (2 to 4096). The controller is told of them elsewhere.
 */
int nvme_queue_create(struct device *device, const struct regs *regs, unsigned id, unsigned entries,
                      unsigned stride, struct nvme_queue *queue);

/* Put a command into the queue; false if it is full. The device sees it after the next kick. */
bool nvme_queue_submit(struct nvme_queue *queue, const struct nvme_command *command);

/* Ring the doorbell for everything submitted since the last time. */
void nvme_queue_kick(struct nvme_queue *queue);

/* Whether there is a completion to take (4.6). */
static inline bool nvme_queue_is_ready(const struct nvme_queue *queue)
{
    const volatile struct nvme_completion *entry =
        (const volatile struct nvme_completion *)queue->completions.memory + queue->head;

    return (entry->status & 1) == queue->phase;
}

/* Take the next completion; false if there is none. */
bool nvme_queue_complete(struct nvme_queue *queue, struct nvme_completion *completion);

/* Tell the device that the completions taken so far may be overwritten. */
void nvme_queue_acknowledge(struct nvme_queue *queue);

#endif
