/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "queue.h"

#include "registers.h"

int nvme_queue_create(struct device *device, const struct regs *regs, unsigned id, unsigned entries,
                      unsigned stride, struct nvme_queue *queue)
{
    *queue = (struct nvme_queue){
        .regs = regs,
        .id = id,
        .entries = entries,
        .tail_doorbell = NVME_DOORBELL_TAIL(id, stride),
        .head_doorbell = NVME_DOORBELL_HEAD(id, stride),
        .phase = 1, /* 4.6: the memory is zeroed, so a new entry is one with phase 1 */
    };
    int error =
        dma_buffer_create(device, entries * sizeof(struct nvme_command), &queue->submissions);
    if (error == 0)
        error = dma_buffer_create(device, entries * sizeof(struct nvme_completion),
                                  &queue->completions);
    return error;
}

bool nvme_queue_submit(struct nvme_queue *queue, const struct nvme_command *command)
{
    unsigned next = queue->tail + 1 == queue->entries ? 0 : queue->tail + 1;

    if (next == queue->taken) /* 4.1.2: full with one entry left empty */
        return false;
    ((struct nvme_command *)queue->submissions.memory)[queue->tail] = *command;
    queue->tail = next;
    return true;
}

void nvme_queue_kick(struct nvme_queue *queue)
{
    if (queue->rung == queue->tail)
        return;
    queue->rung = queue->tail;
    regs_write32(queue->regs, queue->tail_doorbell, queue->tail);
}

/* How far the device says it has fetched. It cannot be behind what it said before, nor ahead of
 * what it was told of: anything else is ignored, and `taken` stays true of entries we may
 * overwrite. */
static void head_take(struct nvme_queue *queue, uint16_t sq_head)
{
    unsigned told = (queue->rung + queue->entries - queue->taken) % queue->entries;

    if (sq_head < queue->entries &&
        (sq_head + queue->entries - queue->taken) % queue->entries <= told)
        queue->taken = sq_head;
}

bool nvme_queue_complete(struct nvme_queue *queue, struct nvme_completion *completion)
{
    const volatile struct nvme_completion *entry =
        (const volatile struct nvme_completion *)queue->completions.memory + queue->head;
    uint16_t status = entry->status;

    if ((status & 1) != queue->phase)
        return false;
    /* The phase was seen: the rest of the entry is there (4.6), and x86 does not read it earlier.
     */
    __atomic_signal_fence(__ATOMIC_ACQUIRE);
    *completion = (struct nvme_completion){
        .result = entry->result,
        .sq_head = entry->sq_head,
        .sq_id = entry->sq_id,
        .id = entry->id,
        .status = status,
    };
    head_take(queue, completion->sq_head);
    if (++queue->head == queue->entries) {
        queue->head = 0;
        queue->phase ^= 1;
    }
    return true;
}

void nvme_queue_acknowledge(struct nvme_queue *queue)
{
    if (queue->acknowledged == queue->head)
        return;
    queue->acknowledged = queue->head;
    regs_write32(queue->regs, queue->head_doorbell, queue->head);
}
