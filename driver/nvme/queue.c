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
    struct nvme_command *room = nvme_queue_room(queue);

    if (!room)
        return false;
    *room = *command;
    nvme_queue_advance(queue);
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
static void fetched_take(struct nvme_queue *queue)
{
    unsigned told = (queue->rung + queue->entries - queue->taken) % queue->entries;

    if (queue->fetched < queue->entries &&
        (queue->fetched + queue->entries - queue->taken) % queue->entries <= told)
        queue->taken = queue->fetched;
}

void nvme_queue_acknowledge(struct nvme_queue *queue)
{
    if (queue->acknowledged == queue->head)
        return;
    fetched_take(queue);
    queue->acknowledged = queue->head;
    regs_write32(queue->regs, queue->head_doorbell, queue->head);
}
