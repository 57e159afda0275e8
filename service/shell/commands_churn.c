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
#include <kit/block_client.h>
#include <kit/clock.h>

#include "console.h"
#include "pattern.h"
#include "shell.h"

enum { BLOCKS_MAX = 4096, DEPTH_MAX = 64, LENGTH_MAX = 32, UNIT_MAX = 4096, SILENCES_MAX = 200 };

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
};

struct churn {
    struct block_client *client;
    unsigned char *memory; /* LENGTH_MAX blocks for each piece */
    uint32_t unit, buffer;
    uint32_t blocks;
    uint64_t left, random;
    uint64_t failed, wrong;
    struct piece piece[DEPTH_MAX];

    uint64_t heard; /* clock_now's, of the last completion */
    unsigned recoveries, silences;
    uint64_t silence[SILENCES_MAX]; /* nanoseconds without a completion, when a driver had died */
};

static uint32_t random_below(struct churn *churn, uint32_t limit)
{
    churn->random = churn->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(churn->random >> 33) % limit;
}

static unsigned char *piece_memory(const struct piece *piece)
{
    size_t number = (size_t)(piece - piece->churn->piece);

    return piece->churn->memory + number * LENGTH_MAX * piece->churn->unit;
}

static void blocks_compare(const struct piece *piece)
{
    struct churn *churn = piece->churn;

    for (uint32_t i = 0; i < piece->count; i++) {
        uint32_t block = piece->block + i;
        if (known.version[block] == 0 ||
            pattern_compare(piece_memory(piece) + (size_t)i * churn->unit, churn->unit, block,
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
    uint64_t now = clock_now();

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
    console_print(" us\n");
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
    size_t number = (size_t)(piece - churn->piece);

    piece->busy = true;
    if (piece->operation == BLOCK_FLUSH)
        return block_client_submit(churn->client, BLOCK_FLUSH, 0, 0, 0, 0, piece_done, piece);
    memset(&known.busy[piece->block], true, piece->count * sizeof(known.busy[0]));
    for (uint32_t i = 0; piece->operation == BLOCK_WRITE && i < piece->count; i++)
        pattern_fill(piece_memory(piece) + (size_t)i * churn->unit, churn->unit, piece->block + i,
                     piece->version);
    return block_client_submit(churn->client, piece->operation, piece->block, piece->count,
                               churn->buffer, number * LENGTH_MAX * churn->unit, piece_done, piece);
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

/* Read everything, and make it durable. */
static int all_verify(struct churn *churn)
{
    struct piece *piece = &churn->piece[0];
    int error = 0;

    for (uint32_t block = 0; block < churn->blocks && error == 0; block += LENGTH_MAX) {
        uint32_t left = churn->blocks - block;
        *piece = (struct piece){.churn = churn,
                                .operation = BLOCK_READ,
                                .block = block,
                                .count = left < LENGTH_MAX ? left : LENGTH_MAX};
        error = piece_submit(piece);
        if (error == 0)
            error = block_client_wait(churn->client, true);
    }
    return error ? error : block_client_transfer(churn->client, BLOCK_FLUSH, 0, 0, 0, 0);
}

static int churn_open(struct churn *churn, const char *name, uint64_t blocks, unsigned depth)
{
    void *memory;

    int error = block_client_open(name, true, &churn->client);
    if (error != 0)
        return error;
    const struct block_info *info = block_client_info(churn->client);
    churn->unit = info->block_size;
    churn->blocks = (uint32_t)blocks;
    if (blocks > info->blocks || churn->unit > UNIT_MAX)
        error = ERANGE;
    if (error == 0)
        error = block_client_buffer(churn->client, (size_t)depth * LENGTH_MAX * churn->unit,
                                    &memory, &churn->buffer);
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
    uint64_t blocks, operations, depth, seed = 1;

    if (count < 5 || count > 6 || !shell_number(words[2], &blocks) ||
        !shell_number(words[3], &operations) || !shell_number(words[4], &depth) ||
        (count > 5 && !shell_number(words[5], &seed)) || blocks < LENGTH_MAX ||
        blocks > BLOCKS_MAX || depth == 0 || depth > DEPTH_MAX)
        return SHELL_USAGE;
    churn = (struct churn){.left = operations, .random = seed};
    int error = churn_open(&churn, words[1], blocks, (unsigned)depth);
    if (error != 0)
        return shell_complain("churn", words[1], error);
    churn.heard = clock_now();
    error = all_verify(&churn);
    uint64_t before = churn.wrong;
    if (error == 0)
        error = load_run(&churn, (unsigned)depth);
    if (error == 0)
        error = all_verify(&churn);
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
    {"churn", "DEVICE BLOCKS OPERATIONS DEPTH [SEED]",
     "random load on its first blocks, all of it checked; overwrites them", churn_run},
    {"fault", "DRIVER ADDRESS BYTES", "put other bytes into a driver's memory", fault_run},
    {0},
};
