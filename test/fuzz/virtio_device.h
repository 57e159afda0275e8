/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the registers and queues of virtio devices have in common, for targets that are one
 * (window.h).
 */
#ifndef TEST_FUZZ_VIRTIO_DEVICE_H
#define TEST_FUZZ_VIRTIO_DEVICE_H

#include <kit/core/virtio_layout.h>
#include <kit/virtio.h>
#include <test/fuzz/window.h>

enum { FUZZ_VIRTIO_QUEUES = 5, FUZZ_VIRTIO_CONFIG = 0x3000 }; /* where its own configuration is */

struct fuzz_virtio_queue {
    uint64_t descriptors, available, used;
    uint16_t size, seen, put; /* entries; of the available ring; of the used ring */
};
extern struct fuzz_virtio_queue fuzz_virtio_queue[FUZZ_VIRTIO_QUEUES];

/* The capabilities that say where its registers are, 4 KiB for each, in the window. */
void fuzz_virtio_capabilities(uint8_t *config, unsigned window);

/* A device with these features, and bit 0 and 32; or as the input says instead. */
void fuzz_virtio_make(struct fuzz_input *input, uint16_t id, unsigned queues, uint32_t features,
                      uint8_t kind);

/* As fuzz_window_was_written; true: the device was reset. */
bool fuzz_virtio_was_written(size_t offset, unsigned width, uint64_t value);

/* A chain comes back, which may be with the device or not. */
void fuzz_virtio_give_back(unsigned queue, uint32_t head, uint32_t length);

#endif
