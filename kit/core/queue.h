/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One end of a queue in shared memory (interface/queue.h): it puts entries into the ring that is
 * its own, and takes entries from the ring of the other end, whom it does not trust.
 *
 * An end is used by one thread. A wakeup is sent only to a side that sleeps:
 *
 *     who puts                              who takes
 *     queue_put ... queue_put               queue_take until it returns 0
 *     if (queue_publish) send a wakeup      if (queue_sleep) wait for a wakeup; queue_awake
 *
 * The two `if`s are the whole protocol. queue_publish makes the entries visible and then looks
 * whether the other side sleeps; queue_sleep says that this side sleeps and then looks whether
 * there are entries. Each is a store followed by a load of what the other one stores, so both need
 * a full fence in between: were they only a release and an acquire, the processor might do the load
 * first on both sides, and the last entry would lie there with its reader asleep. A wakeup that
 * comes without need does no harm; wakeups may be lost only if a later one is sent.
 *
 * Whoever takes copies an entry once and checks the copy. What the other side says of itself (how
 * much it published) is checked here: more than the ring holds is EPROTO, and the queue is of no
 * further use. test/model/queue.pml has the protocol as a model, test/unit/queue_test.c runs this
 * code between two processes.
 */
#ifndef KIT_CORE_QUEUE_H
#define KIT_CORE_QUEUE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <interface/queue.h>

struct queue {
    struct queue_side *own;          /* mapped read-write */
    const struct queue_side *others; /* mapped read-only; may change at any moment */
    unsigned char *out;
    const unsigned char *in;
    uint32_t mask; /* entries in each ring, less one */
    uint32_t put, taken;
    uint32_t seen; /* what the other side had published when we last looked */
};

/* Bytes of memory for one side with `entries` entries of `entry_size` bytes. */
static inline size_t queue_memory_size(uint32_t entries, size_t entry_size)
{
    return QUEUE_ENTRIES_OFFSET + entries * entry_size;
}

/* `own` and `others` are zeroed memory of queue_memory_size(entries, ...) bytes for the size of the
 * entries that each side writes; `entries` is a power of two. */
void queue_init(struct queue *queue, void *own, const void *others, uint32_t entries);

/* Put an entry into the ring, not yet to be seen. The caller makes sure that there is room: it has
 * fewer than `entries` put that were not answered. `size` is always that of this side's entries; a
 * constant, it makes the copy a few moves (freestanding code has no memcpy that the compiler
 * knows).
 */
static inline void queue_put(struct queue *queue, const void *entry, size_t size)
{
    __builtin_memcpy(queue->out + (queue->put++ & queue->mask) * size, entry, size);
}

/* Put `count` entries that lie one behind the other. */
static inline void queue_put_all(struct queue *queue, const void *entries, unsigned count,
                                 size_t size)
{
    for (const unsigned char *from = entries; count > 0; count--, from += size)
        queue_put(queue, from, size);
}

/* Where the next entry goes, for who writes it there; and that so many were, in turn. */
static inline void *queue_place(const struct queue *queue, size_t size)
{
    return queue->out + (queue->put & queue->mask) * size;
}

static inline void queue_put_in_place(struct queue *queue, unsigned count)
{
    queue->put += count;
}

/* Make everything put so far visible. True: the other side sleeps and has to be woken. */
static inline bool queue_publish(struct queue *queue)
{
    if (__atomic_load_n(&queue->own->published, __ATOMIC_RELAXED) == queue->put)
        return false;
    /* Sequentially consistent: the entries before it, and the load below after it. */
    __atomic_store_n(&queue->own->published, queue->put, __ATOMIC_SEQ_CST);
    return __atomic_load_n(&queue->others->asleep, __ATOMIC_SEQ_CST) != 0;
}

/* Entries that can be taken now: at most the ring's length, or EPROTO's negative. */
static inline int queue_look(struct queue *queue)
{
    /* Acquire: the entries are read after it. */
    uint32_t published = __atomic_load_n(&queue->others->published, __ATOMIC_ACQUIRE);
    uint32_t ready = published - queue->taken;

    if (ready > queue->mask + 1)
        return -EPROTO;
    queue->seen = published;
    return (int)ready;
}

/* The next entry where it lies, of the other side's `size`: it may change at any moment, so each
 * field is read once. 1: there was one; 0: there is none; -EPROTO. */
static inline int queue_next(struct queue *queue, const volatile void **entry, size_t size)
{
    if (queue->taken == queue->seen) {
        int ready = queue_look(queue);
        if (ready <= 0)
            return ready;
    }
    *entry = queue->in + (queue->taken++ & queue->mask) * size;
    return 1;
}

/* Copy the next entry. As above. */
static inline int queue_take(struct queue *queue, void *entry, size_t size)
{
    const volatile void *next;
    int taken = queue_next(queue, &next, size);

    if (taken > 0)
        __builtin_memcpy(entry, (const void *)next, size);
    return taken;
}

/* Whether there is nothing to take now. */
static inline bool queue_is_dry(const struct queue *queue)
{
    return __atomic_load_n(&queue->others->published, __ATOMIC_RELAXED) == queue->taken;
}

/* Whether the other side is on a processor of its own and looks all the time, so that an answer may
 * be had without sleeping. It is only its word: who waits has to give up some time. */
static inline bool queue_other_is_apart(const struct queue *queue)
{
    return __atomic_load_n(&queue->others->apart, __ATOMIC_RELAXED) != 0;
}

/* The next entries where they lie, as many as lie one behind the other: as queue_next. They are not
 * overwritten before they are answered, as far as the other side keeps to the protocol. `count`
 * says how many there are; 0 or -EPROTO. */
static inline int queue_take_run(struct queue *queue, const volatile void **entries, size_t size,
                                 unsigned *count)
{
    int ready = queue_look(queue);
    uint32_t first = queue->taken & queue->mask, room = queue->mask + 1 - first;

    *count = 0;
    if (ready < 0)
        return ready;
    *count = (uint32_t)ready < room ? (uint32_t)ready : room;
    *entries = queue->in + first * size;
    queue->taken += *count;
    return 0;
}

/* For who puts off a wakeup: whether it is still needed. */
static inline bool queue_other_sleeps(const struct queue *queue)
{
    return __atomic_load_n(&queue->others->asleep, __ATOMIC_SEQ_CST) != 0;
}

/* Say that this side is about to sleep. True: nothing has come, so it may. False: something is
 * there, and this side is awake again. */
bool queue_sleep(struct queue *queue);

static inline void queue_awake(struct queue *queue)
{
    __atomic_store_n(&queue->own->asleep, 0, __ATOMIC_RELAXED);
}

#endif
