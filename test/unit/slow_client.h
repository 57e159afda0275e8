/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A block client whose device is memory and takes its time: what is submitted is carried out at any
 * moment before it is said to be done, in any order, as the test's choices say. What breaks the
 * contract ends the process.
 */
#ifndef TEST_UNIT_SLOW_CLIENT_H
#define TEST_UNIT_SLOW_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kit/client/block.h>

enum { SLOW_CLIENT_SIZE = 4 << 20, SLOW_CLIENT_UNIT_LEAST = 512 };

struct slow_client_device {
    uint32_t unit; /* the device's block size */
    uint32_t max_transfer;
    uint32_t size; /* bytes, at most SLOW_CLIENT_SIZE */
    unsigned char data[SLOW_CLIENT_SIZE];
    /* By block: reading or writing it fails; nothing of such a request is moved. */
    bool read_fails[SLOW_CLIENT_SIZE / SLOW_CLIENT_UNIT_LEAST];
    bool write_fails[SLOW_CLIENT_SIZE / SLOW_CLIENT_UNIT_LEAST];
    bool gone;
    unsigned reads, writes, flushes; /* requests */
    unsigned most_in_flight, in_flight;
    unsigned (*choose)(void *context, unsigned limit); /* a number below `limit` */
    void *context;
};

/* What block_client_open opens. */
extern struct slow_client_device slow_client_device;

#endif
