/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static struct disk *the_disk;
static struct struct_io_manager manager;

static struct disk *disk_of(io_channel channel)
{
    return channel->private_data;
}

static errcode_t channel_open(const char *name, int flags, io_channel *result)
{
    io_channel channel = calloc(1, sizeof(*channel));

    if (!channel)
        return EXT2_ET_NO_MEMORY;
    channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    channel->manager = &manager;
    channel->name = strdup(name);
    channel->block_size = 1024;
    channel->refcount = 1;
    channel->private_data = the_disk;
    (void)flags;
    *result = channel;
    return 0;
}

static errcode_t channel_close(io_channel channel)
{
    if (--channel->refcount > 0)
        return 0;
    errcode_t error = disk_flush(disk_of(channel), false);
    free(channel->name);
    free(channel);
    return error;
}

static errcode_t channel_set_blksize(io_channel channel, int size)
{
    errcode_t error = disk_block_size_set(disk_of(channel), (uint32_t)size);

    if (error == 0)
        channel->block_size = size;
    return error;
}

/* A negative count is a number of bytes (libext2fs's convention). */
static bool is_bytes(int count)
{
    return count < 0;
}

static errcode_t channel_read64(io_channel channel, unsigned long long block, int count, void *data)
{
    if (block > UINT64_MAX / (unsigned)channel->block_size)
        return ERANGE;
    if (is_bytes(count))
        return disk_read(disk_of(channel), block * (unsigned)channel->block_size,
                         (uint64_t) - (int64_t)count, data);
    return disk_block_read(disk_of(channel), block, (unsigned)count, data);
}

static errcode_t channel_write64(io_channel channel, unsigned long long block, int count,
                                 const void *data)
{
    if (block > UINT64_MAX / (unsigned)channel->block_size)
        return ERANGE;
    if (is_bytes(count))
        return disk_write(disk_of(channel), block * (unsigned)channel->block_size,
                          (uint64_t) - (int64_t)count, data);
    return disk_block_write(disk_of(channel), block, (unsigned)count, data);
}

static errcode_t channel_read(io_channel channel, unsigned long block, int count, void *data)
{
    return channel_read64(channel, block, count, data);
}

static errcode_t channel_write(io_channel channel, unsigned long block, int count, const void *data)
{
    return channel_write64(channel, block, count, data);
}

static errcode_t channel_flush(io_channel channel)
{
    return disk_flush(disk_of(channel), true);
}

static errcode_t channel_write_byte(io_channel channel, unsigned long offset, int size,
                                    const void *data)
{
    /* libext2fs writes the words of the superblock that changed, its checksum last: together or
     * not at all. */
    return size < 0 ? EINVAL : disk_patch(disk_of(channel), offset, (uint64_t)size, data);
}

static struct struct_io_manager manager = {
    .magic = EXT2_ET_MAGIC_IO_MANAGER,
    .name = "block client",
    .open = channel_open,
    .close = channel_close,
    .set_blksize = channel_set_blksize,
    .read_blk = channel_read,
    .write_blk = channel_write,
    .flush = channel_flush,
    .write_byte = channel_write_byte,
    .read_blk64 = channel_read64,
    .write_blk64 = channel_write64,
};

io_manager manager_for(struct disk *disk)
{
    the_disk = disk;
    return &manager;
}
