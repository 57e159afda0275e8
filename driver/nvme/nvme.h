/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * NVMe: one controller, each of its active namespaces a block device.
 *
 *   layout.h       the specification's layouts
 *   pair.c         submission and completion queues
 *   controller.c   bring-up and shutdown
 *   admin.c        admin commands, and what the controller tells by itself
 *   io.c           block requests as commands, in queue pairs for each client
 *   namespace.c    what is offered to clients
 *
 * What returns `int` returns 0 or an errno value with a line in the log. From an admin command: EIO
 * if the controller fails it, ETIMEDOUT if it does not answer.
 */
#ifndef DRIVER_NVME_NVME_H
#define DRIVER_NVME_NVME_H

#include <kit/block.h>
#include <kit/clock.h>
#include <kit/device.h>
#include <kit/dma.h>

#include "layout.h"

enum {
    NVME_PAGE = 4096, /* CC.MPS: the controller's memory page, which PRP entries count in */
    NVME_ADMIN_ENTRIES = 32,
    NVME_IO_ENTRIES = 256,
    NVME_LIST_LEAST = 128,            /* bytes for a command's list of where its data is */
    NVME_LANES = 4,                   /* clients with queues of their own */
    NVME_QUEUES = 1 + 2 * NVME_LANES, /* queue pairs at most: the admin queue's, two for each */
    NVME_SILENT = 0xffff,             /* no interrupt vector */
};

/* A submission or a completion queue, and the doorbell by which the device is told how far we are
 * in it. With shadow doorbells (7.13) memory says it, and the register is written only when the
 * device wants to be woken. */
struct nvme_ring {
    struct dma_buffer buffer;
    size_t doorbell;  /* offset of the register */
    uint32_t *shadow; /* or null: there is but the register */
    unsigned place;   /* where the next entry goes, or is expected */
    unsigned told;    /* what the device knows of that */
};

/* A pair of them (section 4), and for I/O its commands in flight. Who submits bounds these to one
 * less than there are entries (4.1.2): so neither queue is ever full, and nobody has to know how
 * many commands the device has fetched. One that completes what it has not fetched may lose others.
 *
 * Each client has a lane of its own: a pair that interrupts, with a vector of its own, and one that
 * is polled. The controller takes commands from its submission queues in turn (4.13), so a client
 * with many requests does not stand in front of another with few. Where there are more clients than
 * lanes, they share; a controller with one I/O queue has one pair for all. */
struct nvme_pair {
    struct nvme *nvme;
    unsigned id, entries;
    unsigned phase; /* that a new completion has */
    struct nvme_ring submissions, completions;

    struct dma_buffer lists; /* of PRP entries or SGL descriptors, one for each command id */
    unsigned list_size;
    unsigned free_count;
    uint16_t free_id[NVME_IO_ENTRIES];
    struct block_request *request[NVME_IO_ENTRIES]; /* of each id; null: it is not in flight */
    unsigned stray;                                 /* completions for no command in flight */
};

/* A device of the block class: the context of its struct block_device_ops. */
struct nvme_namespace {
    struct nvme *nvme;
    uint32_t id;
    struct block_device *block; /* null: it is not there any more */
    struct block_device_limits limits;
};

struct nvme {
    struct device *device;
    struct regs regs;
    uint64_t cap;
    unsigned queues;   /* pairs whose doorbells are in the window */
    uint16_t admin_id; /* of the command that is waited for, or was */
    struct nvme_completion answer;
    bool answered;
    struct dma_buffer page;   /* for what admin commands read */
    struct dma_buffer shadow; /* doorbells (5.7), if the operator wants them and a page has room */

    struct nvme_identify_controller identity;
    uint32_t max_transfer; /* bytes */
    bool read_only;        /* all its media are */

    uint32_t event; /* that the controller told of last, or that it is asked for the next */
    unsigned events_told;
    struct clock_timer event_timer;
    int (*namespaces_changed)(struct nvme *nvme);

    unsigned pair_count, pairs_most; /* that are open; that the controller and its vectors allow */
    struct nvme_pair admin, pair[2 * NVME_LANES];
    unsigned namespace_count;
    struct nvme_namespace namespaces[NVME_ACTIVE_MAX];
};

/* Memory for `entries` (2 to 4096) of either. The controller is told of the queues elsewhere. 0 or
 * an errno value. */
int nvme_pair_create(struct nvme *nvme, unsigned id, unsigned entries, struct nvme_pair *pair);

/* Tell the device how far we are, if it does not know yet: of commands that it is to fetch, or of
 * completions that it may overwrite. */
void nvme_ring_tell(const struct nvme_pair *pair, struct nvme_ring *ring);

/* Whether it begins again. */
static inline bool nvme_ring_advance(const struct nvme_pair *pair, struct nvme_ring *ring)
{
    if (++ring->place < pair->entries)
        return false;
    ring->place = 0;
    return true;
}

/* Where the next command goes, for who fills it in place and then advances: nothing but what was
 * put there before is in it, and in the beginning it is zero. The device may write there. */
static inline struct nvme_command *nvme_pair_room(const struct nvme_pair *pair)
{
    return (struct nvme_command *)pair->submissions.buffer.memory + pair->submissions.place;
}

/* Put a command into the queue and tell the device. */
void nvme_pair_submit(struct nvme_pair *pair, const struct nvme_command *command);

static inline const volatile struct nvme_completion *
nvme_pair_expected(const struct nvme_pair *pair)
{
    return (struct nvme_completion *)pair->completions.buffer.memory + pair->completions.place;
}

/* Whether there is a completion to take (4.6). */
static inline bool nvme_pair_is_ready(const struct nvme_pair *pair)
{
    return (nvme_pair_expected(pair)->status & 1) == pair->phase;
}

/* Take it. The phase was seen: the rest of the entry is there (4.6), and x86 does not read it
 * earlier. */
static inline struct nvme_completion nvme_pair_take(struct nvme_pair *pair)
{
    const volatile struct nvme_completion *entry = nvme_pair_expected(pair);
    struct nvme_completion completion = {
        .result = entry->result,
        .sq_id = entry->sq_id,
        .id = entry->id,
        .status = entry->status,
    };

    __atomic_signal_fence(__ATOMIC_ACQUIRE);
    pair->phase ^= nvme_ring_advance(pair, &pair->completions);
    return completion;
}

/* Reset, enable (7.6.1) and identify. ENOTSUP for a controller that this driver is not made for,
 * ETIMEDOUT if it does not become ready in the time that it names itself, EIO if it reports a fatal
 * status. */
int nvme_start(struct device *device, struct nvme *nvme);

/* Whether it has failed (CSTS.CFS) or is not there any more. */
bool nvme_is_dead(const struct nvme *nvme);

/* Orderly shutdown (7.6.2): everything in its cache becomes durable. Then it is disabled. */
void nvme_shutdown(struct nvme *nvme);

/* 5.15. `data` receives a copy of NVME_IDENTIFY_SIZE bytes, which the device cannot change. */
int nvme_admin_identify(struct nvme *nvme, unsigned cns, uint32_t namespace, void *data);

/* 5.14. A copy of the beginning of a log page about all namespaces. */
int nvme_admin_log(struct nvme *nvme, unsigned log, struct nvme_health_log *page);

/* 5.21. `result`, or null: what the controller answers. */
int nvme_admin_feature_set(struct nvme *nvme, unsigned feature, uint32_t value, uint32_t *result);

/* 5.7. Tell the controller of the doorbells in memory, if there are any and it offers to look
 * there. One that fails what it offers is used without: only what the admin queue has to say is
 * written to memory too, where nobody looks. */
int nvme_admin_shadow_begin(struct nvme *nvme);

/* 5.3, 5.4. Tell the controller of an I/O queue pair, whose completions raise `vector`, or
 * NVME_SILENT: nothing; 5.5, 5.6: it forgets it. */
int nvme_admin_pair_register(struct nvme *nvme, unsigned vector, const struct nvme_pair *pair);
int nvme_admin_pair_delete(struct nvme *nvme, const struct nvme_pair *pair);

/* 5.2. Have it tell of its health and of namespaces that come, go or change, as far as it can.
 * `changed` is called from the event loop. */
void nvme_admin_events_begin(struct nvme *nvme, int (*changed)(struct nvme *nvme));

/* Take what the admin queue has. Whether there was any. */
bool nvme_admin_look(struct nvme *nvme);

/* Make I/O queue pair `id`, its interrupt `vector` or NVME_SILENT. */
int nvme_io_pair_open(struct nvme *nvme, unsigned id, unsigned vector, struct nvme_pair *pair);

/* The first lane. */
int nvme_io_open(struct nvme *nvme);

/* Nothing is in flight: have the controller delete the queues. */
void nvme_io_close(struct nvme *nvme);

/* As in struct block_device_ops. */
bool nvme_io_submit(void *context, struct block_request *request);
void nvme_io_kick(void *context);
void nvme_io_poll(void *context);
bool nvme_io_is_ready(void *context);
int nvme_io_gather(void *context, unsigned count, unsigned microseconds);
const char *nvme_io_watch(void *context);

/* Look what namespaces there are: offer what is new, withdraw what is gone or another one, and say
 * so if one has another size. One that cannot be used is left out with a line in the log. */
int nvme_namespaces_look(struct nvme *nvme);

#endif
