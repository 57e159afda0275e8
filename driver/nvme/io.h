/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An I/O queue pair: block requests become commands, completions become block requests' ends.
 */
#ifndef DRIVER_NVME_IO_H
#define DRIVER_NVME_IO_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/block.h>
#include <kit/clock.h>

#include "controller.h"

enum { NVME_IO_ENTRIES = 256 };

enum nvme_io_state {
    NVME_IO_CLOSED = 0, /* takes no requests: not open yet, closed, or given up and stopped */
    NVME_IO_OPEN,
    NVME_IO_STOPPING, /* given up; the controller may still touch memory */
};

/* One for each command id that may be in flight. */
struct nvme_io_command {
    struct block_request *request; /* null: a command of the driver's own */
    unsigned round;                /* of the watch, when it was started */
    bool in_flight;
};

struct nvme_io {
    struct nvme_controller *controller;
    struct nvme_io *next; /* in the ring of those that are given up together */
    enum nvme_io_state state;
    struct nvme_queue queue;
    struct dma_buffer lists; /* of PRP entries, one of `list_size` bytes for each command id */
    unsigned list_size;
    unsigned commands; /* how many ids there are */
    unsigned free_count;
    uint16_t free_id[NVME_IO_ENTRIES];
    struct nvme_io_command command[NVME_IO_ENTRIES];
    unsigned own_status; /* of the driver's last own command that was completed */

    unsigned stray; /* completions for no command in flight */

    struct clock_timer watch;  /* runs while commands are in flight */
    unsigned round;            /* how often it did: the time, as far as a command's age goes */
    enum block_status verdict; /* what those get that were in flight when it was given up */
    uint64_t stop_due;
};

/* Make queue pair `id`, its interrupt `vector` or NVME_SILENT. 0 or an errno value with a line in
 * the log. */
int nvme_io_open(struct nvme_controller *controller, unsigned id, unsigned vector,
                 struct nvme_io *io);

/* Give it up together with `other`, and with those that are. */
void nvme_io_join(struct nvme_io *io, struct nvme_io *other);

/* As in struct block_device_ops; several namespaces share a queue. */
bool nvme_io_submit(struct nvme_io *io, uint32_t namespace, struct block_request *request);
void nvme_io_kick(struct nvme_io *io);

/* Take what is completed, as the interrupt would; whether there is something to take. */
void nvme_io_poll(struct nvme_io *io);
static inline bool nvme_io_is_ready(const struct nvme_io *io)
{
    return io->state == NVME_IO_OPEN && nvme_queue_is_ready(&io->queue);
}

/* Wait until nothing is in flight. 0 or ETIMEDOUT. */
int nvme_io_drain(struct nvme_io *io, uint64_t limit);

/* Flush a namespace's cache and wait. 0, EIO, EBUSY or ETIMEDOUT. */
int nvme_io_flush(struct nvme_io *io, uint32_t namespace, uint64_t limit);

/* Take no more requests. What is in flight stays so until nvme_io_abandon. */
void nvme_io_close(struct nvme_io *io);

/* The controller is stopped: fail what is in flight. */
void nvme_io_abandon(struct nvme_io *io, enum block_status status);

#endif
