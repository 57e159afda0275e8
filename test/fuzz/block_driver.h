/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver of the block class with a device that says anything, and requests that the class has
 * checked. Checked here: what is offered can be; a request ends once, and after a stop none is
 * left; a driver that has no room has something in flight. Where the device knows better it says
 * so (fuzz_device_ends).
 */
#ifndef TEST_FUZZ_BLOCK_DRIVER_H
#define TEST_FUZZ_BLOCK_DRIVER_H

#include <kit/core/block.h>
#include <test/fuzz/window.h>

enum { FUZZ_REQUESTS = 40 };
extern struct block_request fuzz_request[FUZZ_REQUESTS];

/* Whether the driver has that one now. */
bool fuzz_request_is_held(unsigned index);

/* The one that the driver has and whose memory is there, or -1. */
int fuzz_request_find(uint64_t address, uint64_t length);

/* By the target, beside the window's: a device as it should be; something that one does, good or
 * bad; it does as it should from now on, so that everything can end. */
void fuzz_device_make(struct fuzz_input *input);
void fuzz_device_act(struct fuzz_input *input);
void fuzz_device_mend(void);

/* Whether the device is done with a request that ends, as far as the driver can know. */
bool fuzz_device_ends(unsigned index, enum block_status status);

#endif
