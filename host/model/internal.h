/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the model host's files know of each other. Each `*_begin` forgets everything that was.
 */
#ifndef HOST_MODEL_INTERNAL_H
#define HOST_MODEL_INTERNAL_H

#include "model.h"

void model_block_begin(void);
void model_block_end(void);
void model_clock_begin(void);
void model_log_begin(void);
void model_memory_begin(void);
void model_memory_end(void);

/* Whether the device may master the bus. */
bool model_device_is_master(void);

/* Give the device a chance to act, time having passed. */
void model_device_step(void);
/* Call that at the end of each turn, until the host begins again. */
void model_at_turn_end(void (*run)(void));

/* Whether there was an interrupt. */
bool model_interrupts_deliver(void);

void model_clock_advance(uint64_t nanoseconds);
/* Whether a timer had expired. */
bool model_timers_run(void);

#endif
