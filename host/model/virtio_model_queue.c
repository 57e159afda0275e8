/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Split virtqueues from the device's side (2.7).
 */
#include <stdlib.h>
#include <string.h>

#include "virtio_model.h"

enum { NEXT = 1, WRITE = 2, INDIRECT = 4, INDIRECT_DESC = 28, EVENT_IDX = 29 };

struct entry {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};

static uint16_t half_read(uint64_t address)
{
    uint16_t value = 0;

    model_memory_read(address, &value, sizeof(value));
    return value;
}

static bool segment_add(struct virtio_model_chain *chain, const struct entry *entry)
{
    unsigned count = chain->out + chain->in;

    if (count == VIRTIO_MODEL_SEGMENTS || entry->length == 0) {
        model_violation("a chain with %u segments, the last of %u bytes", count, entry->length);
        return false;
    }
    if (!(entry->flags & WRITE) && chain->in > 0)
        model_violation("a segment to read behind one to write"); /* 2.7.4.2 */
    chain->segment[count].address = entry->address;
    chain->segment[count].length = entry->length;
    *(entry->flags & WRITE ? &chain->in : &chain->out) += 1;
    return true;
}

/* Entries of a table, from `at` on; a table of `count`. */
static void table_walk(struct virtio_model *model, struct virtio_model_chain *chain, uint64_t table,
                       unsigned count, unsigned at, bool is_indirect)
{
    const struct virtio_model_queue *queue = &model->queue[chain->queue];
    struct entry entry;

    for (unsigned steps = 0; at < count && steps < count; steps++) {
        if (!model_memory_read(table + at * sizeof(entry), &entry, sizeof(entry)))
            return;
        if (entry.flags & INDIRECT) { /* 2.7.5.3 */
            if (is_indirect || steps > 0 || (entry.flags & NEXT) || entry.length % sizeof(entry) ||
                entry.length / sizeof(entry) > queue->size ||
                !virtio_model_has(model, INDIRECT_DESC)) {
                model_violation("a table of %u bytes where none may be", entry.length);
                return;
            }
            table_walk(model, chain, entry.address, entry.length / sizeof(entry), 0, true);
            return;
        }
        if (!segment_add(chain, &entry) || !(entry.flags & NEXT))
            return;
        at = entry.next;
    }
    model_violation("a chain that goes on at %u of %u", at, count);
}

static struct virtio_model_chain *chain_allocate(struct virtio_model *model, unsigned queue,
                                                 uint16_t head)
{
    struct virtio_model_chain *free = NULL;
    unsigned seen = 0;

    for (unsigned i = 0; i < VIRTIO_MODEL_CHAINS && (seen < model->in_flight || !free); i++) {
        struct virtio_model_chain *chain = &model->chain[i];
        seen += chain->exists;
        if (!chain->exists)
            free = free ? free : chain;
        else if (chain->queue == queue && chain->head == head)
            model_violation("chain %u is given twice", head);
    }
    return free;
}

static void fetch_one(struct virtio_model *model, unsigned id)
{
    struct virtio_model_queue *queue = &model->queue[id];
    uint16_t head = half_read(queue->available + 4 + queue->seen % queue->size * 2);
    struct virtio_model_chain *chain = chain_allocate(model, id, head);

    queue->seen++;
    if (!chain || head >= queue->size) {
        model_violation("chain %u of queue %u", head, id);
        return;
    }
    *chain = (struct virtio_model_chain){
        .exists = true, .queue = id, .head = head, .due = model_time() + model->chain_time};
    model->in_flight++;
    if (model->in_flight > model->most_in_flight)
        model->most_in_flight = model->in_flight;
    table_walk(model, chain, queue->descriptors, queue->size, head, false);
    if (chain->out + chain->in > model->longest_chain)
        model->longest_chain = chain->out + chain->in;
    if (model->scribbles) {
        static const struct entry nonsense = {UINT64_MAX - 99, 77, NEXT | INDIRECT, 0xfff0};
        model_memory_write(queue->descriptors + head * sizeof(nonsense), &nonsense,
                           sizeof(nonsense));
    }
}

/* Only when it was notified, and it says from when on it wants to be again (2.7.10). */
static void fetch(struct virtio_model *model, unsigned id)
{
    struct virtio_model_queue *queue = &model->queue[id];
    uint16_t index;

    if (!queue->enabled || !queue->notified)
        return;
    queue->notified = false;
    while ((index = half_read(queue->available + 2)) != queue->seen) {
        if ((uint16_t)(index - queue->seen) > queue->size) {
            model_violation("%u chains in a queue of %u", (uint16_t)(index - queue->seen),
                            queue->size);
            return;
        }
        fetch_one(model, id);
        if (virtio_model_has(model, EVENT_IDX))
            model_memory_write(queue->used + 4 + queue->size * UINT64_C(8), &queue->seen, 2);
    }
}

static void used_put(struct virtio_model_queue *queue, uint32_t id, uint32_t length)
{
    uint32_t entry[2] = {id, length};

    model_memory_write(queue->used + 4 + queue->put % queue->size * UINT64_C(8), entry,
                       sizeof(entry));
    queue->put++;
    model_memory_write(queue->used + 2, &queue->put, sizeof(queue->put));
}

/* 2.7.7.2 */
static void interrupt(struct virtio_model *model, struct virtio_model_queue *queue)
{
    uint16_t before = queue->told, flags = half_read(queue->available);
    uint16_t event = half_read(queue->available + 4 + queue->size * UINT64_C(2));
    bool wanted = !(flags & 1);

    if (virtio_model_has(model, EVENT_IDX)) {
        if (flags != 0)
            model_violation("flags %x beside the event index", flags);
        wanted = (uint16_t)(queue->put - event - 1) < (uint16_t)(queue->put - before);
    }
    queue->told = queue->put;
    model->interrupts += wanted;
    if (wanted)
        virtio_model_raise(model, queue->vector, 1);
}

/* A chain that the device does not have, and that did not come back just now either. */
static uint32_t id_idle(const struct virtio_model *model, unsigned queue, uint16_t own)
{
    unsigned id = model->queue[queue].size;
    bool busy = true;

    while (busy && id-- > 0) {
        busy = id == own;
        for (unsigned i = 0; i < VIRTIO_MODEL_CHAINS && !busy; i++)
            busy = model->chain[i].exists && model->chain[i].queue == queue &&
                   model->chain[i].head == id;
    }
    if (busy) { /* the test's mistake, which must not pass for the driver's answer to the fault */
        model_violation("there is no chain that the device does not have: it has all of queue %u",
                        queue);
        abort();
    }
    return id;
}

/* The chain goes back, with the fault that was ordered. */
static void give_back(struct virtio_model *model, const struct virtio_model_chain *chain,
                      uint32_t written)
{
    struct virtio_model_queue *queue = &model->queue[chain->queue];
    enum virtio_model_fault fault = model->fault;
    uint32_t id = chain->head;

    model->fault = VIRTIO_MODEL_FAULT_NONE;
    switch (fault) {
    case VIRTIO_MODEL_FAULT_LOST:
        return;
    case VIRTIO_MODEL_FAULT_DUPLICATE:
        used_put(queue, id, written);
        break;
    case VIRTIO_MODEL_FAULT_HUGE_ID:
        id = queue->size;
        break;
    case VIRTIO_MODEL_FAULT_IDLE_ID:
        id = id_idle(model, chain->queue, chain->head);
        break;
    case VIRTIO_MODEL_FAULT_LONG:
        written = (uint32_t)virtio_model_writable(chain) + 1;
        break;
    case VIRTIO_MODEL_FAULT_SHORT:
        written--;
        break;
    case VIRTIO_MODEL_FAULT_JUMP:
        queue->put = (uint16_t)(queue->put + queue->size);
        break;
    case VIRTIO_MODEL_FAULT_NONE:
        break;
    }
    used_put(queue, id, written);
}

void virtio_model_queues_step(struct virtio_model *model)
{
    for (unsigned id = 0; id < model->queues; id++)
        fetch(model, id);
    for (unsigned i = 0, left = model->in_flight; left > 0 && i < VIRTIO_MODEL_CHAINS; i++) {
        struct virtio_model_chain *chain =
            &model->chain[model->reversed ? VIRTIO_MODEL_CHAINS - 1 - i : i];
        left -= chain->exists;
        if (!chain->exists || chain->due > model_time() ||
            (model->ready && !model->ready(model, chain)))
            continue;
        struct virtio_model_chain copy = *chain;
        chain->exists = false;
        model->in_flight--;
        give_back(model, &copy, model->execute(model, &copy));
        interrupt(model, &model->queue[copy.queue]);
    }
}

static uint64_t total(const struct virtio_model_chain *chain, unsigned from, unsigned to)
{
    uint64_t length = 0;

    while (from < to)
        length += chain->segment[from++].length;
    return length;
}

uint64_t virtio_model_readable(const struct virtio_model_chain *chain)
{
    return total(chain, 0, chain->out);
}

uint64_t virtio_model_writable(const struct virtio_model_chain *chain)
{
    return total(chain, chain->out, chain->out + chain->in);
}

/* Where `offset` is among the segments [*at, end), which becomes the offset in *at. */
static bool place_find(const struct virtio_model_chain *chain, unsigned *at, unsigned end,
                       uint64_t *offset)
{
    while (*at < end && *offset >= chain->segment[*at].length)
        *offset -= chain->segment[(*at)++].length;
    return *at < end;
}

static size_t piece_size(const struct virtio_model_chain *chain, unsigned at, uint64_t offset,
                         size_t size)
{
    uint64_t left = chain->segment[at].length - offset;

    return size < left ? size : (size_t)left;
}

bool virtio_model_get(const struct virtio_model_chain *chain, uint64_t offset, void *data,
                      size_t size)
{
    unsigned at = 0;

    while (size > 0) {
        if (!place_find(chain, &at, chain->out, &offset))
            return false;
        size_t piece = piece_size(chain, at, offset, size);
        if (!model_memory_read(chain->segment[at].address + offset, data, piece))
            return false;
        data = (char *)data + piece;
        offset += piece;
        size -= piece;
    }
    return true;
}

bool virtio_model_put(const struct virtio_model_chain *chain, uint64_t offset, const void *data,
                      size_t size)
{
    unsigned at = chain->out;

    while (size > 0) {
        if (!place_find(chain, &at, chain->out + chain->in, &offset))
            return false;
        size_t piece = piece_size(chain, at, offset, size);
        if (!model_memory_write(chain->segment[at].address + offset, data, piece))
            return false;
        data = (const char *)data + piece;
        offset += piece;
        size -= piece;
    }
    return true;
}
