/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/io/translation.h>

#include <errno.h>
#include <stdlib.h>

#define PAGE_SIZE  UINT64_C(4096)
#define LARGE_SIZE UINT64_C(0x200000)

/* 9.8: second-level entries. */
#define ENTRY_READ    UINT64_C(1)
#define ENTRY_WRITE   UINT64_C(2)
#define ENTRY_LARGE   UINT64_C(0x80)
#define ENTRY_ADDRESS UINT64_C(0x000ffffffffff000)

enum { ENTRIES = 512, LEVEL_PAGE = 1, LEVEL_LARGE = 2 };

/* One table page, and beside it the way to the tables below. */
struct table {
    uint64_t *entries; /* what the unit reads */
    uint64_t physical;
    struct table *below[ENTRIES];
};

struct translation {
    const struct translation_memory *memory;
    unsigned levels;
    bool large;
    struct table *root;
};

static struct table *table_create(const struct translation_memory *memory)
{
    struct table *table = calloc(1, sizeof(*table));

    if (!table)
        return NULL;
    table->entries = memory->allocate(&table->physical);
    if (!table->entries) {
        free(table);
        return NULL;
    }
    if (memory->flush)
        memory->flush(table->entries, PAGE_SIZE);
    return table;
}

static void table_destroy(const struct translation_memory *memory, struct table *table)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        if (table->below[i])
            table_destroy(memory, table->below[i]);
    }
    memory->release(table->entries);
    free(table);
}

static void entry_write(const struct translation *translation, struct table *table, unsigned index,
                        uint64_t value)
{
    /* The unit may read it at any moment: one store. */
    *(volatile uint64_t *)&table->entries[index] = value;
    if (translation->memory->flush)
        translation->memory->flush(&table->entries[index], sizeof(value));
}

static unsigned level_index(uint64_t address, unsigned level)
{
    return (address >> (12 + 9 * (level - 1))) % ENTRIES;
}

static uint64_t reach(const struct translation *translation)
{
    return UINT64_C(1) << (12 + 9 * translation->levels);
}

int translation_create(const struct translation_memory *memory, unsigned levels, bool large,
                       struct translation **result)
{
    struct translation *translation = calloc(1, sizeof(*translation));

    if (!translation)
        return ENOMEM;
    translation->memory = memory;
    translation->levels = levels;
    translation->large = large;
    translation->root = table_create(memory);
    if (!translation->root) {
        free(translation);
        return ENOMEM;
    }
    *result = translation;
    return 0;
}

void translation_destroy(struct translation *translation)
{
    table_destroy(translation->memory, translation->root);
    free(translation);
}

uint64_t translation_root(const struct translation *translation)
{
    return translation->root->physical;
}

unsigned translation_levels(const struct translation *translation)
{
    return translation->levels;
}

/* The table at `level` on the way to `address`, made if it is not there. */
static int table_reach(struct translation *translation, uint64_t address, unsigned level,
                       struct table **result)
{
    struct table *table = translation->root;

    for (unsigned at = translation->levels; at > level; at--) {
        unsigned index = level_index(address, at);
        if (!table->below[index]) {
            if (table->entries[index] != 0)
                return EEXIST; /* a large page */
            struct table *made = table_create(translation->memory);
            if (!made)
                return ENOMEM;
            table->below[index] = made;
            entry_write(translation, table, index, made->physical | ENTRY_READ | ENTRY_WRITE);
        }
        table = table->below[index];
    }
    *result = table;
    return 0;
}

static int page_map(struct translation *translation, uint64_t address, uint64_t physical,
                    unsigned level)
{
    struct table *table;
    int error = table_reach(translation, address, level, &table);
    unsigned index = level_index(address, level);

    if (error != 0)
        return error;
    if (table->entries[index] != 0)
        return EEXIST;
    entry_write(translation, table, index,
                physical | ENTRY_READ | ENTRY_WRITE | (level == LEVEL_LARGE ? ENTRY_LARGE : 0));
    return 0;
}

/* Which level's page the next step of a mapping would like. */
static unsigned step_level(const struct translation *translation, uint64_t address,
                           uint64_t physical, uint64_t left)
{
    return translation->large && left >= LARGE_SIZE && address % LARGE_SIZE == 0 &&
                   physical % LARGE_SIZE == 0
               ? LEVEL_LARGE
               : LEVEL_PAGE;
}

static uint64_t level_size(unsigned level)
{
    return level == LEVEL_LARGE ? LARGE_SIZE : PAGE_SIZE;
}

int translation_map(struct translation *translation, uint64_t address, uint64_t physical,
                    uint64_t size)
{
    if (size == 0 || (address | physical | size) % PAGE_SIZE != 0 ||
        address >= reach(translation) || size > reach(translation) - address ||
        physical > ENTRY_ADDRESS || size > ENTRY_ADDRESS - physical)
        return EINVAL;

    for (uint64_t done = 0; done < size;) {
        unsigned level = step_level(translation, address + done, physical + done, size - done);
        int error = page_map(translation, address + done, physical + done, level);
        if (error == EEXIST && level == LEVEL_LARGE) {
            /* A table that small pages left behind is in the way: use it. */
            level = LEVEL_PAGE;
            error = page_map(translation, address + done, physical + done, level);
        }
        if (error != 0) {
            if (done > 0)
                translation_unmap(translation, address, done);
            return error;
        }
        done += level_size(level);
    }
    return 0;
}

/* The table that holds the last entry for `address`, its level and index; null if none is set. */
static struct table *entry_find(const struct translation *translation, uint64_t address,
                                unsigned *level, unsigned *index)
{
    struct table *table = translation->root;

    for (*level = translation->levels; table; (*level)--) {
        *index = level_index(address, *level);
        if (!table->below[*index])
            return table->entries[*index] != 0 ? table : NULL;
        table = table->below[*index];
    }
    return NULL;
}

void translation_unmap(struct translation *translation, uint64_t address, uint64_t size)
{
    if (size > reach(translation) || address > reach(translation) - size)
        return;
    /* Emptied tables stay until the whole is destroyed: the unit may have cached the way to them.
     */
    for (uint64_t done = 0; done < size;) {
        unsigned level, index;
        struct table *table = entry_find(translation, address + done, &level, &index);
        if (!table) {
            done += PAGE_SIZE;
            continue;
        }
        entry_write(translation, table, index, 0);
        done += level_size(level);
    }
}
