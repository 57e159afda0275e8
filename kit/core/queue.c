/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <kit/core/queue.h>

void queue_init(struct queue *queue, void *own, const void *others, uint32_t entries)
{
    *queue = (struct queue){
        .own = own,
        .others = others,
        .out = (unsigned char *)own + QUEUE_ENTRIES_OFFSET,
        .in = (const unsigned char *)others + QUEUE_ENTRIES_OFFSET,
        .mask = entries - 1,
    };
}

bool queue_sleep(struct queue *queue)
{
    __atomic_store_n(&queue->own->asleep, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&queue->others->published, __ATOMIC_SEQ_CST) == queue->taken)
        return true;
    queue_awake(queue);
    return false;
}
