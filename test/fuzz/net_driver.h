/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A network driver with a device that puts anything into its registers and into the memory that it
 * may write, and a client that submits anything. Checked: every access stays inside what was
 * opened, nothing is completed that was not submitted, nothing twice, none with more bytes than its
 * buffer has, and nothing after the session has ended.
 */
#ifndef TEST_FUZZ_NET_DRIVER_H
#define TEST_FUZZ_NET_DRIVER_H

#include <kit/device.h>
#include <test/fuzz/fuzz.h>

enum { FUZZ_WINDOW_SIZE = 0x20000 };

struct fuzz_device {
    uint8_t config[256];
    uint8_t window[FUZZ_WINDOW_SIZE];
    unsigned window_index;
    struct device_identity identity;
};
extern struct fuzz_device fuzz_device;

/* By the target: a device as it should be; something that one does, good or bad; what follows from
 * a register that was written. */
void fuzz_device_make(struct fuzz_input *input);
void fuzz_device_act(struct fuzz_input *input);
void fuzz_device_wrote(size_t offset, unsigned width, uint64_t value);

/* `size` bytes of the memory that was lent, where the device sees them; null: it was not. */
void *fuzz_device_memory(uint64_t address, size_t size);

#endif
