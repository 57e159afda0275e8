/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A virtio device: the modern PCI transport and split virtqueues, for drivers of any device type
 * (Virtual I/O Device specification 1.2; 1.1 numbers 2.7 as 2.6).
 *
 *     virtio_start                       reset, features agreed upon
 *     virtio_config_get ...              what the device is
 *     virtio_queue_create ...
 *     virtio_run                         the device works
 *     virtio_queue_add ... virtio_queue_kick
 *     virtio_queue_take ...              from the queue's handler, or polling
 *     virtio_queue_arm                   after that, for the next interrupt: a new queue has one
 *     virtio_reset                       when the driver is told to stop
 *
 * What the device says is checked. One that breaks the rules of a queue, or says that it wants to
 * be reset, is given up (virtio_give_up): the driver ends. No memory is allocated per request.
 */
#ifndef KIT_VIRTIO_H
#define KIT_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kit/clock.h>
#include <kit/device.h>
#include <kit/dma.h>
#include <kit/irq.h>

struct virtio_available;
struct virtio_descriptor;
struct virtio_used;

/* 6: feature bits of every device type. The kit accepts these by itself. */
enum virtio_feature {
    VIRTIO_F_INDIRECT_DESC = 28,
    VIRTIO_F_EVENT_IDX = 29,
    VIRTIO_F_VERSION_1 = 32,
    VIRTIO_F_ACCESS_PLATFORM = 33,
    VIRTIO_F_ORDER_PLATFORM = 36,
};
#define VIRTIO_FEATURE(bit) (UINT64_C(1) << (bit))

enum {
    VIRTIO_QUEUES_MAX = 16,
    VIRTIO_VECTORS_MAX = VIRTIO_QUEUES_MAX + 1,
    VIRTIO_ENTRIES_MAX = 256, /* of a queue of ours, however many the device has */
};

/* How long a device may take to stop. The specification has no limit. */
#define VIRTIO_RESET_LIMIT (5 * CLOCK_SECOND)

/* A structure in one of the device's windows (4.1.4): bytes [offset, offset + size). */
struct virtio_area {
    struct regs regs;
    size_t offset, size; /* size 0: the device has none */
};

struct virtio {
    struct device *device;
    struct virtio_area common, notify, isr, config;
    uint32_t notify_multiplier;
    uint64_t features; /* agreed upon */
    bool messages;     /* MSI-X: no need to ask the device what an interrupt is about */

    irq_handler changed;
    void *context;
    struct virtio_vector {
        struct virtio *virtio;
        unsigned number;
        bool attached;
    } vector[VIRTIO_VECTORS_MAX];
    unsigned queue_count;
    struct virtio_queue *queue[VIRTIO_QUEUES_MAX];
};

/* Find the device's structures, reset it, let it master the bus, and agree with it on `features`
 * (bits of the device type that the driver can use) and on those of the kit (3.1.1, 4.1.4). 0, or
 * an errno value with a line in the log: ENOTSUP for a device that has no modern interface or does
 * not agree, ENODEV if nothing answers, ETIMEDOUT if it does not reset. */
int virtio_start(struct device *device, uint64_t features, struct virtio *virtio);

static inline bool virtio_has(const struct virtio *virtio, unsigned feature)
{
    return virtio->features >> feature & 1;
}

/* A field of the device's configuration (2.5): `width` is 1, 2, 4 or 8 bytes, `offset` a multiple
 * of it, or of 4. What lies behind the end of the device's structure reads as 0. */
uint64_t virtio_config_get(const struct virtio *virtio, size_t offset, unsigned width);

/* The queues are made: DRIVER_OK. `changed` is called when the configuration has changed; null:
 * nobody cares. 0, or an errno value with a line in the log: ENOTSUP for a device that would bypass
 * the IOMMU. */
int virtio_run(struct virtio *virtio, irq_handler changed, void *context);

/* The device cannot be relied on any more: `why` goes into the log, the device is told to stop, and
 * the driver ends. Only the system can take memory out of its reach, and starts another driver. */
void virtio_give_up(struct virtio *virtio, const char *why) __attribute__((noreturn));

/* Give it up if it asks for a reset (2.1.2) or is not there any more, which no interrupt tells:
 * from time to time, while something is with it. */
void virtio_check(struct virtio *virtio);

/* Tell the device to stop and to forget everything (2.4). It may touch memory until it is stopped,
 * which it should be within VIRTIO_RESET_LIMIT. What is not there any more is stopped. */
void virtio_reset_begin(struct virtio *virtio);
bool virtio_is_stopped(const struct virtio *virtio);

/* The same, waiting: 0 or ETIMEDOUT. */
int virtio_reset(struct virtio *virtio);

/* Bring a device that is stopped back to where virtio_run left it, with the same features and the
 * same queues, which are empty: what was in them is the caller's again. 0 or an errno value with a
 * line in the log. */
int virtio_revive(struct virtio *virtio);

/* A piece of memory, as the device sees it. */
struct virtio_segment {
    uint64_t address;
    uint32_t length;
};

struct virtio_queue {
    struct virtio *virtio;
    unsigned index, entries;
    unsigned segments;   /* of the longest chain */
    irq_handler handler; /* null: it is polled */
    void *context;
    unsigned vector;
    size_t doorbell; /* in the window of virtio->notify */
    bool has_event_index;

    /* Shared with the device, which may write all of it. Nothing that we wrote is read back. */
    struct dma_buffer memory;
    struct virtio_descriptor *descriptors;
    struct virtio_available *available;
    const struct virtio_used *used;
    struct virtio_descriptor *tables; /* `segments` entries for each descriptor, or null */
    size_t tables_offset;

    /* By descriptor. A chain is known by its first. */
    struct virtio_chain {
        void *token; /* not null: a chain that begins here is with the device */
        uint64_t writable;
        uint16_t count, next;
    } chain[VIRTIO_ENTRIES_MAX];
    unsigned free_count;
    uint16_t free;      /* the first of the free ones */
    uint16_t put, told; /* chains that were added, and of these how many the device knows of */
    uint16_t taken;
};

struct virtio_queue_plan {
    unsigned entries;    /* at most, up to VIRTIO_ENTRIES_MAX; the device may have fewer */
    unsigned segments;   /* of the longest chain */
    irq_handler handler; /* called when the queue interrupts; null: it will be polled */
    void *context;
};

/* How many entries the device has for queue `index`, 0 if it has no such queue. */
unsigned virtio_queue_entries(const struct virtio *virtio, unsigned index);

/* Between virtio_start and virtio_run. The queue stays where it is. 0 or an errno value with a line
 * in the log. */
int virtio_queue_create(struct virtio *virtio, unsigned index, const struct virtio_queue_plan *plan,
                        struct virtio_queue *queue);

/* Put a chain into the queue: `out` segments that the device reads, then `in` that it writes.
 * `token`, not null, comes back from virtio_queue_take. False if there is no room now (or never:
 * more segments than planned). The device sees it after the next kick. */
bool virtio_queue_add(struct virtio_queue *queue, const struct virtio_segment *segments,
                      unsigned out, unsigned in, void *token);
void virtio_queue_kick(struct virtio_queue *queue);

/* The next chain that the device is done with, and how many bytes it has written into it: never
 * more than there is room for. Null: there is none. A device that says it twice may be taken to
 * mean the next chain, as descriptors are used again at once: no worse than to say it too early. */
void *virtio_queue_take(struct virtio_queue *queue, uint32_t *length);

/* Whether there is one to take, in a few instructions. */
bool virtio_queue_is_ready(const struct virtio_queue *queue);

/* Interrupt once `count` chains (1 to 32767, no more than are with the device, or will be after the
 * next kick) are ready; without VIRTIO_F_EVENT_IDX, when one is. False: there are so many already,
 * and no interrupt will come: take them. */
bool virtio_queue_arm(struct virtio_queue *queue, unsigned count);

/* Rather no interrupts. Some may come all the same. */
void virtio_queue_disarm(struct virtio_queue *queue);

#endif
