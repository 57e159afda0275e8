/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <service/fs/io.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <kit/block_client.h>
#include <service/fs/cache.h>

enum {
    BUFFER_SIZE = 1 << 20,
    /* On a miss this many blocks are read: inode tables, directories and small files that were
     * written together lie together. */
    READ_AHEAD = 8,
};

struct fs_io {
    struct block_client *client;
    bool write;
    uint64_t size;         /* bytes */
    size_t unit;           /* the device's block size */
    unsigned char *memory; /* BUFFER_SIZE bytes that the device reaches */
    uint32_t buffer;
    struct cache cache;
};

static struct fs_io *io_of(io_channel channel)
{
    return channel->private_data;
}

uint64_t fs_io_size(io_channel channel)
{
    return io_of(channel)->size;
}

/* The device's blocks that cover the beginning of [offset, offset + size), as much as the buffer
 * holds. */
struct span {
    uint64_t block, count;
    size_t skip; /* bytes of the first block before `offset` */
    size_t take; /* bytes of the range in these blocks */
};

static struct span span_make(const struct fs_io *io, uint64_t offset, size_t size)
{
    struct span span = {.block = offset / io->unit, .skip = offset % io->unit};
    size_t room = BUFFER_SIZE - span.skip;

    span.take = size < room ? size : room;
    span.count = (span.skip + span.take + io->unit - 1) / io->unit;
    return span;
}

static int device_read(struct fs_io *io, uint64_t offset, size_t size, unsigned char *data)
{
    if (offset > io->size || size > io->size - offset)
        return ERANGE;
    while (size > 0) {
        struct span span = span_make(io, offset, size);
        int error = block_client_transfer(io->client, BLOCK_READ, span.block, span.count,
                                          io->buffer, 0);
        if (error != 0)
            return error;
        memcpy(data, io->memory + span.skip, span.take);
        data += span.take;
        offset += span.take;
        size -= span.take;
    }
    return 0;
}

static int device_write(struct fs_io *io, uint64_t offset, size_t size, const unsigned char *data)
{
    if (!io->write)
        return EROFS;
    if (offset > io->size || size > io->size - offset)
        return ERANGE;
    while (size > 0) {
        struct span span = span_make(io, offset, size);
        int error = 0;
        /* A file system block can be smaller than the device's. */
        if (span.skip != 0 || span.take % io->unit != 0)
            error = block_client_transfer(io->client, BLOCK_READ, span.block, span.count,
                                          io->buffer, 0);
        if (error != 0)
            return error;
        memcpy(io->memory + span.skip, data, span.take);
        error = block_client_transfer(io->client, BLOCK_WRITE, span.block, span.count, io->buffer,
                                      0);
        if (error != 0)
            return error;
        data += span.take;
        offset += span.take;
        size -= span.take;
    }
    return 0;
}

static int block_write_back(struct fs_io *io, struct cache_block *place)
{
    size_t block_size = io->cache.block_size;

    if (place->used == 0 || !place->dirty)
        return 0;
    int error = device_write(io, place->block * block_size, block_size, place->data);
    if (error == 0)
        place->dirty = false;
    return error;
}

static int block_compare(const void *a, const void *b)
{
    const struct cache_block *const *one = a, *const *other = b;

    return ((*one)->block > (*other)->block) - ((*one)->block < (*other)->block);
}

/* In the order of the disk. Every block is tried; the first error is returned. */
static int cache_write_back(struct fs_io *io)
{
    static struct cache_block *dirty[CACHE_BLOCKS];
    size_t count = 0;
    int result = 0;

    for (size_t i = 0; i < CACHE_BLOCKS; i++) {
        if (io->cache.blocks[i].used != 0 && io->cache.blocks[i].dirty)
            dirty[count++] = &io->cache.blocks[i];
    }
    qsort(dirty, count, sizeof(struct cache_block *), block_compare);
    for (size_t i = 0; i < count; i++) {
        int error = block_write_back(io, dirty[i]);
        if (result == 0)
            result = error;
    }
    return result;
}

static int cache_put(struct fs_io *io, uint64_t block, const void *data, bool dirty)
{
    struct cache_block *place = cache_find(&io->cache, block);

    if (!place) {
        place = cache_victim(&io->cache, block);
        int error = block_write_back(io, place);
        if (error != 0)
            return error;
    }
    cache_fill(&io->cache, place, block, data, dirty);
    return 0;
}

static int cached_read(struct fs_io *io, uint64_t block, void *data)
{
    static unsigned char ahead[READ_AHEAD * EXT2_MAX_BLOCK_SIZE];
    size_t block_size = io->cache.block_size;
    struct cache_block *place = cache_find(&io->cache, block);

    if (place) {
        cache_touch(&io->cache, place);
        memcpy(data, place->data, block_size);
        return 0;
    }

    uint64_t blocks = io->size / block_size;
    if (block >= blocks)
        return ERANGE;
    size_t count = blocks - block < READ_AHEAD ? (size_t)(blocks - block) : READ_AHEAD;
    int error = device_read(io, block * block_size, count * block_size, ahead);
    if (error == 0) {
        memcpy(data, ahead, block_size);
    } else {
        /* One of the blocks that nobody asked for may be the bad one. */
        count = 1;
        error = device_read(io, block * block_size, block_size, data);
        memcpy(ahead, data, block_size);
    }
    for (size_t i = 0; i < count && error == 0; i++) {
        if (!cache_find(&io->cache, block + i)) /* what is there may be newer */
            error = cache_put(io, block + i, ahead + i * block_size, false);
    }
    return error;
}

/* libext2fs counts bytes with negative numbers. */
static size_t length_of(io_channel channel, int count)
{
    return count < 0 ? (size_t)-(long)count : (size_t)count * (size_t)channel->block_size;
}

static bool range_is_possible(io_channel channel, unsigned long long block)
{
    return block <= io_of(channel)->size / (unsigned)channel->block_size;
}

static errcode_t io_read(io_channel channel, unsigned long long block, int count, void *data)
{
    struct fs_io *io = io_of(channel);
    size_t size = length_of(channel, count);
    size_t block_size = io->cache.block_size;

    if (!range_is_possible(channel, block))
        return EXT2_ET_SHORT_READ;
    if (size == block_size)
        return cached_read(io, block, data);

    for (uint64_t i = 0; i * block_size < size; i++) {
        struct cache_block *place = cache_find(&io->cache, block + i);
        int error = place ? block_write_back(io, place) : 0;
        if (error != 0)
            return error;
    }
    return device_read(io, block * block_size, size, data);
}

static errcode_t io_write(io_channel channel, unsigned long long block, int count,
                          const void *data)
{
    struct fs_io *io = io_of(channel);
    size_t size = length_of(channel, count);
    size_t block_size = io->cache.block_size;

    if (!io->write)
        return EXT2_ET_RO_FILSYS;
    if (!range_is_possible(channel, block))
        return EXT2_ET_SHORT_WRITE;
    if (size == block_size)
        return cache_put(io, block, data, true);

    for (uint64_t i = 0; i * block_size < size; i++) {
        struct cache_block *place = cache_find(&io->cache, block + i);
        if (!place)
            continue;
        /* The last one may be written in part only. */
        int error = block_write_back(io, place);
        if (error != 0)
            return error;
        cache_drop(place);
    }
    return device_write(io, block * block_size, size, data);
}

/* The primary superblock, at byte 1024 whatever the block size is. */
static errcode_t io_write_byte(io_channel channel, unsigned long offset, int size, const void *data)
{
    struct fs_io *io = io_of(channel);
    size_t block_size = io->cache.block_size;

    if (size < 0)
        return EXT2_ET_INVALID_ARGUMENT;
    uint64_t last = ((uint64_t)offset + (unsigned)size) / block_size;
    for (uint64_t block = offset / block_size; block <= last; block++) {
        struct cache_block *place = cache_find(&io->cache, block);
        if (!place)
            continue;
        int error = block_write_back(io, place);
        if (error != 0)
            return error;
        cache_drop(place);
    }
    return device_write(io, offset, (size_t)size, data);
}

static errcode_t io_flush(io_channel channel)
{
    struct fs_io *io = io_of(channel);

    if (!io->write)
        return 0;
    int error = cache_write_back(io);
    int flush = block_client_transfer(io->client, BLOCK_FLUSH, 0, 0, 0, 0);
    return error ? error : flush;
}

static errcode_t io_set_block_size(io_channel channel, int block_size)
{
    struct fs_io *io = io_of(channel);

    if (block_size < EXT2_MIN_BLOCK_SIZE || block_size > EXT2_MAX_BLOCK_SIZE)
        return EXT2_ET_UNEXPECTED_BLOCK_SIZE;
    if ((size_t)block_size == io->cache.block_size)
        return 0;
    int error = io->write ? cache_write_back(io) : 0;
    if (error == 0)
        error = cache_init(&io->cache, (size_t)block_size);
    if (error == 0)
        channel->block_size = block_size;
    return error;
}

static void channel_free(io_channel channel)
{
    struct fs_io *io = io_of(channel);

    if (io->client)
        block_client_close(io->client);
    cache_free(&io->cache);
    free(io);
    free(channel->name);
    free(channel);
}

static errcode_t io_close(io_channel channel)
{
    if (--channel->refcount > 0)
        return 0;
    errcode_t error = io_flush(channel);
    channel_free(channel);
    return error;
}

static int io_attach(struct fs_io *io, const char *name)
{
    void *memory;
    int error = block_client_open(name, io->write, &io->client);

    if (error != 0)
        return error;
    const struct block_info *info = block_client_info(io->client);
    if (io->write && (info->flags & BLOCK_INFO_READ_ONLY))
        return EROFS;
    io->unit = info->block_size;
    if (io->unit == 0 || io->unit > BUFFER_SIZE || info->blocks > UINT64_MAX / io->unit)
        return EPROTO;
    io->size = info->blocks * io->unit;
    error = block_client_buffer(io->client, BUFFER_SIZE, &memory, &io->buffer);
    io->memory = memory;
    return error;
}

static errcode_t io_open(const char *name, int flags, io_channel *result)
{
    io_channel channel = calloc(1, sizeof(*channel));
    struct fs_io *io = calloc(1, sizeof(*io));

    if (!channel || !io) {
        free(channel);
        free(io);
        return ENOMEM;
    }
    channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    channel->manager = &fs_io_manager;
    channel->refcount = 1;
    channel->private_data = io;
    channel->name = strdup(name); /* libext2fs looks at it */
    io->write = flags & IO_FLAG_RW;
    int error = channel->name ? io_attach(io, name) : ENOMEM;
    if (error == 0)
        error = (int)io_set_block_size(channel, EXT2_MIN_BLOCK_SIZE);
    if (error != 0) {
        channel_free(channel);
        return error;
    }
    *result = channel;
    return 0;
}

static errcode_t io_read32(io_channel channel, unsigned long block, int count, void *data)
{
    return io_read(channel, block, count, data);
}

static errcode_t io_write32(io_channel channel, unsigned long block, int count, const void *data)
{
    return io_write(channel, block, count, data);
}

struct struct_io_manager fs_io_manager = {
    .magic = EXT2_ET_MAGIC_IO_MANAGER,
    .name = "Outboard block session",
    .open = io_open,
    .close = io_close,
    .set_blksize = io_set_block_size,
    .read_blk = io_read32,
    .write_blk = io_write32,
    .flush = io_flush,
    .write_byte = io_write_byte,
    .read_blk64 = io_read,
    .write_blk64 = io_write,
};
