/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ledger.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include <kit/log.h>

#include "checksum.h"

#define MAGIC UINT64_C(0x316d7573626f7475) /* "utobsum1" */

/* Both as they are on the disk; little-endian, as x86 is. */
struct header {
    uint64_t magic, id;
    struct whose {
        uint64_t first, blocks;
        uint32_t block_size, flags;
        char serial[32], model[48];
    } whose[2];
    uint8_t reserved[LEDGER_PAGE - 2 * 104 - 24];
    uint32_t zero, check; /* of all before */
};
static_assert(sizeof(struct header) == LEDGER_PAGE, "a page");

struct page {
    uint64_t magic, id, number;
    uint64_t known[TABLE_PIECE_BLOCKS / 64];
    uint32_t sum[TABLE_PIECE_BLOCKS];
    uint8_t reserved[LEDGER_PAGE - 24 - TABLE_PIECE_BLOCKS / 8 - 4 * TABLE_PIECE_BLOCKS - 8];
    uint32_t zero, check;
};
static_assert(sizeof(struct page) == LEDGER_PAGE, "a page");

/* Of a page but for its last 64 bytes, in which nothing else is: checksums are of a multiple of
 * that, and of another length they depend on the processor. */
static uint32_t check_of(const void *page)
{
    enum { LEFT_OUT = 64 };
    uint32_t check;

    static_assert(offsetof(struct header, reserved) <= LEDGER_PAGE - LEFT_OUT, "all is covered");
    static_assert(offsetof(struct page, reserved) <= LEDGER_PAGE - LEFT_OUT, "all is covered");
    checksum_blocks(page, LEDGER_PAGE - LEFT_OUT, 1, &check);
    return check;
}

static int lost(struct ledger *ledger, const char *what, int error)
{
    if (error != 0 && !ledger->has_lost) {
        ledger->has_lost = true;
        log_error("%s: checksums cannot be %s: %s: nothing more is written where they would be "
                  "wrong afterwards",
                  ledger->name, what, strerror(error));
    }
    return error;
}

static bool is_zero(const unsigned char *page)
{
    return page[0] == 0 && memcmp(page, page + 1, LEDGER_PAGE - 1) == 0;
}

static void whose_note(struct whose *whose, const struct block_info *disk)
{
    whose->first = disk->first;
    whose->blocks = disk->blocks;
    whose->block_size = disk->block_size;
    memcpy(whose->serial, disk->serial, sizeof(whose->serial));
    memcpy(whose->model, disk->model, sizeof(whose->model));
}

static int header_write(struct ledger *ledger, struct header *header, uint64_t seed)
{
    header->magic = MAGIC;
    header->id = seed;
    header->check = check_of(header);
    int error = ledger->disk->write(0, header);
    if (error == 0)
        error = ledger->disk->flush();
    if (error == 0)
        log_info("%s: is for the checksums of \"%s\" serial %s from now on", ledger->name,
                 header->whose[0].model, header->whose[0].serial);
    return error;
}

enum { LOOKED_AT = 17 }; /* pages */

/* Others leave the beginning of a disk alone, some 64 KiB of it. What is there of another life of
 * ours may be torn, but for its first word. */
static int begin_look(const struct ledger_disk *disk)
{
    static struct page page;

    for (uint64_t number = 1; number < LOOKED_AT && number < disk->pages; number++) {
        int error = disk->read(number, &page);
        if (error == 0 && page.magic != 0 && page.magic != MAGIC)
            error = EEXIST;
        if (error != 0)
            return error;
    }
    return 0;
}

/* Of what is there now. */
static int header_settle(struct ledger *ledger, const struct header *found, struct header *wanted,
                         uint64_t seed)
{
    if (is_zero((const unsigned char *)found)) {
        int error = begin_look(ledger->disk);
        ledger->id = seed;
        return error == 0 ? header_write(ledger, wanted, seed) : error;
    }
    bool is_ours = found->magic == MAGIC && found->check == check_of(found) &&
                   memcmp(found->whose, wanted->whose, sizeof(found->whose)) == 0;
    ledger->id = found->id;
    return is_ours ? 0 : EEXIST;
}

int ledger_open(struct ledger *ledger, const struct block_info *disks, unsigned count,
                uint64_t seed)
{
    static struct header found, wanted;
    uint64_t pieces = (disks->blocks + TABLE_PIECE_BLOCKS - 1) / TABLE_PIECE_BLOCKS;

    memset(&wanted, 0, sizeof(wanted));
    for (unsigned disk = 0; disk < count; disk++)
        whose_note(&wanted.whose[disk], &disks[disk]);
    if (ledger->disk->pages == 0 || pieces > ledger->disk->pages - 1) {
        log_error("%s: %llu pages of 4096 bytes are too few for checksums: %llu are needed",
                  ledger->name, (unsigned long long)ledger->disk->pages,
                  (unsigned long long)pieces + 1);
        return ENOSPC;
    }
    int error = ledger->disk->read(0, &found);
    if (error == 0)
        error = header_settle(ledger, &found, &wanted, seed);
    if (error == EEXIST)
        log_error("%s: %s; to have it for these checksums, write zeroes to its first %u bytes",
                  ledger->name,
                  found.magic == MAGIC ? "it has the checksums of other disks"
                                       : "something else is on it",
                  found.magic == MAGIC ? LEDGER_PAGE : LOOKED_AT * LEDGER_PAGE);
    else if (error != 0)
        log_error("%s: its first bytes cannot be had: %s", ledger->name, strerror(error));
    return error;
}

static uint64_t last_of(uint64_t first, uint64_t count)
{
    return (first + count - 1) / TABLE_PIECE_BLOCKS;
}

static struct table_piece *piece_load(struct ledger *ledger, uint64_t number)
{
    static struct page page;
    struct table_piece *piece = table_piece_lookup(ledger->table, number);

    if (piece)
        return piece;
    piece = table_piece_make(ledger->table, number);
    if (!piece)
        return NULL;
    int error = ledger->disk->read(number + 1, &page);
    if (error != 0 && !ledger->has_warned) {
        log_warning("%s: page %llu cannot be read: %s: what is there, and on others like it, is "
                    "not known",
                    ledger->name, (unsigned long long)number + 1, strerror(error));
        ledger->has_warned = true;
    }
    if (error == 0 && page.magic == MAGIC && page.id == ledger->id && page.number == number &&
        page.check == check_of(&page)) {
        memcpy(piece->known, page.known, sizeof(piece->known));
        memcpy(piece->sum, page.sum, sizeof(piece->sum));
    }
    return piece;
}

void ledger_load(struct ledger *ledger, uint64_t first, uint64_t count)
{
    for (uint64_t number = first / TABLE_PIECE_BLOCKS; number <= last_of(first, count); number++)
        piece_load(ledger, number);
}

/* Its page says nothing from now on. */
static int piece_clear(struct ledger *ledger, uint64_t number)
{
    static const unsigned char zeroes[LEDGER_PAGE];

    if (ledger->has_lost)
        return EIO;
    return lost(ledger, "taken back", ledger->disk->write(number + 1, zeroes));
}

/* One is open when that is durable, and not before: who asks again after a failure must not be told
 * that it is. */
bool ledger_admit(struct ledger *ledger, uint64_t first, uint64_t count)
{
    uint64_t number, last = last_of(first, count);
    bool cleared = false;

    for (number = first / TABLE_PIECE_BLOCKS; number <= last; number++) {
        const struct table_piece *piece = piece_load(ledger, number);
        if (piece && piece->open)
            continue;
        if (piece_clear(ledger, number) != 0)
            return false;
        cleared = true;
    }
    if (cleared && lost(ledger, "taken back", ledger->disk->flush()) != 0)
        return false;
    for (number = first / TABLE_PIECE_BLOCKS; number <= last; number++) {
        struct table_piece *piece = table_piece_lookup(ledger->table, number);
        if (piece)
            piece->open = piece->changed = piece->written = true;
    }
    return true;
}

static int piece_save(struct ledger *ledger, struct table_piece *piece)
{
    static struct page page;

    page.magic = MAGIC;
    page.id = ledger->id;
    page.number = piece->number;
    memcpy(page.known, piece->known, sizeof(page.known));
    memcpy(page.sum, piece->sum, sizeof(page.sum));
    page.check = check_of(&page);
    piece->open = piece->changed = false; /* also if that fails: it may be there all the same */
    return ledger->disk->write(piece->number + 1, &page);
}

bool ledger_save(struct ledger *ledger, bool rested,
                 bool (*is_writing)(void *context, uint64_t first, uint64_t count), void *context)
{
    struct table_piece *piece;
    bool settled = !ledger->has_lost;
    unsigned saved = 0, most = rested ? LEDGER_SAVES : UINT_MAX;

    for (; settled && saved < most && (piece = table_piece_at(ledger->table, ledger->at));
         ledger->at++) {
        bool rests = piece->changed && !(rested && piece->written) &&
                     !is_writing(context, piece->number * TABLE_PIECE_BLOCKS, TABLE_PIECE_BLOCKS);
        piece->written = false;
        if (!rests)
            continue;
        if (saved++ == 0)
            settled = ledger->disk->settle() == 0;
        if (settled)
            settled = lost(ledger, "written", piece_save(ledger, piece)) == 0;
    }
    if (saved > 0 && settled)
        settled = lost(ledger, "written", ledger->disk->flush()) == 0;
    if (settled && saved == most)
        return false;
    ledger->at = 0;
    return true;
}
