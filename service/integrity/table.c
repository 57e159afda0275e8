/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "table.h"

#include <stdlib.h>
#include <string.h>

struct table {
    unsigned pieces_max, count, hand;
    struct table_piece *last; /* looked up last: most look-ups are for the same one again */
    struct table_piece **all; /* `count` of them */
    unsigned mask;            /* buckets, less one */
    struct table_piece *bucket[];
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

static struct table_piece **bucket_of(struct table *table, uint64_t number)
{
    return &table->bucket[(number * UINT64_C(0x9e3779b97f4a7c15) >> 40) & table->mask];
}

struct table_piece *table_piece_lookup(struct table *table, uint64_t number)
{
    if (table->last && table->last->number == number)
        return table->last;
    struct table_piece *piece = *bucket_of(table, number);
    while (piece && piece->number != number)
        piece = piece->next;
    if (piece) {
        piece->touched = true;
        table->last = piece;
    }
    return piece;
}

/* Second chance, in a circle. */
static struct table_piece *piece_evict(struct table *table)
{
    struct table_piece *piece;

    for (;;) {
        piece = table->all[table->hand++ % table->count];
        if (!piece->touched)
            break;
        piece->touched = false;
    }
    struct table_piece **link = bucket_of(table, piece->number);
    while (*link != piece)
        link = &(*link)->next;
    *link = piece->next;
    return piece;
}

struct table_piece *table_piece_make(struct table *table, uint64_t number)
{
    struct table_piece *piece =
        table->count < table->pieces_max ? malloc(sizeof(struct table_piece)) : NULL;

    if (piece)
        table->all[table->count++] = piece;
    else if (table->count > 0)
        piece = piece_evict(table);
    else
        return NULL;
    struct table_piece **bucket = bucket_of(table, number);
    piece->number = number;
    piece->touched = true;
    piece->changed = piece->open = piece->written = false;
    piece->next = *bucket;
    memset(piece->known, 0, sizeof(piece->known));
    memset(piece->sum, 0, sizeof(piece->sum));
    *bucket = piece;
    table->last = piece;
    return piece;
}

struct table_piece *table_piece_at(const struct table *table, unsigned index)
{
    return index < table->count ? table->all[index] : NULL;
}

enum { WORD = 64 };

/* Some blocks that are in one piece, and in one word of what is known there. */
struct part {
    uint64_t number; /* of the piece */
    unsigned at, count;
    uint64_t mask; /* of that word */
};

/* The first of `count` blocks from `first` on. */
static inline struct part part_of(uint64_t first, uint64_t count)
{
    unsigned room = WORD - (unsigned)(first % WORD);
    unsigned part = count < room ? (unsigned)count : room;

    return (struct part){first / TABLE_PIECE_BLOCKS, first % TABLE_PIECE_BLOCKS, part,
                         UINT64_MAX >> (WORD - part) << first % WORD};
}

static inline uint64_t *known_of(struct table_piece *piece, struct part part)
{
    return &piece->known[part.at / WORD];
}

/* `step`: 1: each its own sum; 0: all the same. */
static inline void range_set(struct table *table, uint64_t first, unsigned count,
                             const uint32_t *sums, unsigned step)
{
    while (count > 0) {
        struct part part = part_of(first, count);
        struct table_piece *piece = table_piece_lookup(table, part.number);
        if (!piece)
            piece = table_piece_make(table, part.number);
        if (piece) {
            uint32_t *own = piece->sum + part.at, differs = 0;
            for (unsigned i = 0; i < part.count; i++) {
                differs |= own[i] ^ sums[i * step];
                own[i] = sums[i * step];
            }
            piece->changed |= differs != 0 || (*known_of(piece, part) & part.mask) != part.mask;
            *known_of(piece, part) |= part.mask;
        }
        first += part.count;
        count -= part.count;
        sums += part.count * step;
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
        struct part part = part_of(first, count);
        struct table_piece *piece = table_piece_lookup(table, part.number);
        if (piece) {
            piece->changed = true;
            *known_of(piece, part) &= ~part.mask;
        }
        first += part.count;
        count -= part.count;
    }
}

bool table_lookup(struct table *table, uint64_t block, uint32_t *sum)
{
    struct part part = part_of(block, 1);
    struct table_piece *piece = table_piece_lookup(table, part.number);

    if (!piece || !(*known_of(piece, part) & part.mask))
        return false;
    *sum = piece->sum[part.at];
    return true;
}

unsigned table_mismatch(struct table *table, uint64_t first, unsigned count, const uint32_t *sums)
{
    for (unsigned done = 0; done < count;) {
        struct part part = part_of(first + done, count - done);
        struct table_piece *piece = table_piece_lookup(table, part.number);
        const uint32_t *own = piece ? piece->sum + part.at : NULL, *others = sums + done;
        for (unsigned i = 0; own && i < part.count; i++) {
            if (own[i] != others[i] && *known_of(piece, part) >> (part.at + i) % WORD & 1)
                return done + i;
        }
        done += part.count;
    }
    return count;
}

bool table_knows_all(struct table *table, uint64_t first, unsigned count)
{
    while (count > 0) {
        struct part part = part_of(first, count);
        struct table_piece *piece = table_piece_lookup(table, part.number);
        if (!piece || (*known_of(piece, part) & part.mask) != part.mask)
            return false;
        first += part.count;
        count -= part.count;
    }
    return true;
}
