/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory that both the driver and its device can reach: rings, command tables, identify pages.
 */
#ifndef KIT_DMA_H
#define KIT_DMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device;

/* Zero-filled, page-aligned, wired. `address` is what the device must use: it is contiguous for the
 * device, and not a physical address where there is an IOMMU. */
struct dma_buffer {
    void *memory;
    uint64_t address;
    size_t size; /* bytes, rounded up to whole pages */
};

#define DMA_PAGE_SIZE 4096u

/* 0 or an errno value: ENOMEM when memory or the driver's quota is used up. */
int dma_buffer_create(struct device *device, size_t size, struct dma_buffer *buffer);

/* The device must not use the buffer any more. */
void dma_buffer_destroy(struct device *device, struct dma_buffer *buffer);

#endif
