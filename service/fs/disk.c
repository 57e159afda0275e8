/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/client/block.h>

#include "ahead.h"
#include "writes.h"

enum {
    CACHE_BLOCKS = 2048,
    CACHE_BUCKETS = 4096,
    DIRTY_MOST = CACHE_BLOCKS / 2,
};
#define BLOCK_NONE UINT64_MAX

struct cached {
    uint64_t block; /* BLOCK_NONE: empty */
    bool dirty, used;
    struct cached *next; /* in the bucket */
};

struct disk {
    struct block_client *client;
    uint32_t unit; /* the device's block size */
    uint64_t size;
    struct ahead *ahead;
    struct writes *writes;

    uint32_t block_size;
    unsigned dirty, hand;
    struct cached *bucket[CACHE_BUCKETS];
    struct cached cached[CACHE_BLOCKS];
    struct cached *sorted[CACHE_BLOCKS];
    unsigned char *data; /* CACHE_BLOCKS blocks */
};

int disk_create(struct block_client *client, struct disk **result)
{
    const struct block_info *info = block_client_info(client);
    struct disk *disk = calloc(1, sizeof(*disk));

    if (!disk)
        return ENOMEM;
    disk->client = client;
    disk->unit = info->block_size;
    disk->size = info->blocks * info->block_size;
    int error = ahead_create(client, &disk->ahead);
    if (error == 0)
        error = writes_create(client, &disk->writes);
    if (error == 0)
        error = disk_block_size_set(disk, 1024);
    if (error != 0) {
        disk_destroy(disk);
        return error;
    }
    *result = disk;
    return 0;
}

void disk_destroy(struct disk *disk)
{
    ahead_destroy(disk->ahead);
    writes_destroy(disk->writes);
    free(disk->data);
    free(disk);
}

uint64_t disk_size(const struct disk *disk)
{
    return disk->size;
}

/* Blocks that the range covers only in part are read first. */
static int raw_write(struct disk *disk, uint64_t offset, uint64_t length, const void *data)
{
    static const struct writes_told nobody;
    const unsigned char *from = data;
    int error = 0;

    while (error == 0 && length > 0) {
        uint64_t skip = offset % disk->unit, start = offset - skip;
        uint64_t most = writes_size(disk->writes) - skip, part = length < most ? length : most;
        uint64_t count = (skip + part - 1) / disk->unit + 1;
        unsigned char *room = writes_room(disk->writes);
        if (skip != 0 || part % disk->unit != 0) {
            error = writes_wait(disk->writes); /* one in flight may have the rest of the block */
            if (error == 0)
                error = ahead_read(disk->ahead, start, count * disk->unit, room);
            if (error != 0)
                break;
        }
        memcpy(room + skip, from, part);
        ahead_forget(disk->ahead, start / disk->unit, count);
        writes_submit(disk->writes, start / disk->unit, count, &nobody);
        error = writes_error(disk->writes);
        from += part;
        offset += part;
        length -= part;
    }
    int last = writes_wait(disk->writes);
    return error ? error : last;
}

static bool range_is_inside(const struct disk *disk, uint64_t offset, uint64_t length)
{
    return offset <= disk->size && length <= disk->size - offset;
}

static unsigned bucket_of(uint64_t block)
{
    return (unsigned)(block * UINT64_C(0x9e3779b97f4a7c15) >> 52) % CACHE_BUCKETS;
}

static struct cached *cache_lookup(struct disk *disk, uint64_t block)
{
    struct cached *cached = disk->bucket[bucket_of(block)];

    while (cached && cached->block != block)
        cached = cached->next;
    if (cached)
        cached->used = true;
    return cached;
}

static unsigned char *cache_data(struct disk *disk, const struct cached *cached)
{
    return disk->data + (size_t)(cached - disk->cached) * disk->block_size;
}

static void cache_drop(struct disk *disk, struct cached *cached)
{
    struct cached **link = &disk->bucket[bucket_of(cached->block)];

    if (cached->block == BLOCK_NONE)
        return;
    while (*link != cached)
        link = &(*link)->next;
    *link = cached->next;
    disk->dirty -= cached->dirty;
    cached->dirty = false;
    cached->block = BLOCK_NONE;
}

static int sorted_compare(const void *a, const void *b)
{
    const struct cached *const *left = a, *const *right = b;

    return ((*left)->block > (*right)->block) - ((*left)->block < (*right)->block);
}

/* Those that could not be written stay dirty. */
static void run_written(void *context, unsigned from, unsigned count, int error)
{
    struct disk *disk = context;

    for (unsigned i = from; error == 0 && i < from + count; i++) {
        disk->sorted[i]->dirty = false;
        disk->dirty--;
    }
}

/* Have one run of neighbours from disk->sorted written; how many blocks it took. */
static unsigned run_write(struct disk *disk, unsigned at, unsigned count, int *error)
{
    unsigned most = writes_size(disk->writes) / disk->block_size, run = 1;
    uint64_t first = disk->sorted[at]->block;

    /* A block that is no whole number of the device's goes the careful way. */
    if (disk->block_size % disk->unit != 0 || most == 0) {
        *error = raw_write(disk, first * disk->block_size, disk->block_size,
                           cache_data(disk, disk->sorted[at]));
        run_written(disk, at, 1, *error);
        return 1;
    }
    while (run < most && at + run < count && disk->sorted[at + run]->block == first + run)
        run++;
    unsigned char *room = writes_room(disk->writes);
    for (unsigned i = 0; i < run; i++)
        memcpy(room + (size_t)i * disk->block_size, cache_data(disk, disk->sorted[at + i]),
               disk->block_size);
    uint64_t ratio = disk->block_size / disk->unit;
    ahead_forget(disk->ahead, first * ratio, run * ratio);
    writes_submit(disk->writes, first * ratio, run * ratio,
                  &(struct writes_told){run_written, disk, at, run});
    return run;
}

/* All in flight together, as no block is there twice; none when it returns. */
static int cache_clean(struct disk *disk)
{
    unsigned count = 0;
    int error = 0;

    if (disk->dirty == 0)
        return 0;
    for (unsigned i = 0; i < CACHE_BLOCKS; i++) {
        if (disk->cached[i].dirty)
            disk->sorted[count++] = &disk->cached[i];
    }
    qsort(disk->sorted, count, sizeof(disk->sorted[0]), sorted_compare);
    for (unsigned at = 0; at < count && error == 0 && writes_error(disk->writes) == 0;)
        at += run_write(disk, at, count, &error);
    int last = writes_wait(disk->writes);
    return error ? error : last;
}

/* An entry for a block that is not cached: one not used lately (second chance). */
static int cache_take(struct disk *disk, uint64_t block, struct cached **result)
{
    if (disk->dirty >= DIRTY_MOST) {
        int error = cache_clean(disk);
        if (error != 0)
            return error;
    }
    for (;;) {
        struct cached *cached = &disk->cached[disk->hand++ % CACHE_BLOCKS];
        if (cached->dirty)
            continue;
        if (cached->used) {
            cached->used = false;
            continue;
        }
        cache_drop(disk, cached);
        cached->block = block;
        cached->used = true;
        cached->next = disk->bucket[bucket_of(block)];
        disk->bucket[bucket_of(block)] = cached;
        *result = cached;
        return 0;
    }
}

int disk_block_size_set(struct disk *disk, uint32_t size)
{
    if (size < 1024 || size > 65536 || (size & (size - 1)) != 0)
        return EINVAL;
    if (size == disk->block_size)
        return 0;
    int error = disk->data ? cache_clean(disk) : 0;
    if (error != 0)
        return error;
    unsigned char *data = malloc((size_t)CACHE_BLOCKS * size);
    if (!data)
        return ENOMEM;
    free(disk->data);
    disk->data = data;
    disk->block_size = size;
    memset(disk->bucket, 0, sizeof(disk->bucket));
    for (unsigned i = 0; i < CACHE_BLOCKS; i++)
        disk->cached[i] = (struct cached){.block = BLOCK_NONE};
    return 0;
}

static bool blocks_are_inside(const struct disk *disk, uint64_t block, unsigned count)
{
    return block <= disk->size / disk->block_size && count <= disk->size / disk->block_size - block;
}

/* The block's entry, read from the device if it is not there. */
static int cache_get(struct disk *disk, uint64_t block, struct cached **result)
{
    if (!blocks_are_inside(disk, block, 1))
        return ERANGE;
    *result = cache_lookup(disk, block);
    if (*result)
        return 0;
    int error = cache_take(disk, block, result);
    if (error != 0)
        return error;
    error = ahead_read(disk->ahead, block * disk->block_size, disk->block_size,
                       cache_data(disk, *result));
    if (error != 0)
        cache_drop(disk, *result);
    return error;
}

int disk_block_read(struct disk *disk, uint64_t block, unsigned count, void *data)
{
    unsigned char *to = data;

    if (!blocks_are_inside(disk, block, count))
        return ERANGE;
    for (unsigned i = 0; i < count; i++, to += disk->block_size) {
        struct cached *cached;
        int error = cache_get(disk, block + i, &cached);
        if (error != 0)
            return error;
        memcpy(to, cache_data(disk, cached), disk->block_size);
    }
    return 0;
}

int disk_block_write(struct disk *disk, uint64_t block, unsigned count, const void *data)
{
    const unsigned char *from = data;

    if (!blocks_are_inside(disk, block, count))
        return ERANGE;
    for (unsigned i = 0; i < count; i++, from += disk->block_size) {
        struct cached *cached = cache_lookup(disk, block + i);
        int error = cached ? 0 : cache_take(disk, block + i, &cached);
        if (error != 0)
            return error;
        memcpy(cache_data(disk, cached), from, disk->block_size);
        disk->dirty += !cached->dirty;
        cached->dirty = true;
    }
    return 0;
}

/* Whether a byte range touches a block that the cache has; `drop`: forget those. */
static bool cache_touches(struct disk *disk, uint64_t offset, uint64_t length, bool drop)
{
    bool dirty = false;

    for (uint64_t block = offset / disk->block_size;
         block <= (offset + length - 1) / disk->block_size; block++) {
        struct cached *cached = cache_lookup(disk, block);
        dirty |= cached && cached->dirty;
        if (cached && drop)
            cache_drop(disk, cached);
    }
    return dirty;
}

int disk_read(struct disk *disk, uint64_t offset, uint64_t length, void *data)
{
    if (!range_is_inside(disk, offset, length))
        return ERANGE;
    if (length == 0)
        return 0;
    int error = cache_touches(disk, offset, length, false) ? cache_clean(disk) : 0;
    return error ? error : ahead_read(disk->ahead, offset, length, data);
}

int disk_write(struct disk *disk, uint64_t offset, uint64_t length, const void *data)
{
    if (!range_is_inside(disk, offset, length))
        return ERANGE;
    if (length == 0)
        return 0;
    int error = cache_touches(disk, offset, length, false) ? cache_clean(disk) : 0;
    if (error != 0)
        return error;
    cache_touches(disk, offset, length, true);
    return raw_write(disk, offset, length, data);
}

int disk_patch(struct disk *disk, uint64_t offset, uint64_t length, const void *data)
{
    const unsigned char *from = data;

    if (!range_is_inside(disk, offset, length))
        return ERANGE;
    while (length > 0) {
        uint64_t block = offset / disk->block_size, skip = offset % disk->block_size;
        uint64_t room = disk->block_size - skip, part = length < room ? length : room;
        struct cached *cached;
        int error = cache_get(disk, block, &cached);
        if (error != 0)
            return error;
        memcpy(cache_data(disk, cached) + skip, from, part);
        disk->dirty += !cached->dirty;
        cached->dirty = true;
        from += part;
        offset += part;
        length -= part;
    }
    return 0;
}

int disk_flush(struct disk *disk, bool durable)
{
    int error = cache_clean(disk);

    if (error == 0 && durable)
        error = block_client_transfer(disk->client, BLOCK_FLUSH, 0, 0, 0, 0);
    return error;
}
