/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Admin commands (NVM Express 1.4, section 5), one at a time, waiting for each.
 *
 * All return 0 or an errno value with a line in the log: EIO if the controller fails the command,
 * ETIMEDOUT or ENODEV if it does not answer and should be given up.
 */
#ifndef DRIVER_NVME_ADMIN_H
#define DRIVER_NVME_ADMIN_H

#include "controller.h"

/* 5.15. `data` receives a copy of NVME_IDENTIFY_SIZE bytes, which the device cannot change. */
int nvme_admin_identify(struct nvme_controller *controller, unsigned cns, uint32_t namespace,
                        void *data);

/* 5.14. `data` receives a copy of the first `size` bytes of a log page: a multiple of 4, at most
 * NVME_IDENTIFY_SIZE. */
int nvme_admin_log(struct nvme_controller *controller, unsigned log, uint32_t namespace, void *data,
                   size_t size);

/* 5.21.1.7. Ask for I/O queue pairs; how many there may be: 1 to `wanted`. */
int nvme_admin_queues_request(struct nvme_controller *controller, unsigned wanted,
                              unsigned *granted);

/* 5.21.1.8. Gather so many completions into one interrupt, at most NVME_COALESCING_MAX, or those of
 * so many microseconds. Queues without an interrupt are not concerned. */
int nvme_admin_coalesce(struct nvme_controller *controller, unsigned count, unsigned microseconds);

/* 5.21.1.11. Which events it shall tell of. */
int nvme_admin_events_choose(struct nvme_controller *controller, uint32_t events);

/* 5.7. Use the shadow doorbells in controller->shadow for the admin queue and for all queues made
 * from now on; where the controller fails that, the registers go on to be used. */
int nvme_admin_shadow_begin(struct nvme_controller *controller);

/* 5.2. Ask it to tell of the next event. */
void nvme_admin_event_request(struct nvme_controller *controller);

/* Its interrupt came: take what nobody waits for. Whether there was any. */
bool nvme_admin_look(struct nvme_controller *controller);

/* 5.3, 5.4. Make an I/O queue pair whose completions raise `vector`, or NVME_SILENT: nothing. */
enum { NVME_SILENT = 0xffff };
int nvme_admin_queue_create(struct nvme_controller *controller, unsigned id, unsigned entries,
                            unsigned vector, struct nvme_queue *queue);

/* Tell the controller of a queue pair whose memory is there. */
int nvme_admin_queue_register(struct nvme_controller *controller, unsigned vector,
                              const struct nvme_queue *queue);

/* 5.5, 5.6. The controller forgets an I/O queue pair. */
int nvme_admin_queue_delete(struct nvme_controller *controller, const struct nvme_queue *queue);

#endif
