/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * DMA memory. A device address is nothing like a pointer, as behind an IOMMU, and every buffer has
 * a hole behind it: a device reaches what is in this table and nothing else.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <kit/core/dma.h>

#include "internal.h"

enum { BUFFERS_MAX = 512 };
#define FIRST_ADDRESS UINT64_C(0x140003000) /* above 4 GiB: a 32-bit mistake shows */

static struct dma_buffer buffers[BUFFERS_MAX];
static uint64_t next_address;
static unsigned allowed;
static bool translated;

void model_memory_begin(void)
{
    memset(buffers, 0, sizeof(buffers));
    next_address = FIRST_ADDRESS;
    allowed = UINT_MAX;
    translated = true;
}

void model_memory_end(void)
{
    for (unsigned i = 0; i < BUFFERS_MAX; i++)
        free(buffers[i].memory);
    memset(buffers, 0, sizeof(buffers));
}

void model_memory_limit(unsigned count)
{
    allowed = count;
}

void model_memory_translated(bool now)
{
    translated = now;
}

bool dma_is_translated(const struct device *device)
{
    (void)device;
    return translated;
}

int dma_buffer_create(struct device *device, size_t size, struct dma_buffer *buffer)
{
    unsigned slot = 0;

    (void)device;
    while (slot < BUFFERS_MAX && buffers[slot].memory)
        slot++;
    if (size == 0 || size > SIZE_MAX - DMA_PAGE_SIZE)
        return EINVAL;
    if (slot == BUFFERS_MAX || allowed == 0)
        return ENOMEM;
    allowed--;

    size = (size + DMA_PAGE_SIZE - 1) & ~(size_t)(DMA_PAGE_SIZE - 1);
    void *memory = aligned_alloc(DMA_PAGE_SIZE, size);
    if (!memory)
        return ENOMEM;
    memset(memory, 0, size);
    buffers[slot] = (struct dma_buffer){memory, next_address, size};
    next_address += size + DMA_PAGE_SIZE;
    *buffer = buffers[slot];
    return 0;
}

void dma_buffer_destroy(struct device *device, struct dma_buffer *buffer)
{
    (void)device;
    for (unsigned i = 0; buffer->memory && i < BUFFERS_MAX; i++) {
        if (buffers[i].memory != buffer->memory)
            continue;
        free(buffers[i].memory);
        buffers[i] = *buffer = (struct dma_buffer){0};
        return;
    }
    model_violation("a DMA buffer is destroyed that does not exist");
}

/* Where a device's access goes, or null. An access within one buffer only: a device that needs
 * what is contiguous for it gets it from one buffer. */
static void *translate(uint64_t address, size_t size)
{
    if (!model_device_is_master()) {
        model_violation("DMA to %llx before bus mastering was allowed",
                        (unsigned long long)address);
        return NULL;
    }
    for (unsigned i = 0; i < BUFFERS_MAX; i++) {
        const struct dma_buffer *buffer = &buffers[i];
        if (!buffer->memory || address < buffer->address)
            continue;
        uint64_t offset = address - buffer->address;
        if (offset < buffer->size && size <= buffer->size - offset)
            return (char *)buffer->memory + offset;
    }
    model_violation("DMA of %zu bytes at %llx, outside of lent memory", size,
                    (unsigned long long)address);
    return NULL;
}

bool model_memory_read(uint64_t address, void *data, size_t size)
{
    const void *memory = translate(address, size);

    if (memory)
        memcpy(data, memory, size);
    return memory;
}

bool model_memory_write(uint64_t address, const void *data, size_t size)
{
    void *memory = translate(address, size);

    if (memory)
        memcpy(memory, data, size);
    return memory;
}
