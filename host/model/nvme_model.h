/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A model of an NVMe controller, after the NVM Express base specification 1.4. It shares no layout
 * with the driver, so that a wrong offset there does not agree with itself here; it holds the
 * driver to the rules (a breach is a violation), and it can be told to break them itself.
 */
#ifndef HOST_MODEL_NVME_MODEL_H
#define HOST_MODEL_NVME_MODEL_H

#include "model.h"

enum {
    NVME_MODEL_QUEUES = 6, /* queue pairs, the admin queues among them */
    NVME_MODEL_COMMANDS = 1024,
    NVME_MODEL_PAGE = 4096,
};

struct nvme_model_namespace {
    bool active;
    uint64_t blocks;
    unsigned shift; /* the block size is 2 to the power of this */
    uint8_t *disk;  /* blocks << shift bytes, or null: reads as zeroes, writes vanish */
    bool write_protected;
    unsigned reads, writes, flushes;
    unsigned unflushed; /* writes since the last flush, or shutdown */
};

/* What happens to an I/O completion instead of its being posted. */
enum nvme_model_fault {
    NVME_MODEL_FAULT_NONE,
    NVME_MODEL_FAULT_LOST,        /* nothing: the command is never heard of again */
    NVME_MODEL_FAULT_DUPLICATE,   /* posted twice */
    NVME_MODEL_FAULT_WRONG_ID,    /* one with an id that is in flight nowhere, then the right one */
    NVME_MODEL_FAULT_WRONG_QUEUE, /* one that names another submission queue, then the right one */
    NVME_MODEL_FAULT_HUGE_ID,     /* one with id 65535, then the right one */
    NVME_MODEL_FAULT_OLD_PHASE,   /* one with the old phase: as if it were not there */
    NVME_MODEL_FAULT_HUGE_HEAD,   /* the right one, with a submission queue head out of range */
    NVME_MODEL_FAULT_HEAD_AHEAD,  /* likewise, ahead of the tail: as if the queue were full */
    NVME_MODEL_FAULT_STORM,       /* from now on the whole queue is full of nonsense, always */
};

/* What it writes into EventIdx (7.13). */
enum nvme_model_event_index {
    NVME_MODEL_EVENT_INDEX_TRUE,  /* where it wants to be woken, or nowhere while it is awake */
    NVME_MODEL_EVENT_INDEX_NEVER, /* asleep, it says that it is awake: it is not woken */
    NVME_MODEL_EVENT_INDEX_NOISE, /* anything; it looks all the time, as if it were awake */
};

struct nvme_model_queue {
    bool exists;
    uint64_t address;
    unsigned entries;
    unsigned head, tail;
    bool awake;           /* submission queues: their shadow doorbell is looked at */
    unsigned phase;       /* completion queues */
    unsigned vector;      /* completion queues */
    bool interrupts;      /* completion queues */
    unsigned completions; /* submission queues: where they go */
};

struct nvme_model {
    struct model_device device; /* first: the handlers cast */

    /* What it is. Set before the driver attaches. */
    uint64_t cap;
    uint32_t version;
    struct nvme_model_namespace *namespaces; /* namespace id - 1 */
    uint32_t namespace_count;
    uint8_t mdts;
    bool volatile_cache;
    bool media_read_only;
    bool can_gather;
    bool tells_of_namespaces;
    bool offers_shadow; /* doorbells in memory (5.7) */
    uint32_t sgls;      /* SGLS: 1: data may be described by SGLs */
    uint32_t rtd3e;
    void (*identify)(struct nvme_model *model, unsigned cns, uint32_t namespace, uint8_t *page);
    uint64_t enable_time, shutdown_time, command_time, stop_time;

    /* How it misbehaves. Any of it may be changed at any time. */
    bool gone; /* nothing answers: all ones */
    bool never_ready, fatal_on_enable, never_stops, never_shut_down;
    bool unready_when_shut_down;
    bool no_interrupts;     /* they are lost */
    bool reversed;          /* what is due together is completed last first */
    unsigned admin_lost;    /* opcode + 1 of an admin command that is never answered */
    unsigned admin_failing; /* opcode + 1 of one that fails with status 006 ... */
    unsigned admin_spared;  /* ... but for so many of them */
    unsigned admin_garbage; /* completions for nothing before each admin completion */
    enum nvme_model_event_index event_index;
    unsigned io_status;          /* all reads and writes fail with this */
    enum nvme_model_fault fault; /* of the next I/O completion; then none, but for the storm */

    /* What was seen of the driver. */
    unsigned longest_transfer; /* bytes */
    unsigned doorbells;        /* I/O submission doorbell writes */
    unsigned head_doorbells;   /* I/O completion doorbell writes */
    unsigned commands;         /* I/O commands fetched */
    unsigned sgl_commands;     /* of which the data is described by an SGL */
    unsigned queue_commands[NVME_MODEL_QUEUES];
    unsigned most_in_flight;
    uint32_t events;         /* that it shall tell of */
    unsigned logs;           /* log pages that were read, but for the first */
    unsigned gathering;      /* the interrupt coalescing feature, if it was set */
    bool shut_down_in_order; /* notified with no I/O queue left */

    /* The registers' state. */
    uint32_t cc, csts, aqa;
    uint64_t asq, acq;
    uint64_t shadow, event_indexes; /* pages; 0: it was not told of any */
    uint32_t noise;
    uint64_t storm_due;
    uint64_t transition; /* when an enabling, disabling or shutdown under way ends */
    struct nvme_model_queue submission[NVME_MODEL_QUEUES], completion[NVME_MODEL_QUEUES];
    struct nvme_model_command {
        bool used;
        unsigned queue;
        uint64_t due;
        uint32_t dword[16];
    } command[NVME_MODEL_COMMANDS];
};

/* A controller with one namespace of that many blocks, enabled by the firmware before us as one on
 * a real machine is. */
void nvme_model_init(struct nvme_model *model, uint64_t blocks, unsigned shift);
/* Replace the namespaces: `count` active ones without a disk. */
void nvme_model_namespaces(struct nvme_model *model, uint32_t count, uint64_t blocks,
                           unsigned shift);
/* Tell of an event (5.2.1); it is lost if the driver did not ask. */
void nvme_model_event(struct nvme_model *model, unsigned type, unsigned what, unsigned log);
/* The same, with the command id `id`, whatever it did. */
void nvme_model_event_forge(struct nvme_model *model, unsigned id, uint32_t what);
void nvme_model_destroy(struct nvme_model *model);

/* Between the model's files. Executes a command; the status it completes with. */
unsigned nvme_model_admin(struct nvme_model *model, const uint32_t *dword, uint32_t *result);
unsigned nvme_model_io(struct nvme_model *model, const uint32_t *dword);
/* Moves data as PRP 1 and 2 say (4.3), or an SGL (4.4). False, with a violation, if they are wrong.
 */
bool nvme_model_move(struct nvme_model *model, const uint32_t *dword, void *data, size_t size,
                     bool to_host);

#endif
