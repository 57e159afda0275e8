/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * I/O queue pairs: block requests become commands, completions become block requests' ends.
 *
 * Each client has a lane of its own: a pair that interrupts, with a vector of its own, and one that
 * is polled. The controller takes commands from its submission queues in turn (4.13), so a client
 * with many requests does not stand in front of another with few. Where there are more clients than
 * lanes, they share; a controller with one I/O queue has one pair for all.
 */
#ifndef DRIVER_NVME_IO_H
#define DRIVER_NVME_IO_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/block.h>
#include <kit/clock.h>

#include "controller.h"

enum { NVME_IO_ENTRIES = 256 };

struct nvme_pair {
    struct nvme *nvme;
    struct nvme_queue queue;
    struct dma_buffer lists; /* of PRP entries, one of `list_size` bytes for each command id */
    unsigned list_size;
    unsigned commands; /* how many ids there are */
    unsigned free_count;
    uint16_t free_id[NVME_IO_ENTRIES];
    struct block_request *request[NVME_IO_ENTRIES]; /* of each id; null: it is not in flight */
    unsigned stray;                                 /* completions for no command in flight */
};

struct nvme_io {
    struct nvme *nvme;
    unsigned count, most; /* pairs that are open; that the controller and its vectors allow */
    struct nvme_pair pair[2 * NVME_LANES];
};

/* A device of the block class: the context of what is below. */
struct nvme_namespace {
    struct nvme_io *io;
    uint32_t id;
    struct block_device *block; /* null: it is not there any more */
    struct block_device_limits limits;
};

/* Make queue pair `id`, its interrupt `vector` or NVME_SILENT. 0 or an errno value with a line in
 * the log. */
int nvme_pair_open(struct nvme *nvme, unsigned id, unsigned vector, struct nvme_pair *pair);

/* The first lane. Likewise. */
int nvme_io_open(struct nvme *nvme, struct nvme_io *io);

/* As in struct block_device_ops. */
bool nvme_io_submit(void *context, struct block_request *request);
void nvme_io_kick(void *context);
void nvme_io_poll(void *context);
bool nvme_io_is_ready(void *context);
int nvme_io_gather(void *context, unsigned count, unsigned microseconds);
void nvme_io_extend(void *context, unsigned client);
const char *nvme_io_watch(void *context);

/* Nothing is in flight: have the controller delete the queues. */
void nvme_io_close(struct nvme_io *io);

#endif
