/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The block client's core against a driver that completes anything, in any order, and dies.
 * Checked: every request's `done` is called once, and says success only if the driver did, for that
 * request.
 */
#include <errno.h>

#include <kit/core/block_client.h>
#include <test/fuzz/fuzz.h>

enum { REQUESTS_MAX = 512, SENT_MAX = 4096, RECEIVE_MAX = 8 };

struct request {
    bool open, resubmits;
    uint16_t slot;
};

static struct fuzz_input *input;
static struct block_client client;
static struct request requests[REQUESTS_MAX];
static unsigned request_count, done_count;
static struct block_submission sent[SENT_MAX]; /* what the driver was told last */
static unsigned sent_count;
static bool successful[BLOCK_SLOTS]; /* the driver said so, of what is in the slot */
static uint64_t blocks_done;

/* They are all sent, and leave something for the first. */
static void parts_check(const struct block_submission *submission, bool scattered)
{
    uint64_t blocks = 1;

    fuzz_require(scattered && submission->part[0] != 0);
    for (unsigned i = 0; i < BLOCK_PARTS - 1; i++)
        blocks += block_part_blocks(submission->part[i]);
    fuzz_require(blocks <= submission->count);
}

/* The client must have put it in its table before it is sent. */
int block_client_link_send(struct block_client_link *link,
                           const struct block_submission *submissions, unsigned count,
                           bool scattered)
{
    (void)link;
    fuzz_require(count > 0 && count <= BLOCK_CLIENT_BATCH);
    if (input->size == 0)
        return ENODEV;
    for (unsigned i = 0; i < count; i++) {
        fuzz_require(submissions[i].slot < BLOCK_SLOTS);
        fuzz_require(client.table[submissions[i].slot].stage == BLOCK_CLIENT_PUT);
        if (submissions[i].flags & BLOCK_SCATTER)
            parts_check(&submissions[i], scattered);
        sent[sent_count++ % SENT_MAX] = submissions[i];
        successful[submissions[i].slot] = false;
    }
    return 0;
}

/* A completion of something that was sent, with single fields made wrong, or any bytes. */
static struct block_completion completion_take(void)
{
    struct block_completion completion;
    uint8_t lie = fuzz_take8(input);

    if (lie == 0xff || sent_count == 0) {
        fuzz_take(input, &completion, sizeof(completion));
        return completion;
    }
    unsigned known = sent_count < SENT_MAX ? sent_count : SENT_MAX;
    const struct block_submission *submission =
        &sent[(sent_count - 1 - fuzz_take8(input) % known) % SENT_MAX];
    completion = (struct block_completion){
        .slot = submission->slot,
        .generation = submission->generation,
        .length = (uint32_t)((uint64_t)submission->count * client.info.block_size),
    };
    if (lie & 1)
        completion.status = fuzz_take8(input);
    if (lie & 2)
        completion.length = fuzz_take32(input);
    if (lie & 4)
        completion.generation += fuzz_take8(input);
    if (lie & 8)
        completion.slot = fuzz_take16(input);
    return completion;
}

static void completion_note(const struct block_completion *completion)
{
    if (completion->slot >= BLOCK_SLOTS ||
        !block_client_is_sent(&client, &client.table[completion->slot]) ||
        completion->generation != client.table[completion->slot].submission.generation ||
        completion->epoch != client.epoch >> 32 || completion->status != BLOCK_STATUS_OK)
        return;
    const struct block_submission *submission = &client.table[completion->slot].submission;
    bool moves = submission->operation == BLOCK_READ || submission->operation == BLOCK_WRITE;
    if (completion->length != (moves ? (uint64_t)submission->count * client.info.block_size : 0))
        return;
    /* The second answer for a slot in one batch does not count, nor is it counted. */
    if (!successful[completion->slot])
        blocks_done += submission->count;
    successful[completion->slot] = true;
}

int block_client_link_receive(struct block_client_link *link,
                              const volatile struct block_completion **completions, unsigned *count)
{
    static struct block_completion ring[RECEIVE_MAX * 2];
    static unsigned half; /* `done` may wait, while those before are looked at */

    (void)link;
    if (input->size == 0)
        return ENODEV;
    half ^= RECEIVE_MAX;
    *count = fuzz_take8(input) % RECEIVE_MAX + 1;
    for (unsigned i = 0; i < *count; i++) {
        ring[half + i] = completion_take();
        completion_note(&ring[half + i]);
    }
    *completions = ring + half;
    return 0;
}

int block_client_link_poll(struct block_client_link *link,
                           const volatile struct block_completion **completions, unsigned *count)
{
    *count = 0;
    return fuzz_take8(input) & 1 ? block_client_link_receive(link, completions, count) : 0;
}

static void request_submit(void);

static void done(void *context, enum block_status status)
{
    struct request *request = context;

    fuzz_require(request->open);
    request->open = false;
    done_count++;
    fuzz_require(status != BLOCK_STATUS_OK || successful[request->slot]);
    if (request->resubmits)
        request_submit();
}

/* Up to one part too many, of anything. 0, or why not. */
static int parts_submit(uint8_t operation, struct request *request)
{
    struct block_client_part parts[BLOCK_PARTS + 1];
    unsigned count = fuzz_take8(input) % (BLOCK_PARTS + 2u);

    for (unsigned i = 0; i < count; i++) {
        parts[i].buffer = fuzz_take8(input) % (BLOCK_BUFFERS + 1u);
        parts[i].blocks = fuzz_take32(input) >> fuzz_take8(input) % 32u;
        parts[i].offset = fuzz_take64(input) >> fuzz_take8(input) % 64u & ~UINT64_C(1);
    }
    return block_client_submit_parts(&client, operation & 3, fuzz_take16(input), parts, count, done,
                                     request);
}

static void request_submit(void)
{
    if (request_count == REQUESTS_MAX || input->size == 0)
        return;
    struct request *request = &requests[request_count++];
    uint8_t operation = fuzz_take8(input);
    bool was_gone = block_client_is_gone(&client), was_full = client.free_count == 0;

    *request = (struct request){.open = true, .resubmits = operation & 0x80};
    if (!was_full)
        request->slot = client.free_slot[client.free_count - 1]; /* the one it will get */
    bool scattered = operation & 0x40;
    int error = scattered ? parts_submit(operation, request)
                          : block_client_submit(&client, operation & 3, fuzz_take16(input),
                                                fuzz_take32(input), fuzz_take8(input),
                                                fuzz_take16(input), done, request);
    fuzz_require(error == (was_gone   ? ENODEV
                           : was_full ? EAGAIN
                                      : 0) ||
                 (scattered && error == EINVAL));
    if (error != 0) {
        request->open = false;
        done_count++;
    }
}

static void transfer(void)
{
    uint64_t block = fuzz_take16(input), count = fuzz_take16(input);
    bool idle = block_client_in_flight(&client) == 0;

    blocks_done = 0;
    int error = block_client_transfer(&client, BLOCK_READ, block, count, 0, 0);
    if (error == 0 && idle && request_count == 0)
        fuzz_require(blocks_done == count);
    if (error == 0)
        fuzz_require(block <= client.info.blocks && count <= client.info.blocks - block);
}

static void table_check(void)
{
    unsigned in_flight = 0;

    for (unsigned i = 0; i < BLOCK_SLOTS; i++)
        in_flight += client.table[i].stage != BLOCK_CLIENT_FREE;
    fuzz_require(in_flight == block_client_in_flight(&client));
    fuzz_require(client.put - client.sent < BLOCK_CLIENT_BATCH);
}

static void step(void)
{
    uint8_t what = fuzz_take8(input) & 15;

    if (what == 0)
        transfer();
    else if (what < 4)
        block_client_wait(&client, what == 1);
    else if (what == 4)
        fuzz_require(block_client_poll(&client) == (block_client_is_gone(&client) ? ENODEV : 0));
    else
        request_submit();
    table_check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input all = {data, size};
    struct block_info info = {0};

    input = &all;
    info.blocks = fuzz_take64(input);
    info.block_size = 1u << fuzz_take8(input) % 20;
    info.max_transfer = (uint32_t)fuzz_take16(input) * info.block_size;
    info.flags = BLOCK_INFO_SCATTER;
    memset(info.model, 'm', sizeof(info.model)); /* no NUL */
    if (!block_info_is_possible(&info))
        return 0;
    block_client_init(&client, &info, NULL);
    fuzz_require(strlen(block_client_info(&client)->model) < sizeof(info.model));
    memset(successful, 0, sizeof(successful));
    request_count = done_count = sent_count = 0;

    while (input->size > 0)
        step();
    block_client_wait(&client, true); /* the input is used up: the driver is gone */
    table_check();
    fuzz_require(block_client_in_flight(&client) == 0 && done_count == request_count);
    return 0;
}
