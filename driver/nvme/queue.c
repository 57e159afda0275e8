/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "queue.h"

#include "layout.h"

int nvme_queue_create(struct device *device, const struct regs *regs, unsigned id, unsigned entries,
                      unsigned stride, struct nvme_queue *queue)
{
    *queue = (struct nvme_queue){
        .regs = regs,
        .id = id,
        .entries = entries,
        .tail_doorbell = {.offset = NVME_DOORBELL_TAIL(id, stride)},
        .head_doorbell = {.offset = NVME_DOORBELL_HEAD(id, stride)},
        .phase = 1, /* 4.6: the memory is zeroed, so a new entry is one with phase 1 */
    };
    int error =
        dma_buffer_create(device, entries * sizeof(struct nvme_command), &queue->submissions);
    if (error == 0)
        error = dma_buffer_create(device, entries * sizeof(struct nvme_completion),
                                  &queue->completions);
    return error;
}

/* 7.13: the admin queue's registers are written all the same. */
static void shadow_begin(struct nvme_doorbell *doorbell, void *pages, bool is_admin, unsigned now)
{
    size_t slot = (doorbell->offset - NVME_DOORBELLS) / sizeof(uint32_t);

    doorbell->shadow = (uint32_t *)pages + slot;
    doorbell->event =
        is_admin ? NULL : (uint32_t *)pages + NVME_SHADOW_SIZE / sizeof(uint32_t) + slot;
    __atomic_store_n(doorbell->shadow, now, __ATOMIC_RELAXED);
}

void nvme_queue_shadow(struct nvme_queue *queue, void *pages)
{
    shadow_begin(&queue->tail_doorbell, pages, queue->id == 0, queue->rung);
    shadow_begin(&queue->head_doorbell, pages, queue->id == 0, queue->acknowledged);
}

/* Whether the device wants to hear of the step over `event`, from `before` to `now`. The
 * differences are those of 16 bits: the positions wrap earlier, and what lies between is no
 * position. Whatever the device says, the worst is a write too many, or none: then commands are not
 * completed, and the watch gives the device up. */
static bool is_wanted(unsigned event, unsigned before, unsigned now)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

static inline void doorbell_ring(const struct nvme_queue *queue,
                                 const struct nvme_doorbell *doorbell, unsigned before,
                                 unsigned now)
{
    if (doorbell->shadow) {
        __atomic_store_n(doorbell->shadow, now, __ATOMIC_RELEASE);
        if (doorbell->event) {
            /* The device writes its word, then looks here again; we write, then look at its word:
             * one of us sees the other's. */
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
            if (!is_wanted(*doorbell->event, before, now))
                return;
        }
    }
    regs_write32(queue->regs, doorbell->offset, now);
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
    doorbell_ring(queue, &queue->tail_doorbell, queue->rung, queue->tail);
    queue->rung = queue->tail;
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
    doorbell_ring(queue, &queue->head_doorbell, queue->acknowledged, queue->head);
    queue->acknowledged = queue->head;
}
