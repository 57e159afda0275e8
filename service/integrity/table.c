/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "table.h"

#include <stdlib.h>
#include <string.h>

struct piece {
    uint64_t number;
    struct piece *next; /* in the bucket */
    bool touched;
    uint64_t known[TABLE_PIECE_BLOCKS / 64];
    uint32_t sum[TABLE_PIECE_BLOCKS];
};

struct table {
    unsigned pieces_max, count, hand;
    struct piece *last; /* looked up last: most look-ups are for the same one again */
    struct piece **all; /* `count` of them */
    unsigned mask;      /* buckets, less one */
    struct piece *bucket[];
};

struct table *table_create(unsigned pieces_max)
{
    unsigned buckets = 1;

    while (buckets < pieces_max && buckets < 1u << 20)
        buckets *= 2;
    struct table *table = calloc(1, sizeof(*table) + buckets * sizeof(table->bucket[0]));
    if (!table)
        return NULL;
    table->all = calloc(pieces_max, sizeof(*table->all));
    if (!table->all) {
        free(table);
        return NULL;
    }
    table->pieces_max = pieces_max;
    table->mask = buckets - 1;
    return table;
}

void table_destroy(struct table *table)
{
    for (unsigned i = 0; i < table->count; i++)
        free(table->all[i]);
    free(table->all);
    free(table);
}

static struct piece **bucket_of(struct table *table, uint64_t number)
{
    return &table->bucket[(number * UINT64_C(0x9e3779b97f4a7c15) >> 40) & table->mask];
}

static struct piece *piece_lookup(struct table *table, uint64_t number)
{
    if (table->last && table->last->number == number)
        return table->last;
    struct piece *piece = *bucket_of(table, number);
    while (piece && piece->number != number)
        piece = piece->next;
    if (piece) {
        piece->touched = true;
        table->last = piece;
    }
    return piece;
}

/* Second chance, in a circle. */
static struct piece *piece_evict(struct table *table)
{
    struct piece *piece;

    for (;;) {
        piece = table->all[table->hand++ % table->count];
        if (!piece->touched)
            break;
        piece->touched = false;
    }
    struct piece **link = bucket_of(table, piece->number);
    while (*link != piece)
        link = &(*link)->next;
    *link = piece->next;
    return piece;
}

/* An empty one in its place; null: there is no memory, not even to take from another. */
static struct piece *piece_make(struct table *table, uint64_t number)
{
    struct piece *piece = table->count < table->pieces_max ? malloc(sizeof(struct piece)) : NULL;

    if (piece)
        table->all[table->count++] = piece;
    else if (table->count > 0)
        piece = piece_evict(table);
    else
        return NULL;
    struct piece **bucket = bucket_of(table, number);
    piece->number = number;
    piece->touched = true;
    piece->next = *bucket;
    memset(piece->known, 0, sizeof(piece->known));
    *bucket = piece;
    table->last = piece;
    return piece;
}

static bool is_known(const struct piece *piece, unsigned at)
{
    return piece->known[at / 64] >> at % 64 & 1;
}

/* How many of `count` blocks from `first` on are in the first one's piece. */
static unsigned part_of(uint64_t first, uint64_t count)
{
    unsigned room = TABLE_PIECE_BLOCKS - (unsigned)(first % TABLE_PIECE_BLOCKS);

    return count < room ? (unsigned)count : room;
}

/* `step`: 1: each its own sum; 0: all the same. */
static void range_set(struct table *table, uint64_t first, unsigned count, const uint32_t *sums,
                      unsigned step)
{
    while (count > 0) {
        uint64_t number = first / TABLE_PIECE_BLOCKS;
        unsigned at = first % TABLE_PIECE_BLOCKS, part = part_of(first, count);
        struct piece *piece = piece_lookup(table, number);
        if (!piece)
            piece = piece_make(table, number);
        for (unsigned i = 0; piece && i < part; i++) {
            piece->sum[at + i] = sums[i * step];
            piece->known[(at + i) / 64] |= UINT64_C(1) << (at + i) % 64;
        }
        first += part;
        count -= part;
        sums += part * step;
    }
}

void table_set(struct table *table, uint64_t first, unsigned count, const uint32_t *sums)
{
    range_set(table, first, count, sums, 1);
}

void table_set_all(struct table *table, uint64_t first, unsigned count, uint32_t sum)
{
    range_set(table, first, count, &sum, 0);
}

void table_forget(struct table *table, uint64_t first, uint64_t count)
{
    while (count > 0) {
        unsigned at = first % TABLE_PIECE_BLOCKS, part = part_of(first, count);
        struct piece *piece = piece_lookup(table, first / TABLE_PIECE_BLOCKS);
        for (unsigned i = 0; piece && i < part; i++)
            piece->known[(at + i) / 64] &= ~(UINT64_C(1) << (at + i) % 64);
        first += part;
        count -= part;
    }
}

bool table_lookup(struct table *table, uint64_t block, uint32_t *sum)
{
    const struct piece *piece = piece_lookup(table, block / TABLE_PIECE_BLOCKS);
    unsigned at = block % TABLE_PIECE_BLOCKS;

    if (!piece || !is_known(piece, at))
        return false;
    *sum = piece->sum[at];
    return true;
}

unsigned table_mismatch(struct table *table, uint64_t first, unsigned count, const uint32_t *sums)
{
    for (unsigned done = 0; done < count;) {
        unsigned at = (first + done) % TABLE_PIECE_BLOCKS;
        unsigned part = part_of(first + done, count - done);
        const struct piece *piece = piece_lookup(table, (first + done) / TABLE_PIECE_BLOCKS);
        for (unsigned i = 0; piece && i < part; i++) {
            if (piece->sum[at + i] != sums[done + i] && is_known(piece, at + i))
                return done + i;
        }
        done += part;
    }
    return count;
}

bool table_knows_all(struct table *table, uint64_t first, unsigned count)
{
    while (count > 0) {
        unsigned at = first % TABLE_PIECE_BLOCKS, part = part_of(first, count);
        const struct piece *piece = piece_lookup(table, first / TABLE_PIECE_BLOCKS);
        for (unsigned i = 0; i < part; i++) {
            if (!piece || !is_known(piece, at + i))
                return false;
        }
        first += part;
        count -= part;
    }
    return true;
}
