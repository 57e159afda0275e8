/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The shared memory of a queue between a client and a driver.
 *
 * There are two objects, each written by one side only and mapped read-only by the other: the
 * client's carries submissions, the driver's completions. Each begins with a struct queue_side,
 * and its entries follow at QUEUE_ENTRIES_OFFSET. Counters run freely and wrap at 2^32; entry n is
 * at n modulo the ring's length, which is a power of two. Byte order is the machine's (both ends
 * run on it). Nobody writes more entries ahead than the ring holds: a client has no more requests
 * in flight, and a driver no more completions to deliver, than there are slots.
 *
 * How the two sides keep each other going is in kit/core/queue.h.
 */
#ifndef INTERFACE_QUEUE_H
#define INTERFACE_QUEUE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Fields that change at different times have cache lines of their own. */
struct queue_side {
    uint32_t published; /* how many entries this side has made visible since the beginning */
    uint32_t reserved0[15];
    uint32_t
        asleep;     /* 1: this side waits for a wakeup, or is about to; 0: it will look by itself */
    uint32_t apart; /* 1: it looks all the time, on a processor that the other side does not need */
    uint32_t reserved1[14];
};
static_assert(offsetof(struct queue_side, asleep) == 64, "a cache line of its own");
static_assert(sizeof(struct queue_side) == 128, "wire layout");

#define QUEUE_ENTRIES_OFFSET 4096u

#endif
