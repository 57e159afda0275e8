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

#include "layout.h"

/* Where the device is told how far we are. With shadow doorbells (7.13) memory says it, and the
 * register is written only when the device wants to be woken: `event` is its own word. */
struct nvme_doorbell {
    size_t offset;                  /* of the register */
    uint32_t *shadow;               /* or null: there is but the register */
    const volatile uint32_t *event; /* or null: the register is written each time */
};

struct nvme_queue {
    const struct regs *regs;
    unsigned id, entries;
    struct nvme_doorbell tail_doorbell, head_doorbell;
    struct dma_buffer submissions, completions;
    unsigned tail, rung; /* next free submission; what the device was told */
    unsigned taken;      /* the device has fetched everything before this one */
    unsigned fetched;    /* what it says of that, not checked yet */
    unsigned head, acknowledged;
    unsigned phase; /* that a new completion has */
};

/* Memory for both queues of `entries` each (2 to 4096). The controller is told of them elsewhere.
 */
int nvme_queue_create(struct device *device, const struct regs *regs, unsigned id, unsigned entries,
                      unsigned stride, struct nvme_queue *queue);

/* From now on use the shadow doorbells in `pages`: the first has what we say, the second (EventIdx)
 * what the device wants to hear of, both laid out as the registers are (5.7). */
enum { NVME_SHADOW_SIZE = 4096 }; /* bytes of each */
void nvme_queue_shadow(struct nvme_queue *queue, void *pages);

/* Where the next command goes, for who fills it in place: nothing but what was put there before is
 * in it, and in the beginning it is zero. Null: the queue is full (4.1.2: with one left empty). */
static inline struct nvme_command *nvme_queue_room(const struct nvme_queue *queue)
{
    unsigned next = queue->tail + 1 == queue->entries ? 0 : queue->tail + 1;

    return next == queue->taken ? NULL
                                : (struct nvme_command *)queue->submissions.memory + queue->tail;
}

/* It is filled. The device sees it after the next kick. */
static inline void nvme_queue_advance(struct nvme_queue *queue)
{
    queue->tail = queue->tail + 1 == queue->entries ? 0 : queue->tail + 1;
}

/* Put a command into the queue; false if it is full. */
bool nvme_queue_submit(struct nvme_queue *queue, const struct nvme_command *command);

/* Tell the device of everything submitted since the last time. */
void nvme_queue_kick(struct nvme_queue *queue);

/* Whether there is a completion to take (4.6). */
static inline bool nvme_queue_is_ready(const struct nvme_queue *queue)
{
    const volatile struct nvme_completion *entry =
        (const volatile struct nvme_completion *)queue->completions.memory + queue->head;

    return (entry->status & 1) == queue->phase;
}

/* Take the next completion; false if there is none. */
static inline bool nvme_queue_complete(struct nvme_queue *queue, struct nvme_completion *completion)
{
    const volatile struct nvme_completion *entry =
        (const volatile struct nvme_completion *)queue->completions.memory + queue->head;
    uint16_t status = entry->status;

    if ((status & 1) != queue->phase)
        return false;
    /* The phase was seen: the rest of the entry is there (4.6), and x86 does not read it earlier.
     */
    __atomic_signal_fence(__ATOMIC_ACQUIRE);
    completion->result = entry->result;
    completion->sq_head = entry->sq_head;
    completion->sq_id = entry->sq_id;
    completion->id = entry->id;
    completion->status = status;
    queue->fetched = completion->sq_head;
    if (++queue->head == queue->entries) {
        queue->head = 0;
        queue->phase ^= 1;
    }
    return true;
}

/* Tell the device that the completions taken so far may be overwritten, and take from them how many
 * commands it has fetched. */
void nvme_queue_acknowledge(struct nvme_queue *queue);

#endif
