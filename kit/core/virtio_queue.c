/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Split virtqueues (2.7; in specification 1.1, 2.6).
 *
 * Memory of a queue: descriptors | available ring | used ring | indirect tables. The device may
 * write all of it, so what was put there is only ever overwritten: chains and free descriptors are
 * known from `chain`, which is ours alone.
 */
#include <string.h>

#include <kit/log.h>
#include <kit/virtio.h>

#include "virtio_layout.h"

enum { CACHE_LINE = 64 };

static size_t line_up(size_t size)
{
    return (size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}

/* 2.7.7: behind the available ring, written by us. */
static uint16_t *used_event(const struct virtio_queue *queue)
{
    return &queue->available->ring[queue->entries];
}

/* 2.7.10: behind the used ring, written by the device. */
static const uint16_t *available_event(const struct virtio_queue *queue)
{
    return (const uint16_t *)&queue->used->ring[queue->entries];
}

static uint16_t used_index(const struct virtio_queue *queue)
{
    return __atomic_load_n(&queue->used->index, __ATOMIC_ACQUIRE);
}

int virtio_queue_memory(struct virtio_queue *queue)
{
    size_t available = line_up(queue->entries * sizeof(struct virtio_descriptor));
    size_t used = available + line_up(sizeof(struct virtio_available) +
                                      (queue->entries + 1) * sizeof(queue->available->ring[0]));
    size_t tables =
        used + line_up(sizeof(struct virtio_used) + queue->entries * sizeof(queue->used->ring[0]) +
                       sizeof(uint16_t));
    size_t size = tables;
    bool indirect = queue->segments > 1 && virtio_has(queue->virtio, VIRTIO_F_INDIRECT_DESC);

    if (indirect)
        size += (size_t)queue->entries * queue->segments * sizeof(struct virtio_descriptor);
    int error = dma_buffer_create(queue->virtio->device, size, &queue->memory);
    if (error != 0)
        return error;
    unsigned char *memory = queue->memory.memory;
    queue->descriptors = (struct virtio_descriptor *)memory;
    queue->available = (struct virtio_available *)(memory + available);
    queue->used = (const struct virtio_used *)(memory + used);
    if (indirect)
        queue->tables = (struct virtio_descriptor *)(memory + tables);
    queue->tables_offset = tables;
    queue->has_event_index = virtio_has(queue->virtio, VIRTIO_F_EVENT_IDX);
    virtio_queue_clear(queue);
    return 0;
}

void virtio_queue_clear(struct virtio_queue *queue)
{
    memset(queue->memory.memory, 0, queue->memory.size);
    memset(queue->chain, 0, sizeof(queue->chain));
    for (unsigned i = 0; i < queue->entries; i++)
        queue->chain[i].next = (uint16_t)(i + 1);
    queue->free_count = queue->entries;
    queue->free = queue->put = queue->told = queue->taken = 0;
    if (!queue->handler)
        virtio_queue_disarm(queue);
}

/* A descriptor with all its flags, the one behind it named even where there is none. */
static inline void describe(struct virtio_descriptor *descriptor,
                            const struct virtio_segment *segment, unsigned flags, unsigned next)
{
    descriptor->address = segment->address;
    descriptor->length = segment->length;
    descriptor->flags = (uint16_t)flags;
    descriptor->next = (uint16_t)next;
}

/* 2.7.5.3: the chain is in a table of its own, which takes one descriptor. Returns the next free
 * descriptor, and counts the bytes that may be written. */
static inline uint16_t chain_indirect(struct virtio_queue *queue,
                                      const struct virtio_segment *segments, unsigned out,
                                      unsigned count, uint64_t *writable)
{
    size_t offset = (size_t)queue->free * queue->segments * sizeof(struct virtio_descriptor);
    struct virtio_descriptor *head = &queue->descriptors[queue->free];
    struct virtio_descriptor *at =
        (struct virtio_descriptor *)((unsigned char *)queue->tables + offset);
    unsigned next = 1;

    for (; next <= out; next++)
        describe(at++, segments++, VIRTIO_DESCRIPTOR_NEXT, next);
    for (; next <= count; next++) {
        *writable += segments->length;
        describe(at++, segments++, VIRTIO_DESCRIPTOR_NEXT | VIRTIO_DESCRIPTOR_WRITE, next);
    }
    at[-1].flags = out < count ? VIRTIO_DESCRIPTOR_WRITE : 0;
    head->address = queue->memory.address + queue->tables_offset + offset;
    head->length = (uint32_t)(count * sizeof(struct virtio_descriptor));
    head->flags = VIRTIO_DESCRIPTOR_INDIRECT;
    head->next = 0;
    return queue->chain[queue->free].next;
}

static uint16_t chain_direct(struct virtio_queue *queue, const struct virtio_segment *segments,
                             unsigned out, unsigned count, uint64_t *writable)
{
    uint16_t at = queue->free;

    for (unsigned i = 0; i < count; i++) {
        uint16_t next = queue->chain[at].next;
        unsigned flags =
            (i < out ? 0 : VIRTIO_DESCRIPTOR_WRITE) | (i + 1 < count ? VIRTIO_DESCRIPTOR_NEXT : 0);
        describe(&queue->descriptors[at], &segments[i], flags, next);
        *writable += i < out ? 0 : segments[i].length;
        at = next;
    }
    return at;
}

bool virtio_queue_add(struct virtio_queue *queue, const struct virtio_segment *segments,
                      unsigned out, unsigned in, void *token)
{
    unsigned count = out + in;
    bool indirect = queue->tables && count > 1;
    unsigned needed = indirect ? 1 : count;
    uint16_t head = queue->free;
    struct virtio_chain *chain = &queue->chain[head];
    uint64_t writable = 0;

    if (count == 0 || count > queue->segments || needed > queue->free_count)
        return false;
    queue->free = indirect ? chain_indirect(queue, segments, out, count, &writable)
                           : chain_direct(queue, segments, out, count, &writable);
    queue->free_count -= needed;
    chain->token = token;
    chain->writable = writable;
    chain->count = (uint16_t)needed;
    queue->available->ring[queue->put++ & (queue->entries - 1)] = head;
    return true;
}

/* Whether an index that went from `before` to `now` passed the one that the other side named. */
static bool is_passed(uint16_t event, uint16_t now, uint16_t before)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

void virtio_queue_kick(struct virtio_queue *queue)
{
    uint16_t before = queue->told;

    if (before == queue->put)
        return;
    queue->told = queue->put;
    __atomic_store_n(&queue->available->index, queue->put, __ATOMIC_RELEASE);
    /* 2.7.13.4.1: the device sees the chains before we see whether it wants to be told of them. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    bool wanted =
        queue->has_event_index
            ? is_passed(__atomic_load_n(available_event(queue), __ATOMIC_RELAXED), queue->put,
                        before)
            : !(__atomic_load_n(&queue->used->flags, __ATOMIC_RELAXED) & VIRTIO_NO_NOTIFY);
    if (wanted) /* 4.1.5.2 */
        regs_write16(&queue->virtio->notify.regs, queue->doorbell, (uint16_t)queue->index);
}

static void __attribute__((noreturn))
queue_broken(const struct virtio_queue *queue, const char *what, uint32_t value)
{
    log_error("queue %u: the device %s (%u)", queue->index, what, value);
    virtio_give_up(queue->virtio, "it broke the rules of its queue");
}

/* Back to the free ones, in the order in which they were taken. */
static void chain_free(struct virtio_queue *queue, uint16_t head)
{
    uint16_t last = head;

    for (unsigned i = 1; i < queue->chain[head].count; i++)
        last = queue->chain[last].next;
    queue->chain[last].next = queue->free;
    queue->free = head;
    queue->free_count += queue->chain[head].count;
    queue->chain[head].token = NULL;
}

void *virtio_queue_take(struct virtio_queue *queue, uint32_t *length)
{
    uint16_t ready = (uint16_t)(used_index(queue) - queue->taken);

    if (ready == 0)
        return NULL;
    if (ready > queue->entries)
        queue_broken(queue, "is done with more than the queue holds", ready);
    const struct virtio_used_entry *entry = &queue->used->ring[queue->taken & (queue->entries - 1)];
    uint32_t id = __atomic_load_n(&entry->id, __ATOMIC_RELAXED);
    *length = __atomic_load_n(&entry->length, __ATOMIC_RELAXED);
    if (id >= queue->entries)
        queue_broken(queue, "is done with a chain that cannot be", id);
    void *token = queue->chain[id].token;
    if (!token)
        queue_broken(queue, "is done with a chain that it does not have", id);
    if (*length > queue->chain[id].writable)
        queue_broken(queue, "wrote more bytes than there is room for", *length);
    queue->taken++;
    chain_free(queue, (uint16_t)id);
    return token;
}

bool virtio_queue_is_ready(const struct virtio_queue *queue)
{
    return __atomic_load_n(&queue->used->index, __ATOMIC_RELAXED) != queue->taken;
}

bool virtio_queue_arm(struct virtio_queue *queue, unsigned count)
{
    if (!queue->has_event_index) {
        __atomic_store_n(&queue->available->flags, 0, __ATOMIC_RELAXED);
        count = 1;
    } else {
        __atomic_store_n(used_event(queue), (uint16_t)(queue->taken + count - 1), __ATOMIC_RELAXED);
    }
    /* What the device was done with before it saw this raises no interrupt: look again. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return (uint16_t)(used_index(queue) - queue->taken) < count;
}

void virtio_queue_disarm(struct virtio_queue *queue)
{
    /* 2.7.7.1: with the event index the flags stay 0, and an index far ahead has the same effect
     * for as long. */
    if (queue->has_event_index)
        __atomic_store_n(used_event(queue), (uint16_t)(queue->taken + 0x8000), __ATOMIC_RELAXED);
    else
        __atomic_store_n(&queue->available->flags, VIRTIO_NO_INTERRUPT, __ATOMIC_RELAXED);
}
