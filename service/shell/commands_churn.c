/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A load that knows what must be on the disk: random reads, writes and flushes of the first blocks
 * of a device, many at a time, and every block that is read is compared with what was written there
 * last. What it knows outlives the command, so that the next one can be run after something has
 * happened to the driver.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <interface/supervisor_user.h>

#include <host/mach/error.h>
#include <host/mach/processor.h>
#include <kit/client/block.h>

#include "console.h"
#include "pattern.h"
#include "shell.h"

enum {
    BLOCKS_MAX = 4096,
    DEPTH_MAX = 64,
    LENGTH_MAX = 32,
    UNIT_MAX = 4096,
    SILENCES_MAX = 200,
    HOLE_MAX = 64 /* blocks are not aligned to anything: multiples of 4 bytes below this */
};

/* What the blocks of the device last named hold. */
static struct {
    char device[64];
    uint32_t version[BLOCKS_MAX]; /* the pattern's seed; 0: not known */
    bool busy[BLOCKS_MAX];        /* a request is under way: nobody else touches it */
    uint32_t last;                /* version */
} known;

struct churn;

struct piece {
    struct churn *churn;
    bool busy;
    enum block_operation operation;
    uint32_t block, count, version;
    unsigned parts;                 /* that the data is in, in memory the last one first */
    uint32_t part_end[BLOCK_PARTS]; /* of each, in blocks of the request */
    uint64_t hole;                  /* bytes between two of them */
};

struct churn {
    struct block_client *client;
    unsigned char *memory; /* LENGTH_MAX blocks for each piece, and what is between its parts */
    uint32_t unit, buffer;
    uint32_t blocks;
    unsigned parts; /* most of a request */
    uint64_t left, random;
    uint64_t failed, wrong;
    struct piece piece[DEPTH_MAX];

    uint64_t heard; /* processor_ticks, of the last completion */
    unsigned recoveries, silences;
    uint64_t silence[SILENCES_MAX]; /* ticks without a completion, when a driver had died */
};

static uint32_t random_below(struct churn *churn, uint32_t limit)
{
    churn->random = churn->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(churn->random >> 33) % limit;
}

static size_t piece_room(const struct churn *churn)
{
    return (size_t)LENGTH_MAX * churn->unit + (churn->parts > 1 ? BLOCK_PARTS * HOLE_MAX : 0);
}

/* Where in the buffer a part begins. */
static uint64_t part_offset(const struct piece *piece, unsigned part)
{
    size_t number = (size_t)(piece - piece->churn->piece);

    return number * piece_room(piece->churn) + (piece->parts - 1 - part) * piece->hole +
           (uint64_t)(piece->count - piece->part_end[part]) * piece->churn->unit;
}

static uint32_t part_start(const struct piece *piece, unsigned part)
{
    return part == 0 ? 0 : piece->part_end[part - 1];
}

static unsigned char *block_memory(const struct piece *piece, uint32_t number)
{
    unsigned part = 0;

    while (piece->part_end[part] <= number)
        part++;
    return piece->churn->memory + part_offset(piece, part) +
           (size_t)(number - part_start(piece, part)) * piece->churn->unit;
}

/* Cut a request into parts, which has a count. */
static void piece_cut(struct piece *piece)
{
    struct churn *churn = piece->churn;
    uint32_t at = 0;

    piece->parts = 1;
    if (churn->parts > 1)
        piece->parts +=
            random_below(churn, piece->count < churn->parts ? piece->count : churn->parts);
    piece->hole = churn->parts > 1 ? 4 * random_below(churn, HOLE_MAX / 4) : 0;
    for (unsigned i = 0; i < piece->parts; i++) {
        uint32_t left = piece->parts - 1 - i, spare = piece->count - at - left;
        at += left == 0 ? spare : 1 + random_below(churn, spare);
        piece->part_end[i] = at;
    }
}

static void blocks_compare(const struct piece *piece)
{
    struct churn *churn = piece->churn;

    for (uint32_t i = 0; i < piece->count; i++) {
        uint32_t block = piece->block + i;
        if (known.version[block] == 0 || pattern_compare(block_memory(piece, i), churn->unit, block,
                                                         known.version[block]) == churn->unit)
            continue;
        if (++churn->wrong <= 4)
            console_print("%s: block %u is not as it was written\n", known.device, block);
        known.version[block] = 0; /* counted once */
    }
}

/* Where the campaign's count of instructions ends, too. */
void churn_recovered(struct churn *churn, uint64_t silence);

__attribute__((noinline)) void churn_recovered(struct churn *churn, uint64_t silence)
{
    if (churn->silences < SILENCES_MAX)
        churn->silence[churn->silences++] = silence;
}

static void silence_note(struct churn *churn)
{
    unsigned recoveries = block_client_counts(churn->client).recoveries;
    uint64_t now = processor_ticks();

    if (recoveries != churn->recoveries)
        churn_recovered(churn, now - churn->heard);
    churn->recoveries = recoveries;
    churn->heard = now;
}

static void silences_report(const struct churn *churn)
{
    if (churn->silences == 0)
        return;
    console_print("churn: silent for");
    for (unsigned i = 0; i < churn->silences; i++)
        console_print(" %llu", (unsigned long long)churn->silence[i] / 1000);
    console_print(" thousand ticks\n");
}

static void piece_done(void *context, enum block_status status)
{
    struct piece *piece = context;

    silence_note(piece->churn);
    piece->busy = false;
    memset(&known.busy[piece->block], false, piece->count * sizeof(known.busy[0]));
    piece->churn->failed += status != BLOCK_STATUS_OK;
    if (piece->operation == BLOCK_READ && status == BLOCK_STATUS_OK)
        blocks_compare(piece);
    for (uint32_t i = 0; piece->operation == BLOCK_WRITE && i < piece->count; i++)
        known.version[piece->block + i] = status == BLOCK_STATUS_OK ? piece->version : 0;
}

static int piece_submit(struct piece *piece)
{
    struct churn *churn = piece->churn;
    struct block_client_part parts[BLOCK_PARTS];

    piece->busy = true;
    if (piece->operation == BLOCK_FLUSH)
        return block_client_submit(churn->client, BLOCK_FLUSH, 0, 0, 0, 0, piece_done, piece);
    memset(&known.busy[piece->block], true, piece->count * sizeof(known.busy[0]));
    for (uint32_t i = 0; piece->operation == BLOCK_WRITE && i < piece->count; i++)
        pattern_fill(block_memory(piece, i), churn->unit, piece->block + i, piece->version);
    for (unsigned i = 0; i < piece->parts; i++)
        parts[i] = (struct block_client_part){
            churn->buffer, piece->part_end[i] - part_start(piece, i), part_offset(piece, i)};
    return block_client_submit_parts(churn->client, piece->operation, piece->block, parts,
                                     piece->parts, piece_done, piece);
}

/* Draw what to do next; false: others are at those blocks. */
static bool piece_draw(struct churn *churn, struct piece *piece)
{
    uint32_t what = random_below(churn, 64);

    *piece = (struct piece){.churn = churn};
    piece->operation = what == 0 ? BLOCK_FLUSH : what < 32 ? BLOCK_WRITE : BLOCK_READ;
    if (piece->operation == BLOCK_FLUSH)
        return true;
    piece->count = 1 + random_below(churn, what % 4 == 0 ? LENGTH_MAX : 8);
    piece->block = random_below(churn, churn->blocks - piece->count + 1);
    piece->version = ++known.last;
    piece_cut(piece);
    for (uint32_t i = 0; i < piece->count; i++) {
        if (known.busy[piece->block + i])
            return false;
    }
    return true;
}

static int load_run(struct churn *churn, unsigned depth)
{
    int error = 0;

    while (churn->left > 0 && error == 0) {
        for (unsigned i = 0; i < depth && churn->left > 0 && error == 0; i++) {
            if (churn->piece[i].busy || !piece_draw(churn, &churn->piece[i]))
                continue;
            churn->left--;
            error = piece_submit(&churn->piece[i]);
        }
        if (error == 0)
            error = block_client_wait(churn->client, false);
    }
    int last = block_client_wait(churn->client, true);
    return error ? error : last;
}

/* Submit reads of what follows the first `block` blocks until all that may be are in flight; where
 * those end. */
static int reads_submit(struct churn *churn, unsigned depth, uint32_t *block)
{
    int error = 0;

    for (unsigned i = 0; i < depth && *block < churn->blocks && error == 0; i++) {
        struct piece *piece = &churn->piece[i];
        uint32_t left = churn->blocks - *block;
        if (piece->busy)
            continue;
        *piece = (struct piece){.churn = churn,
                                .operation = BLOCK_READ,
                                .block = *block,
                                .count = left < LENGTH_MAX ? left : LENGTH_MAX};
        piece_cut(piece);
        *block += piece->count;
        error = piece_submit(piece);
    }
    return error;
}

/* Read everything, and make it durable. */
static int all_verify(struct churn *churn, unsigned depth)
{
    uint32_t block = 0;
    int error = 0;

    while (block < churn->blocks && error == 0) {
        error = reads_submit(churn, depth, &block);
        if (error == 0)
            error = block_client_wait(churn->client, false);
    }
    int last = block_client_wait(churn->client, true);
    if (error == 0)
        error = last;
    return error ? error : block_client_transfer(churn->client, BLOCK_FLUSH, 0, 0, 0, 0);
}

static int churn_open(struct churn *churn, const char *name, uint64_t blocks, unsigned depth)
{
    void *memory;

    int error = block_client_open(name, true, &churn->client);
    if (error != 0)
        return error;
    const struct block_info *info = block_client_info(churn->client);
    const uint32_t scatter = BLOCK_INFO_SCATTER | BLOCK_INFO_SCATTER_PAGES;
    churn->unit = info->block_size;
    churn->blocks = (uint32_t)blocks;
    if (blocks > info->blocks || churn->unit > UNIT_MAX)
        error = ERANGE;
    if (churn->parts > 1 && (info->flags & scatter) != BLOCK_INFO_SCATTER)
        error = EOPNOTSUPP;
    if (error == 0)
        error =
            block_client_buffer(churn->client, depth * piece_room(churn), &memory, &churn->buffer);
    if (error != 0) {
        block_client_close(churn->client);
        return error;
    }
    churn->memory = memory;
    if (strcmp(known.device, name) != 0) {
        memset(&known, 0, sizeof(known));
        strncpy(known.device, name, sizeof(known.device) - 1);
    }
    memset(known.busy, 0, sizeof(known.busy));
    return 0;
}

static int churn_run(unsigned count, char **words)
{
    static struct churn churn;
    uint64_t blocks, operations, depth, seed = 1, parts = 1;

    if (count < 5 || count > 7 || !shell_number(words[2], &blocks) ||
        !shell_number(words[3], &operations) || !shell_number(words[4], &depth) ||
        (count > 5 && !shell_number(words[5], &seed)) ||
        (count > 6 && !shell_number(words[6], &parts)) || parts == 0 || parts > BLOCK_PARTS ||
        blocks < LENGTH_MAX || blocks > BLOCKS_MAX || depth == 0 || depth > DEPTH_MAX)
        return SHELL_USAGE;
    churn = (struct churn){.left = operations, .random = seed, .parts = (unsigned)parts};
    int error = churn_open(&churn, words[1], blocks, (unsigned)depth);
    if (error != 0)
        return shell_complain("churn", words[1], error);
    churn.heard = processor_ticks();
    error = all_verify(&churn, (unsigned)depth);
    uint64_t before = churn.wrong;
    if (error == 0 && operations > 0)
        error = load_run(&churn, (unsigned)depth);
    if (error == 0 && operations > 0)
        error = all_verify(&churn, (unsigned)depth);
    struct block_client_counts counts = block_client_counts(churn.client);
    block_client_close(churn.client);
    silences_report(&churn);
    console_print(
        "churn: %llu done, %llu failed, %llu wrong before, %llu wrong; %u drivers died, %u "
        "replayed, %u rewritten, %u poisoned, %u rejected%s%s\n",
        (unsigned long long)(operations - churn.left), (unsigned long long)churn.failed,
        (unsigned long long)before, (unsigned long long)(churn.wrong - before), counts.recoveries,
        counts.replayed, counts.rewritten, counts.poisoned, counts.rejected,
        error ? "; it ended early: " : "", error ? strerror(error) : "");
    return error != 0 || churn.failed > 0 || churn.wrong > 0;
}

/* Pairs of hexadecimal digits. */
static bool bytes_parse(const char *word, unsigned char *bytes, unsigned *count)
{
    static const char digits[] = "0123456789abcdef";
    size_t length = strlen(word);

    if (length == 0 || length % 2 != 0 || length > 2 * 64 || strspn(word, digits) != length)
        return false;
    *count = (unsigned)(length / 2);
    for (unsigned i = 0; i < *count; i++)
        bytes[i] = (unsigned char)((strchr(digits, word[2 * i]) - digits) << 4 |
                                   (strchr(digits, word[2 * i + 1]) - digits));
    return true;
}

static int fault_run(unsigned count, char **words)
{
    unsigned char bytes[64];
    uint64_t address;
    unsigned length;

    if (count != 4 || !shell_number(words[2], &address) || !bytes_parse(words[3], bytes, &length))
        return SHELL_USAGE;
    int error = error_from_kernel(
        supervisor_fault(shell_supervisor, words[1], address, (char *)bytes, length));
    return error ? shell_complain("fault", words[1], error) : 0;
}

const struct command commands_churn[] = {
    {"churn", "DEVICE BLOCKS OPERATIONS DEPTH [SEED [PARTS]]",
     "random load on its first blocks, all of it checked; overwrites them", churn_run},
    {"fault", "DRIVER ADDRESS BYTES", "put other bytes into a driver's memory", fault_run},
    {0},
};
