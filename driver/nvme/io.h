/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The I/O queue: block requests become commands, completions become block requests' ends.
 */
#ifndef DRIVER_NVME_IO_H
#define DRIVER_NVME_IO_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/block.h>
#include <kit/clock.h>

#include "controller.h"

enum { NVME_IO_QUEUE = 1, NVME_IO_ENTRIES = 256 };

struct nvme_io {
    struct nvme_controller *controller;
    struct nvme_queue queue;
    struct dma_buffer lists; /* a page of PRP entries for each command id */
    bool failed;             /* the controller was given up: every request fails */
    unsigned stray;          /* completions for no command of ours */
    unsigned free_count;
    uint16_t free_id[NVME_IO_ENTRIES];
    struct nvme_io_command {
        struct block_request *request; /* null: this id is free */
        uint64_t started;
    } command[NVME_IO_ENTRIES];
    struct clock_timer watch;
};

/* The queue pair and its interrupt. 0 or an errno value. */
int nvme_io_start(struct nvme_controller *controller, struct nvme_io *io);

/* Block class operations for a namespace. */
bool nvme_io_submit(struct nvme_io *io, uint32_t namespace, struct block_request *request);
void nvme_io_kick(struct nvme_io *io);

/* Wait until nothing is in flight. 0 or ETIMEDOUT. */
int nvme_io_drain(struct nvme_io *io, uint64_t limit);

/* Flush a namespace's cache and wait. */
int nvme_io_flush(struct nvme_io *io, uint32_t namespace, uint64_t limit);

#endif
