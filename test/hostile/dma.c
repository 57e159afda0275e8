/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Crimes by DMA. Where there is no IOMMU they are expected to succeed, so their targets are chosen
 * to do no harm.
 */
#include <stdbool.h>
#include <string.h>

#include <interface/io_device_user.h>
#include <interface/memory_user.h>
#include <interface/types.h>

#include <host/mach/port.h>
#include <host/mach/shared.h>
#include <host/mach/startup.h>

#include "hostile.h"

enum { PIECE = 64 };

static const char mark[PIECE] = "a hostile device was here";

/* Ours for good, so that no crime's address becomes ours again meanwhile. */
static struct dma_buffer *transfer_buffer(void)
{
    static struct dma_buffer buffer;

    if (!buffer.memory)
        dma_buffer_create(hostile_device, PIECE, &buffer);
    return &buffer;
}

/* Put the mark into the device, read `address` over it, and see whether the mark is still there. */
static bool device_can_read(uint64_t address)
{
    struct dma_buffer *buffer = transfer_buffer();
    static const char zeroes[PIECE];

    memcpy(buffer->memory, mark, PIECE);
    edu_read_bus(buffer->address, PIECE);
    edu_read_bus(address, PIECE);
    memset(buffer->memory, 0, PIECE);
    edu_write_bus(buffer->address, PIECE);
    /* QEMU reads what is refused as nothing at all, or as zeroes. */
    return memcmp(buffer->memory, mark, PIECE) != 0 && memcmp(buffer->memory, zeroes, PIECE) != 0;
}

/* Have the device write the mark there and read it back from there. */
static bool device_can_write(uint64_t address)
{
    struct dma_buffer *buffer = transfer_buffer();

    memcpy(buffer->memory, mark, PIECE);
    edu_read_bus(buffer->address, PIECE);
    edu_write_bus(address, PIECE);
    memset(buffer->memory, 0, PIECE);
    edu_read_bus(buffer->address, PIECE); /* wipe the device */
    edu_read_bus(address, PIECE);
    edu_write_bus(buffer->address, PIECE);
    return memcmp(buffer->memory, mark, PIECE) == 0;
}

static enum outcome own_memory_works(void)
{
    /* No crime: shows that the engine and these functions do what the crimes rely on. */
    struct dma_buffer buffer;

    if (dma_buffer_create(hostile_device, PIECE, &buffer) != 0)
        return REFUSED;
    memcpy(buffer.memory, mark, PIECE);
    bool reads = device_can_read(buffer.address) == false; /* the mark over the mark */
    bool writes = device_can_write(buffer.address);
    dma_buffer_destroy(hostile_device, &buffer);
    return reads && writes ? SUCCEEDED : CONTAINED;
}

static enum outcome read_kernel(void)
{
    return device_can_read(KERNEL_TEXT) ? SUCCEEDED : CONTAINED;
}

static enum outcome write_elsewhere(void)
{
    return device_can_write(VGA_TEXT) ? SUCCEEDED : CONTAINED;
}

static enum outcome read_after_release(void)
{
    struct dma_buffer buffer;
    struct shared_memory secret;

    transfer_buffer();
    if (dma_buffer_create(hostile_device, PIECE, &buffer) != 0)
        return REFUSED;
    uint64_t address = buffer.address;
    bool before = device_can_write(address); /* it was ours */
    dma_buffer_destroy(hostile_device, &buffer);
    /* The memory goes to somebody else, who keeps something in it. */
    if (shared_memory_allocate(1, &secret) != 0)
        return REFUSED;
    memset(secret.address, 0x5a, secret.size);
    bool after = device_can_read(address);
    shared_memory_free(&secret);
    return before && after ? SUCCEEDED : CONTAINED;
}

/* The memory's owner takes it back while the device has it. The crime is to go on. */
static enum outcome after_revocation(void)
{
    mach_port_t io, pool, memory, lease;
    uint64_t address, again, size;
    boolean_t reaches = TRUE;

    transfer_buffer();
    if (startup_capability("device", &io) != 0 || startup_capability("pool", &pool) != 0 ||
        memory_allocate(pool, PIECE, &memory) != KERN_SUCCESS ||
        memory_lease(memory, MEMORY_UNSEEN, &lease) != KERN_SUCCESS ||
        io_device_dma_map(io, lease, &address, &size) != KERN_SUCCESS)
        return REFUSED;
    bool before = device_can_write(address);
    if (memory_revoke(memory) != KERN_SUCCESS || !before)
        return REFUSED;
    bool after = device_can_write(address);
    bool mapped = io_device_dma_map(io, lease, &again, &size) == KERN_SUCCESS;
    /* Its address is not given to other memory while the driver may still name it. */
    struct dma_buffer other;
    if (dma_buffer_create(hostile_device, PIECE, &other) == 0) {
        mapped |= other.address == address;
        dma_buffer_destroy(hostile_device, &other);
    }
    after |= io_device_dma_check(io, address, PIECE, &reaches) == KERN_SUCCESS && reaches && mapped;
    io_device_dma_unmap(io, address);
    port_release(lease);
    port_release(memory);
    return after || mapped ? SUCCEEDED : CONTAINED;
}

/* Other tasks' memory for devices lies around our own: is there anything to be read? */
static enum outcome anothers_buffer(void)
{
    enum { PAGES = 3 };
    uint64_t own = transfer_buffer()->address;
    bool seen = false;

    for (uint64_t page = 1; page <= PAGES && !seen; page++) {
        seen = device_can_read(own + page * DMA_PAGE_SIZE) ||
               device_can_read(own - page * DMA_PAGE_SIZE);
    }
    return seen ? SUCCEEDED : CONTAINED;
}

static enum outcome past_the_page(void)
{
    struct dma_buffer buffer;

    /* Mapped last and highest: nothing of ours is behind it. Read only: without an IOMMU it is
     * somebody's memory, and if there are zeroes it looks as if nothing had been read. */
    if (dma_buffer_create(hostile_device, 1, &buffer) != 0)
        return REFUSED;
    bool seen = false;
    for (unsigned page = 1; page <= 8 && !seen; page++)
        seen = device_can_read(buffer.address + page * DMA_PAGE_SIZE);
    dma_buffer_destroy(hostile_device, &buffer);
    return seen ? SUCCEEDED : CONTAINED;
}

static void message_write(uint64_t address, uint32_t data)
{
    struct dma_buffer *buffer = transfer_buffer();

    *(uint32_t *)buffer->memory = data;
    edu_read_bus(buffer->address, sizeof(data));
    edu_write_bus(address, sizeof(data));
}

/* Interrupt requests for remapping entries that are nobody's or another's. A unit verifies who asks
 * (VT-d 9.10, SVT); QEMU's cannot tell for what a device writes by DMA. */
static enum outcome forge_remapped(void)
{
    for (uint64_t index = 58; index < 64; index++)
        message_write(UINT64_C(0xfee00010) | index << 5, 0);
    return CONTAINED; /* the test looks at what the authority logged */
}

/* One in the old format, for the vector of line 40, which is nobody's: if it arrives, the kernel
 * says "intnull(40)". A unit with remapping on refuses it (VT-d 5.1.4), but QEMU's does not. */
static enum outcome forge_plain(void)
{
    message_write(0xfee00000, 0x30 + 40);
    return CONTAINED;
}

const struct crime crimes_dma[] = {
    {"own-memory (no crime)", own_memory_works}, {"dma-read-kernel", read_kernel},
    {"dma-write-elsewhere", write_elsewhere},    {"dma-after-release", read_after_release},
    {"dma-after-revocation", after_revocation},  {"dma-anothers-buffer", anothers_buffer},
    {"dma-past-the-page", past_the_page},        {"forged-remapped-interrupt", forge_remapped},
    {"forged-plain-interrupt", forge_plain},     {0},
};
