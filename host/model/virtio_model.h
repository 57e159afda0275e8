/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A model of a virtio device's PCI transport and split virtqueues (Virtual I/O Device specification
 * 1.2, 4.1 and 2.7). It shares no layout with the kit, holds the driver to the rules (a breach is a
 * violation), and can be told to break them itself. What chains mean is a device type's: see
 * virtio_blk_model.h.
 */
#ifndef HOST_MODEL_VIRTIO_MODEL_H
#define HOST_MODEL_VIRTIO_MODEL_H

#include "model.h"

enum {
    VIRTIO_MODEL_QUEUES = 10,
    VIRTIO_MODEL_CHAINS = 1024,
    VIRTIO_MODEL_SEGMENTS = 64,
    VIRTIO_MODEL_WINDOW = 4, /* which BAR has the structures, and where in it they are */
    VIRTIO_MODEL_COMMON = 0x0,
    VIRTIO_MODEL_ISR = 0x1000,
    VIRTIO_MODEL_CONFIG = 0x2000,
    VIRTIO_MODEL_NOTIFY = 0x3000,
    VIRTIO_MODEL_WINDOW_SIZE = 0x4000,
};

/* Where virtio_model_init puts the capabilities in configuration space. */
enum {
    VIRTIO_MODEL_CAPABILITY_MSIX = 0x40,
    VIRTIO_MODEL_CAPABILITY_COMMON = 0x50,
    VIRTIO_MODEL_CAPABILITY_ISR = 0x60,
    VIRTIO_MODEL_CAPABILITY_CONFIG = 0x70,
    VIRTIO_MODEL_CAPABILITY_NOTIFY = 0x80,
    VIRTIO_MODEL_CAPABILITY_WINDOW = 0x94, /* of a type that we do not use */
};

/* What happens to the next chain that is done, instead of its coming back. */
enum virtio_model_fault {
    VIRTIO_MODEL_FAULT_NONE,
    VIRTIO_MODEL_FAULT_LOST,      /* nothing: it is never heard of again */
    VIRTIO_MODEL_FAULT_DUPLICATE, /* it comes back twice, at once */
    VIRTIO_MODEL_FAULT_HUGE_ID,   /* one that cannot be comes back */
    VIRTIO_MODEL_FAULT_IDLE_ID,   /* one that the device does not have; there has to be one */
    VIRTIO_MODEL_FAULT_LONG,      /* with more bytes than it has room for */
    VIRTIO_MODEL_FAULT_SHORT,     /* with a byte less than were written */
    VIRTIO_MODEL_FAULT_JUMP,      /* and the index goes on by more than the queue holds */
};

struct virtio_model_queue {
    bool enabled, notified;
    uint16_t size, vector;
    uint64_t descriptors, available, used;
    uint16_t seen; /* chains that were fetched */
    uint16_t put;  /* chains that came back */
    uint16_t told; /* of these, when it was last decided whether to interrupt */
};

struct virtio_model_chain {
    bool exists;
    unsigned queue;
    uint16_t head;
    uint64_t due;
    unsigned out, in; /* segments to read, then to write */
    struct {
        uint64_t address;
        uint32_t length;
    } segment[VIRTIO_MODEL_SEGMENTS];
};

struct virtio_model {
    struct model_device device; /* first: the handlers cast */

    /* What it is. Set before the driver attaches. */
    uint64_t offered; /* features */
    uint8_t *config;  /* the device type's configuration */
    size_t config_size;
    unsigned queues;
    uint16_t queue_size;
    uint16_t first_size; /* queue 0's, if it has another; 0: as the others */
    uint32_t notify_multiplier;
    uint16_t notify_offset; /* of queue 1; of queue n, n times that */
    uint64_t chain_time, reset_time;
    /* Carry out a chain: how many bytes were written into it. */
    uint32_t (*execute)(struct virtio_model *model, const struct virtio_model_chain *chain);
    /* Whether it can be now; null: always. Until then the device keeps it. */
    bool (*ready)(struct virtio_model *model, const struct virtio_model_chain *chain);

    /* How it misbehaves. Any of it may be changed at any time. */
    bool gone; /* nothing answers: all ones */
    bool never_resets, refuses_features, refuses_vectors;
    bool no_interrupts; /* they are lost */
    bool reversed;      /* what is due together comes back last first */
    bool scribbles;     /* over descriptors that it has fetched */
    bool unsettled;     /* the configuration's generation is another one each time */
    enum virtio_model_fault fault;

    /* What was seen of the driver. */
    unsigned notifications, interrupts, resets, most_in_flight;
    unsigned longest_chain; /* segments */

    /* The registers' state. */
    uint64_t accepted; /* features */
    uint32_t device_select, driver_select;
    uint16_t queue_select, config_vector;
    uint8_t status, generation, isr;
    uint64_t reset_due; /* 0: no reset under way */
    struct virtio_model_queue queue[VIRTIO_MODEL_QUEUES];
    unsigned in_flight;
    struct virtio_model_chain chain[VIRTIO_MODEL_CHAINS];
};

/* A device that was left running, with MSI-X; `config` stays where it is. */
void virtio_model_init(struct virtio_model *model, uint16_t id, uint64_t features, void *config,
                       size_t config_size);

/* The configuration has changed, or it wants a reset: says so by its interrupt. */
void virtio_model_config_changed(struct virtio_model *model);
void virtio_model_wants_reset(struct virtio_model *model);

bool virtio_model_has(const struct virtio_model *model, unsigned feature);

/* For device types: bytes from `offset` on of what a chain has to read or to write. False: there
 * are not so many, or a violation. */
bool virtio_model_get(const struct virtio_model_chain *chain, uint64_t offset, void *data,
                      size_t size);
bool virtio_model_put(const struct virtio_model_chain *chain, uint64_t offset, const void *data,
                      size_t size);
uint64_t virtio_model_readable(const struct virtio_model_chain *chain);
uint64_t virtio_model_writable(const struct virtio_model_chain *chain);

/* Between the model's files: fetch chains, give them back (virtio_model_queue.c). */
void virtio_model_queues_step(struct virtio_model *model);
/* A message with that vector, or the line. */
void virtio_model_raise(struct virtio_model *model, uint16_t vector, uint8_t cause);

#endif
