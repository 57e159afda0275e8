/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The model host: driver source runs unchanged on the machine that builds it, in one process with a
 * model of its device and with clients. Time is simulated, so a test of a 30 s limit takes none.
 *
 * Whoever breaks a rule that real hardware would punish (a register access outside the window, DMA
 * outside lent memory, a doorbell that makes no sense) causes a violation: it is printed and
 * counted, and a test ends by asserting that there were none.
 */
#ifndef HOST_MODEL_MODEL_H
#define HOST_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kit/device.h>

enum { MODEL_WINDOWS = 6 };

/* A device's behaviour: what a model implements. */
struct model_device {
    struct device_identity identity;
    size_t window_size[MODEL_WINDOWS]; /* 0: not there */
    uint8_t config[256];

    /* Register accesses: aligned, of 1, 2, 4 or 8 bytes, inside the window as it was opened. */
    uint64_t (*read)(struct model_device *device, unsigned window, size_t offset, unsigned width);
    void (*write)(struct model_device *device, unsigned window, size_t offset, unsigned width,
                  uint64_t value);

    /* Time has passed: do what is due. */
    void (*step)(struct model_device *device);
};

/* One device and its driver. The log, the clock, the memory and the count of violations start
 * afresh; model_host_end frees what the driver, as drivers may, left for the system to take back.
 */
struct device *model_host_begin(struct model_device *model, const char *name);
void model_host_end(void);
/* For a network driver, before that. */
void model_net_end(void);
/* For one of the stream class. */
void model_stream_end(void);

/* What device_setting finds, like "poll-from=4"; the string stays where it is. */
void model_settings(const char *settings);

/* One turn of the event loop: the device, interrupts, timers, block requests. */
void model_turn(void);
/* Turns until that much simulated time has gone by. */
void model_run(uint64_t nanoseconds);

/* Simulated time, without any of it passing. */
uint64_t model_time(void);

/* Whether any timer is set. */
bool model_timer_is_set(void);

void model_violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
unsigned model_violations(void);

/* Whether a logged line contains `text`; how many lines do. */
bool model_log_has(const char *text);
unsigned model_log_count(const char *text);

/* For models: DMA through the table of lent memory. False, with a violation, if any byte is outside
 * of it or if the device may not master the bus. */
bool model_memory_read(uint64_t address, void *data, size_t size);
bool model_memory_write(uint64_t address, const void *data, size_t size);

/* For models: raise an interrupt; delivered in the next turn. */
void model_interrupt(unsigned vector);

/* How many interrupts the driver's handlers said were not for them. */
unsigned model_interrupts_rejected(void);

/* Let dma_buffer_create succeed that many times more, then fail with ENOMEM. */
void model_memory_limit(unsigned buffers);

/* What dma_is_translated says from now on; at the beginning, true. */
void model_memory_translated(bool translated);

#endif
