/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <service/fs/cache.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int cache_init(struct cache *cache, size_t block_size)
{
    unsigned char *memory = malloc(block_size * CACHE_BLOCKS);

    if (!memory)
        return ENOMEM;
    cache_free(cache);
    cache->block_size = block_size;
    cache->memory = memory;
    for (size_t i = 0; i < CACHE_BLOCKS; i++)
        cache->blocks[i].data = memory + i * block_size;
    return 0;
}

void cache_free(struct cache *cache)
{
    free(cache->memory);
    memset(cache, 0, sizeof(*cache));
}

static struct cache_block *set_of(struct cache *cache, uint64_t block)
{
    return &cache->blocks[block % CACHE_SETS * CACHE_WAYS];
}

struct cache_block *cache_find(struct cache *cache, uint64_t block)
{
    struct cache_block *set = set_of(cache, block);

    for (unsigned i = 0; i < CACHE_WAYS; i++) {
        if (set[i].used != 0 && set[i].block == block)
            return &set[i];
    }
    return NULL;
}

struct cache_block *cache_victim(struct cache *cache, uint64_t block)
{
    struct cache_block *set = set_of(cache, block);
    struct cache_block *victim = &set[0];

    for (unsigned i = 1; i < CACHE_WAYS; i++) {
        if (set[i].used < victim->used)
            victim = &set[i];
    }
    return victim;
}

void cache_touch(struct cache *cache, struct cache_block *place)
{
    place->used = ++cache->clock;
}

void cache_fill(struct cache *cache, struct cache_block *place, uint64_t block, const void *data,
                bool dirty)
{
    memcpy(place->data, data, cache->block_size);
    place->block = block;
    place->dirty = dirty;
    cache_touch(cache, place);
}

void cache_drop(struct cache_block *place)
{
    place->used = 0;
    place->dirty = false;
}
