/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/block_client.h>

enum {
    TRANSFER_SIZE = 1 << 20,
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
    void *memory; /* TRANSFER_SIZE bytes that the device reaches */
    uint32_t buffer;

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
    int error = block_client_buffer(client, TRANSFER_SIZE, &disk->memory, &disk->buffer);
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
    free(disk->data);
    free(disk);
}

uint64_t disk_size(const struct disk *disk)
{
    return disk->size;
}

/* Device blocks that cover a byte range of at most TRANSFER_SIZE minus two units. */
struct span {
    uint64_t first, count;
    size_t skip; /* bytes of the first block before the range */
};

static struct span span_of(const struct disk *disk, uint64_t offset, uint64_t length)
{
    uint64_t first = offset / disk->unit;
    uint64_t last = (offset + length - 1) / disk->unit;

    return (struct span){first, last - first + 1, (size_t)(offset % disk->unit)};
}

static int raw_read(struct disk *disk, uint64_t offset, uint64_t length, void *data)
{
    unsigned char *to = data;

    while (length > 0) {
        uint64_t most = TRANSFER_SIZE - offset % disk->unit;
        uint64_t part = length < most ? length : most;
        struct span span = span_of(disk, offset, part);
        int error = block_client_transfer(disk->client, BLOCK_READ, span.first, span.count,
                                          disk->buffer, 0);
        if (error != 0)
            return error;
        memcpy(to, (unsigned char *)disk->memory + span.skip, part);
        to += part;
        offset += part;
        length -= part;
    }
    return 0;
}

/* Blocks that the range covers only in part are read first. */
static int raw_write(struct disk *disk, uint64_t offset, uint64_t length, const void *data)
{
    const unsigned char *from = data;

    while (length > 0) {
        uint64_t most = TRANSFER_SIZE - offset % disk->unit;
        uint64_t part = length < most ? length : most;
        struct span span = span_of(disk, offset, part);
        int error = 0;
        if (span.skip != 0 || part % disk->unit != 0)
            error = block_client_transfer(disk->client, BLOCK_READ, span.first, span.count,
                                          disk->buffer, 0);
        if (error != 0)
            return error;
        memcpy((unsigned char *)disk->memory + span.skip, from, part);
        error = block_client_transfer(disk->client, BLOCK_WRITE, span.first, span.count,
                                      disk->buffer, 0);
        if (error != 0)
            return error;
        from += part;
        offset += part;
        length -= part;
    }
    return 0;
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

/* Write one run of neighbours from disk->sorted; how many blocks it took. */
static unsigned run_write(struct disk *disk, unsigned at, unsigned count, int *error)
{
    unsigned most = TRANSFER_SIZE / disk->block_size, run = 1;
    uint64_t first = disk->sorted[at]->block;

    while (run < most && at + run < count && disk->sorted[at + run]->block == first + run)
        run++;
    /* A block that is no whole number of the device's goes the careful way. */
    if (disk->block_size % disk->unit != 0) {
        *error = raw_write(disk, first * disk->block_size, disk->block_size,
                           cache_data(disk, disk->sorted[at]));
        return 1;
    }
    for (unsigned i = 0; i < run; i++)
        memcpy((unsigned char *)disk->memory + (size_t)i * disk->block_size,
               cache_data(disk, disk->sorted[at + i]), disk->block_size);
    uint64_t ratio = disk->block_size / disk->unit;
    *error = block_client_transfer(disk->client, BLOCK_WRITE, first * ratio, run * ratio,
                                   disk->buffer, 0);
    return run;
}

static int cache_clean(struct disk *disk)
{
    unsigned count = 0;

    if (disk->dirty == 0)
        return 0;
    for (unsigned i = 0; i < CACHE_BLOCKS; i++) {
        if (disk->cached[i].dirty)
            disk->sorted[count++] = &disk->cached[i];
    }
    qsort(disk->sorted, count, sizeof(disk->sorted[0]), sorted_compare);
    for (unsigned at = 0; at < count;) {
        int error = 0;
        unsigned run = run_write(disk, at, count, &error);
        if (error != 0)
            return error; /* what is left stays dirty */
        for (unsigned i = 0; i < run; i++)
            disk->sorted[at + i]->dirty = false;
        disk->dirty -= run;
        at += run;
    }
    return 0;
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
    error = raw_read(disk, block * disk->block_size, disk->block_size, cache_data(disk, *result));
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
    return error ? error : raw_read(disk, offset, length, data);
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
