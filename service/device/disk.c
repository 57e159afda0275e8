/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE = 4096,
    SPACE_PAGES = 1024,
    SPACE_SIZE = SPACE_PAGES * PAGE,
    PART_SIZE_MAX = SPACE_SIZE / 4, /* so that a long transfer is more than one part under way */
    PARTS_MAX = BLOCK_SLOTS,        /* each has one request in flight: there is always a slot */
};

/* One request, or two: blocks that are written in part are read first. */
struct part {
    struct disk *disk;
    struct transfer *transfer;
    struct part *next_free;
    bool reading; /* what will be written */
    bool lent;
    unsigned page, pages;
    uint64_t block;
    uint32_t blocks;
    uint64_t at, length; /* bytes of the transfer */
    uint32_t skip;       /* bytes of the first block before them */
};

struct disk {
    struct block_client *client;
    uint32_t unit; /* the device's block */
    uint64_t size;
    uint64_t most; /* bytes of one request */
    unsigned char *memory;
    uint32_t buffer;

    struct transfer *first, **last; /* as they came, until they are done */
    bool advancing, changed;
    bool crowded;      /* somebody waits for room */
    unsigned lendable; /* pages, from the first */
    struct part *free;
    struct part *returned, *returned_before; /* lent, in this turn and in the last */
    bool used[SPACE_PAGES];
    struct part part[PARTS_MAX];
};

int disk_create(struct block_client *client, struct disk **result)
{
    const struct block_info *info = block_client_info(client);
    struct disk *disk = calloc(1, sizeof(*disk));
    void *memory;

    if (!disk)
        return ENOMEM;
    int error = block_client_buffer(client, SPACE_SIZE, &memory, &disk->buffer);
    if (error != 0) {
        free(disk);
        return error;
    }
    disk->client = client;
    disk->unit = info->block_size;
    disk->size = info->blocks * info->block_size;
    disk->most = info->max_transfer < PART_SIZE_MAX ? info->max_transfer : PART_SIZE_MAX;
    disk->memory = memory;
    disk->last = &disk->first;
    for (unsigned i = 0; i < PARTS_MAX; i++) {
        disk->part[i] = (struct part){.disk = disk, .next_free = disk->free};
        disk->free = &disk->part[i];
    }
    *result = disk;
    return 0;
}

void disk_destroy(struct disk *disk)
{
    free(disk);
}

uint64_t disk_size(const struct disk *disk)
{
    return disk->size;
}

void *disk_memory(const struct disk *disk)
{
    return disk->memory;
}

void disk_lends(struct disk *disk, size_t bytes)
{
    disk->lendable = bytes < SPACE_SIZE ? (unsigned)(bytes / PAGE) : SPACE_PAGES;
}

/* The first of so many pages next to each other, of the first `end`; SPACE_PAGES if there are none.
 */
static unsigned space_find(const struct disk *disk, unsigned pages, unsigned end)
{
    unsigned run = 0;

    for (unsigned page = 0; page < end; page++) {
        run = disk->used[page] ? 0 : run + 1;
        if (run == pages)
            return page + 1 - pages;
    }
    return SPACE_PAGES;
}

static unsigned char *part_data(const struct part *part)
{
    return part->disk->memory + (size_t)part->page * PAGE + part->skip;
}

static void space_mark(struct disk *disk, const struct part *part, bool used)
{
    for (unsigned i = 0; i < part->pages; i++)
        disk->used[part->page + i] = used;
}

/* A part with so many pages, of the first `end`; null: no room now. */
static struct part *part_take(struct disk *disk, struct transfer *transfer, unsigned pages,
                              unsigned end)
{
    struct part *part = disk->free;
    unsigned page = pages ? space_find(disk, pages, end) : 0; /* a flush has no data */

    if (!part || page == SPACE_PAGES)
        return NULL;
    disk->free = part->next_free;
    part->transfer = transfer;
    part->reading = false;
    part->page = page;
    part->pages = pages;
    space_mark(disk, part, true);
    return part;
}

/* A part for the next bytes of a transfer; null: no room now. */
static struct part *part_make(struct disk *disk, struct transfer *transfer)
{
    uint64_t offset = transfer->offset + transfer->issued;
    uint32_t skip = (uint32_t)(offset % disk->unit);
    uint64_t left = transfer->length - transfer->issued, room = disk->most - skip;
    uint64_t length = left < room ? left : room;
    uint32_t blocks = (uint32_t)((skip + length + disk->unit - 1) / disk->unit);
    unsigned pages = (unsigned)(((uint64_t)blocks * disk->unit + PAGE - 1) / PAGE);
    struct part *part = part_take(disk, transfer, pages, SPACE_PAGES);

    if (!part)
        return NULL;
    part->lent = false;
    part->block = offset / disk->unit;
    part->blocks = blocks;
    part->at = transfer->issued;
    part->length = length;
    part->skip = skip;
    transfer->issued += length;
    transfer->parts++;
    return part;
}

static void part_free(struct part *part)
{
    struct disk *disk = part->disk;

    space_mark(disk, part, false);
    part->next_free = disk->free;
    disk->free = part;
}

static void disk_advance(struct disk *disk);
static void part_done(void *context, enum block_status status);

static int part_submit(struct part *part)
{
    struct disk *disk = part->disk;
    struct transfer *transfer = part->transfer;
    enum block_operation operation = part->reading ? BLOCK_READ : transfer->operation;

    if (operation == BLOCK_FLUSH)
        return block_client_submit(disk->client, operation, 0, 0, 0, 0, part_done, part);
    if (operation == BLOCK_WRITE)
        memcpy(part_data(part), transfer->data + part->at, part->length);
    return block_client_submit(disk->client, operation, part->block, part->blocks, disk->buffer,
                               (uint64_t)part->page * PAGE, part_done, part);
}

/* The transfer is its caller's again; its place in memory is kept for two turns. */
static void part_return(struct part *part, int error)
{
    struct disk *disk = part->disk;

    part->transfer->data = part_data(part);
    part->transfer->done(part->transfer, error);
    part->next_free = disk->returned;
    disk->returned = part;
}

bool disk_turn(struct disk *disk)
{
    struct part *part = disk->returned_before;

    if (!part && !disk->returned)
        return false;
    disk->returned_before = disk->returned;
    disk->returned = NULL;
    while (part) {
        struct part *next = part->next_free;
        part_free(part);
        part = next;
    }
    if (!disk->first)
        return false;
    disk_advance(disk);
    return true;
}

static void part_done(void *context, enum block_status status)
{
    struct part *part = context;
    struct disk *disk = part->disk;
    struct transfer *transfer = part->transfer;
    int error = block_status_error(status);

    if (part->lent) {
        part_return(part, error);
        return;
    }
    if (error == 0 && part->reading) {
        part->reading = false;
        error = part_submit(part);
        if (error == 0)
            return;
    }
    if (error == 0 && transfer->operation == BLOCK_READ)
        memcpy(transfer->data + part->at, part_data(part), part->length);
    if (transfer->error == 0)
        transfer->error = error;
    transfer->parts--;
    part_free(part);
    disk_advance(disk);
}

static bool transfer_is_issued(const struct transfer *transfer)
{
    if (transfer->error != 0)
        return true;
    return transfer->operation == BLOCK_FLUSH ? transfer->flushing
                                              : transfer->issued == transfer->length;
}

/* Whether a write that came before this one touches the same blocks. */
static bool transfer_waits(const struct disk *disk, const struct transfer *transfer)
{
    if (transfer->operation != BLOCK_WRITE)
        return false;
    uint64_t first = transfer->offset / disk->unit;
    uint64_t last = (transfer->offset + transfer->length - 1) / disk->unit;

    for (const struct transfer *other = disk->first; other != transfer; other = other->next) {
        if (other->operation == BLOCK_WRITE && other->offset / disk->unit <= last &&
            (other->offset + other->length - 1) / disk->unit >= first)
            return true;
    }
    return false;
}

/* As many parts as there is room for; false: not all. */
static bool transfer_issue(struct disk *disk, struct transfer *transfer)
{
    while (!transfer_is_issued(transfer)) {
        struct part *part = part_make(disk, transfer);
        if (!part)
            return false;
        transfer->flushing = transfer->operation == BLOCK_FLUSH;
        part->reading = transfer->operation == BLOCK_WRITE &&
                        (part->skip != 0 || part->length != (uint64_t)part->blocks * disk->unit);
        int error = part_submit(part);
        if (error != 0) {
            transfer->parts--;
            part_free(part);
            transfer->error = error;
        }
    }
    return true;
}

/* Give out what there is room for, oldest first, and end what is over. What `done` and a failing
 * submission start in turn is left to the loop that is under way. */
static void disk_advance(struct disk *disk)
{
    disk->changed = true;
    if (disk->advancing)
        return;
    disk->advancing = true;
    while (disk->changed) {
        bool room = true;
        disk->changed = false;
        for (struct transfer **link = &disk->first; *link;) {
            struct transfer *transfer = *link;
            if (room && !transfer_is_issued(transfer) && !transfer_waits(disk, transfer))
                room = transfer_issue(disk, transfer);
            if (transfer->parts > 0 || !transfer_is_issued(transfer)) {
                link = &transfer->next;
                continue;
            }
            *link = transfer->next;
            if (!*link)
                disk->last = link;
            disk->changed = disk->first != NULL; /* one that waited may go */
            transfer->done(transfer, transfer->error);
        }
        disk->crowded = !room;
    }
    disk->advancing = false;
}

static void transfer_begin(struct transfer *transfer)
{
    transfer->next = NULL;
    transfer->issued = 0;
    transfer->parts = 0;
    transfer->flushing = false;
    transfer->error = 0;
}

/* Nobody waits for a read, so it is in no line; but it is in front of nobody who does. */
bool disk_lend(struct disk *disk, struct transfer *transfer)
{
    uint64_t offset = transfer->offset, length = transfer->length;
    unsigned shift = (unsigned)__builtin_ctz(disk->unit); /* a power of two */

    if (disk->crowded || (offset | length) & (disk->unit - 1) || length % PAGE != 0 ||
        length > disk->most)
        return false;
    struct part *part = part_take(disk, transfer, (unsigned)(length / PAGE), disk->lendable);
    if (!part)
        return false;
    part->lent = true;
    part->block = offset >> shift;
    part->blocks = (uint32_t)(length >> shift);
    part->skip = 0;
    if (part_submit(part) == 0)
        return true;
    part_free(part);
    return false;
}

void disk_start(struct disk *disk, struct transfer *transfer)
{
    transfer_begin(transfer);
    *disk->last = transfer;
    disk->last = &transfer->next;
    disk_advance(disk);
}
