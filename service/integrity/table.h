/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is known of a device's blocks: a checksum for each that was written or read since the start,
 * or before it (ledger.h).
 * In pieces of many blocks, made as they are touched; with all the memory used the piece that was
 * not touched for longest, more or less, is forgotten: such blocks are then as if never seen.
 */
#ifndef SERVICE_INTEGRITY_TABLE_H
#define SERVICE_INTEGRITY_TABLE_H

#include <stdbool.h>
#include <stdint.h>

struct table;

enum { TABLE_PIECE_BLOCKS = 512 };

struct table_piece {
    uint64_t number;
    struct table_piece *next; /* in the bucket */
    bool touched;
    bool changed, open, written; /* the ledger's (ledger.h), but that the table sets `changed` */
    uint64_t known[TABLE_PIECE_BLOCKS / 64];
    uint32_t sum[TABLE_PIECE_BLOCKS];
};

/* Null: no memory. */
struct table *table_create(unsigned pieces_max);
void table_destroy(struct table *table);

void table_set(struct table *table, uint64_t first, unsigned count, const uint32_t *sums);
void table_set_all(struct table *table, uint64_t first, unsigned count, uint32_t sum);
void table_forget(struct table *table, uint64_t first, uint64_t count);

/* Whether there is one, and which. */
bool table_lookup(struct table *table, uint64_t block, uint32_t *sum);

/* The first of `count` blocks whose checksum is known and another one; `count`: none. */
unsigned table_mismatch(struct table *table, uint64_t first, unsigned count, const uint32_t *sums);

bool table_knows_all(struct table *table, uint64_t first, unsigned count);

/* The piece of blocks from number * TABLE_PIECE_BLOCKS on. Null: it is not there. */
struct table_piece *table_piece_lookup(struct table *table, uint64_t number);

/* An empty one in its place, where there was none; null: there is no memory, not even to take from
 * another. */
struct table_piece *table_piece_make(struct table *table, uint64_t number);

/* Each of them: 0, 1, 2 ... until null. */
struct table_piece *table_piece_at(const struct table *table, unsigned index);

#endif
