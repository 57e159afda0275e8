/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A client whose drivers die: a disk with a volatile cache that a dying driver loses, drivers that
 * die at any moment, and what has to be true of the disk afterwards.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/core/block_client.h>
#include <test/unit/cmocka.h>

enum { BLOCKS = 256, BLOCK = 512, BUFFER_BLOCKS = 64, QUEUE = 4096 };

struct block_client_link {
    unsigned char *buffer[3]; /* the client's, the kept writes', what is read of these */
};

static unsigned char stable[BLOCKS][BLOCK], cache[BLOCKS][BLOCK];
static struct block_submission queue[QUEUE]; /* sent and not completed */
static unsigned queued;
static unsigned requests, die_at;   /* the driver dies when it has been sent so many; 0: it lives */
static unsigned die_every;          /* and each one then, again and again */
static unsigned lies_every, writes; /* every so many writes it says to have done and has not */
static int poison_block;            /* it dies when it carries out a write there; -1: nowhere */
static bool dead, forgetful, killed; /* killed: by an operator */
static bool lives;                   /* it only withdraws its disk */
static unsigned refusals;            /* writes to come, of a block, that it says cannot be ... */
static uint64_t refused_block;
static enum block_status refusal; /* ... as it says */
static unsigned strange, refused; /* drivers to come that offer another disk */
static uint32_t others;           /* drivers that came and went while this client had no session */
static unsigned revivals, revivals_left, absent, together;
static struct block_info identity;
static unsigned char data[BUFFER_BLOCKS * BLOCK];
static unsigned char kept[BLOCK_KEEP_SIZE], doubt[BLOCK_DOUBT_SIZE];
static struct block_client_link link_state = {{data, kept, doubt}};
static struct block_client client;

static uint64_t now;

uint64_t clock_now(void)
{
    return now;
}

static void driver_die(void)
{
    dead = true;
    queued = 0;
    if (forgetful)
        memcpy(cache, stable, sizeof(cache));
}

static void request_count(void)
{
    requests++;
    if (requests == die_at || (die_every > 0 && requests % die_every == 0))
        driver_die();
}

int block_client_link_send(struct block_client_link *link,
                           const struct block_submission *submissions, unsigned count,
                           bool scattered)
{
    (void)link, (void)scattered;
    for (unsigned i = 0; i < count && !dead; i++) {
        assert_in_range(queued, 0, QUEUE - 1);
        queue[queued++] = submissions[i];
        request_count();
    }
    return 0; /* memory takes everything; the death is heard of later */
}

/* Between the disk and one place of a request's. */
static void blocks_move(struct block_client_link *link, bool write, uint64_t block, uint32_t count,
                        uint32_t buffer, uint64_t offset)
{
    unsigned char *memory = link->buffer[buffer] + offset;

    if (write)
        memcpy(cache[block], memory, (size_t)count * BLOCK);
    else
        memcpy(memory, cache[block], (size_t)count * BLOCK);
}

static void data_move(struct block_client_link *link, const struct block_submission *submission)
{
    bool write = submission->operation == BLOCK_WRITE;
    uint32_t first = submission->count;

    for (unsigned i = 0; i < BLOCK_PARTS - 1 && submission->flags & BLOCK_SCATTER; i++)
        first -= block_part_blocks(submission->part[i]);
    blocks_move(link, write, submission->block, first, submission->buffer, submission->offset);
    uint64_t block = submission->block + first;
    for (unsigned i = 0; block < submission->block + submission->count; i++) {
        uint64_t part = submission->part[i];
        blocks_move(link, write, block, block_part_blocks(part), block_part_buffer(part),
                    block_part_offset(part));
        block += block_part_blocks(part);
    }
}

static void carry_out(struct block_client_link *link, const struct block_submission *submission)
{
    switch (submission->operation) {
    case BLOCK_READ:
        data_move(link, submission);
        break;
    case BLOCK_WRITE:
        if (lies_every > 0 && ++writes % lies_every == 0)
            break;
        data_move(link, submission);
        break;
    default:
        memcpy(stable, cache, sizeof(stable));
    }
}

/* In any order: what is in flight together has none. */
int block_client_link_receive(struct block_client_link *link,
                              const volatile struct block_completion **completions, unsigned *count)
{
    static struct block_completion answer;

    if (dead)
        return ENODEV;
    assert_int_not_equal(queued, 0); /* else it would wait for ever */
    unsigned which = (unsigned)rand() % queued;
    struct block_submission submission = queue[which];
    queue[which] = queue[--queued];
    if (submission.operation == BLOCK_WRITE && (int)submission.block == poison_block) {
        together = queued + 1;
        driver_die();
        return ENODEV;
    }
    bool refuses = refusals > 0 && submission.block == refused_block;
    refusals -= refuses;
    if (!refuses)
        carry_out(link, &submission);
    request_count();
    if (dead)
        return ENODEV; /* it was done, and nobody is told */
    answer = (struct block_completion){
        .slot = submission.slot,
        .generation = submission.generation,
        .status = refuses ? refusal : BLOCK_STATUS_OK,
        .length = submission.operation == BLOCK_FLUSH ? 0 : submission.count * BLOCK,
    };
    *completions = &answer;
    *count = 1;
    return 0;
}

void block_client_link_tell(struct block_client_link *link,
                            const struct block_client_counts *counts)
{
    (void)link, (void)counts;
}

int block_client_link_poll(struct block_client_link *link,
                           const volatile struct block_completion **completions, unsigned *count)
{
    *count = 0;
    if (queued == 0)
        return dead ? ENODEV : 0;
    return block_client_link_receive(link, completions, count);
}

int block_client_link_reopen(struct block_client_link *link, struct block_info *info,
                             enum block_client_end *how, uint32_t *drivers)
{
    (void)link;
    *drivers = others + 1;
    *how = killed ? BLOCK_CLIENT_EXCUSED : lives ? BLOCK_CLIENT_LIVES : BLOCK_CLIENT_DIED;
    if (absent > 0)
        return EAGAIN;
    if (revivals_left == 0)
        return ENODEV;
    revivals_left--;
    revivals++;
    others = 0;
    dead = false;
    queued = 0;
    *info = identity;
    if (strange > 0) {
        strange--;
        info->blocks--;
        strcpy(info->serial, "2");
    }
    return 0;
}

void block_client_link_refuse(struct block_client_link *link, const char *reason)
{
    (void)link;
    assert_non_null(reason);
    refused++;
    killed = lives = false; /* it dies for that */
    driver_die();
    absent = 1;
}

void block_client_link_await(struct block_client_link *link)
{
    (void)link;
    absent--;
}

const char *block_client_link_name(const struct block_client_link *link)
{
    (void)link;
    return "disk";
}

static int setup(void **state)
{
    (void)state;
    identity = (struct block_info){.blocks = BLOCKS,
                                   .block_size = BLOCK,
                                   .max_transfer = 16 * BLOCK,
                                   .flags = BLOCK_INFO_VOLATILE_CACHE | BLOCK_INFO_SCATTER,
                                   .serial = "1"};
    memset(stable, 0, sizeof(stable));
    memset(cache, 0, sizeof(cache));
    queued = requests = die_at = die_every = revivals = absent = together = 0;
    lies_every = writes = 0;
    poison_block = -1;
    dead = killed = lives = false;
    strange = refused = refusals = others = 0;
    forgetful = true;
    revivals_left = UINT32_MAX;
    block_client_init(&client, &identity, &link_state);
    block_client_note_buffer(&client, 0, data, sizeof(data));
    block_client_note_buffer(&client, 1, kept, sizeof(kept));
    block_client_keep(&client, 1);
    return 0;
}

static unsigned statuses[8];

static void count_status(void *context, enum block_status status)
{
    if (context)
        *(enum block_status *)context = status;
    statuses[status]++;
}

static int write_at(uint64_t block, uint32_t count, uint8_t value)
{
    memset(data, value, (size_t)count * BLOCK);
    return block_client_transfer(&client, BLOCK_WRITE, block, count, 0, 0);
}

static void what_was_done_and_not_flushed_is_written_again(void **state)
{
    (void)state;
    assert_int_equal(write_at(1, 2, 11), 0);
    assert_int_equal(write_at(2, 2, 22), 0); /* overlaps: the order counts */
    assert_int_equal(write_at(9, 1, 99), 0);
    driver_die();
    assert_int_equal(cache[1][0], 0);
    assert_int_equal(block_client_transfer(&client, BLOCK_READ, 1, 3, 0, 0), 0);
    assert_int_equal(data[0], 11);
    assert_int_equal(data[BLOCK], 22);
    assert_int_equal(data[2 * BLOCK], 22);
    assert_int_equal(cache[9][0], 99);
    assert_int_equal(block_client_counts(&client).recoveries, 1);
    assert_int_equal(block_client_counts(&client).rewritten, 3);

    /* After a flush nothing is left to be written again. */
    assert_int_equal(block_client_transfer(&client, BLOCK_FLUSH, 0, 0, 0, 0), 0);
    driver_die();
    assert_int_equal(block_client_transfer(&client, BLOCK_READ, 9, 1, 0, 0), 0);
    assert_int_equal(data[0], 99);
    assert_int_equal(block_client_counts(&client).rewritten, 3);
}

/* Another may have the session then, and meets nothing of this one's. */
static void what_is_at_rest(void **state)
{
    enum block_status status;

    (void)state;
    assert_true(block_client_is_at_rest(&client));
    assert_int_equal(block_client_submit(&client, BLOCK_READ, 1, 1, 0, 0, count_status, &status),
                     0);
    assert_false(block_client_is_at_rest(&client));
    block_client_wait(&client, true);
    assert_true(block_client_is_at_rest(&client));

    assert_int_equal(write_at(1, 1, 7), 0);
    assert_false(block_client_is_at_rest(&client));
    assert_int_equal(block_client_transfer(&client, BLOCK_FLUSH, 0, 0, 0, 0), 0);
    assert_true(block_client_is_at_rest(&client));
    block_client_lost(&client);
    assert_false(block_client_is_at_rest(&client));
    assert_int_equal(block_client_transfer(&client, BLOCK_READ, 1, 1, 0, 0), 0);
    assert_true(block_client_is_at_rest(&client));

    struct block_completion forged = {.slot = 3};
    block_client_take(&client, &forged, 1);
    assert_false(block_client_is_at_rest(&client));
}

/* A kept write that could not be repeated: the next flush is one's own to fail. */
static void what_was_lost_is_not_at_rest(void **state)
{
    (void)state;
    block_client_note_buffer(&client, 2, doubt, sizeof(doubt));
    block_client_doubt(&client, 2);
    assert_int_equal(write_at(5, 1, 7), 0);
    lies_every = 1;
    driver_die();
    assert_int_equal(block_client_transfer(&client, BLOCK_READ, 1, 1, 0, 0), 0);
    block_keep_release(&client.keep, client.keep.end);
    assert_false(block_client_is_at_rest(&client));
    assert_int_equal(block_client_transfer(&client, BLOCK_FLUSH, 0, 0, 0, 0), EIO);
    assert_true(block_client_is_at_rest(&client));
}

/* One that does not write what it says: sixty writes, some over others, and each third is a lie. */
static void what_is_doubted_is_read_back(void **state)
{
    (void)state;
    block_client_note_buffer(&client, 2, doubt, sizeof(doubt));
    block_client_doubt(&client, 2);
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(write_at(i % 50, 3, (uint8_t)(i + 1)), 0);
    lies_every = 3;
    driver_die();
    assert_int_equal(block_client_transfer(&client, BLOCK_FLUSH, 0, 0, 0, 0), 0);
    assert_true(block_client_counts(&client).rewritten > 80);
    for (unsigned i = 0; i < 52; i++)
        assert_int_equal(stable[i][0], i < 10 ? i + 51 : i < 12 ? 60 : i < 50 ? i + 1 : 50);

    /* Nothing helps: that is said. */
    assert_int_equal(write_at(5, 1, 7), 0);
    lies_every = 1;
    driver_die();
    assert_int_equal(block_client_transfer(&client, BLOCK_FLUSH, 0, 0, 0, 0), EIO);
    assert_int_equal(stable[5][0], 56);
}

static void a_batch_fits_what_it_is_read_back_to(void **state)
{
    struct block_keep keep = {.memory = kept, .size = sizeof(kept)};

    (void)state;
    for (unsigned i = 0; i < 20; i++)
        assert_non_null(block_keep_add(&keep, i * 200, 200, 200 * BLOCK));
    assert_int_equal(block_keep_batch(&keep, 0, BLOCK_CLIENT_BATCH, BLOCK_DOUBT_SIZE), 5);
    assert_int_equal(block_keep_batch(&keep, 18, BLOCK_CLIENT_BATCH, BLOCK_DOUBT_SIZE), 20);
    assert_int_equal(block_keep_batch(&keep, 7, BLOCK_CLIENT_BATCH, 200 * BLOCK), 8);
    assert_int_equal(block_keep_batch(&keep, 7, BLOCK_CLIENT_BATCH, BLOCK), 8);
    assert_int_equal(block_keep_batch(&keep, 0, BLOCK_CLIENT_BATCH, BLOCK_KEEP_SIZE), 20);
}

/* Each driver lives long enough for a batch of what is kept, and not for all of it. */
static void what_is_kept_gets_through_by_the_batch(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(write_at(i, 1, (uint8_t)(i + 1)), 0);
    requests = 0;
    die_every = 2 * BLOCK_CLIENT_BATCH + 10;
    driver_die();
    assert_int_equal(block_client_transfer(&client, BLOCK_FLUSH, 0, 0, 0, 0), 0);
    assert_in_range(revivals, 200 / BLOCK_CLIENT_BATCH, 20);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(stable[i][0], i + 1);
}

static void a_driver_is_waited_for(void **state)
{
    (void)state;
    driver_die();
    absent = 3;
    assert_int_equal(write_at(5, 1, 7), 0);
    assert_int_equal(absent, 0);
    assert_int_equal(cache[5][0], 7);
}

static void one_that_does_not_return_fails_everything(void **state)
{
    (void)state;
    revivals_left = 0;
    driver_die();
    assert_int_equal(write_at(5, 1, 7), ENODEV);
    assert_true(block_client_is_gone(&client));
    assert_int_equal(write_at(5, 1, 7), ENODEV);
}

static void another_disk_gets_nothing(void **state)
{
    (void)state;
    assert_int_equal(write_at(5, 1, 7), 0);
    driver_die();
    strcpy(identity.serial, "2");
    assert_int_equal(write_at(6, 1, 8), ENODEV);
    assert_int_equal(cache[5][0], 0);
    assert_int_equal(requests, 2); /* of the first one */
    assert_int_equal(refused, 2);
    assert_true(block_client_is_gone(&client));
}

/* Who says that the disk is another one may be damaged: the next may have it as it was. */
static void a_driver_with_another_disk_is_replaced(void **state)
{
    enum block_status status;

    (void)state;
    memset(data, 3, sizeof(data));
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(write_at(5, 1, 7), 0);
        assert_int_equal(
            block_client_submit(&client, BLOCK_WRITE, 9, 1, 0, 0, count_status, &status), 0);
        block_client_send(&client);
        driver_die();
        strange = 2;
        assert_int_equal(block_client_wait(&client, true), 0);
        assert_int_equal(status, BLOCK_STATUS_OK);
        assert_int_equal(cache[5][0], 7);
        assert_int_equal(cache[9][0], 7);
        assert_int_equal(refused, 2 * (round + 1));
    }
    assert_int_equal(block_client_counts(&client).recoveries, 3);
}

/* It is another one for all its clients: the first of them, who is quicker, has had it replaced. */
static void strangers_are_counted_once_for_all_clients(void **state)
{
    for (uint32_t missed = 0; missed <= 3; missed++) {
        setup(state);
        assert_int_equal(write_at(5, 1, 7), 0);
        driver_die();
        others = missed;
        strange = 3;
        assert_int_equal(write_at(6, 1, 8), ENODEV);
        assert_int_equal(refused, missed < 2 ? 2 - missed : 0);
        assert_int_equal(cache[5][0], 0);
    }
}

/* Who says of a write that is right that it is not is damaged; if two say so it may be the device.
 */
static void what_is_right_is_refused_by_two_or_by_none(void **state)
{
    static const enum block_status said[] = {BLOCK_STATUS_RANGE, BLOCK_STATUS_INVALID};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        unsigned before = block_client_counts(&client).recoveries;
        refusal = said[i];
        refusals = 1, refused_block = BLOCKS - 4;
        assert_int_equal(write_at(BLOCKS - 4, 4, 7), 0);
        assert_int_equal(cache[BLOCKS - 1][0], 7);
        assert_int_equal(block_client_counts(&client).recoveries, before + 1);
        refusals = 2, refused_block = 5;
        assert_int_equal(write_at(5, 4, 8), block_status_error(refusal));
        assert_int_equal(block_client_counts(&client).recoveries, before + 2);
        assert_int_equal(block_client_transfer(&client, BLOCK_FLUSH, 0, 0, 0, 0), 0);
    }
}

/* A driver that died before it, for whatever reason, has said nothing of it. */
static void a_death_is_no_refusal(void **state)
{
    enum block_status status = BLOCK_STATUS_DEVICE;

    (void)state;
    memset(data, 7, BLOCK);
    assert_int_equal(block_client_submit(&client, BLOCK_WRITE, 5, 1, 0, 0, count_status, &status),
                     0);
    block_client_send(&client);
    driver_die();
    refusal = BLOCK_STATUS_INVALID;
    refusals = 1, refused_block = 5;
    assert_int_equal(block_client_wait(&client, true), 0);
    assert_int_equal(status, BLOCK_STATUS_OK);
    assert_int_equal(cache[5][0], 7);
}

/* What a driver took once, and is written again, is right as well: it would be lost. */
static void a_kept_write_is_refused_by_two_or_by_none(void **state)
{
    (void)state;
    for (unsigned said = 1; said <= 2; said++) {
        assert_int_equal(write_at(5, 1, 7), 0);
        assert_int_equal(write_at(9, 1, 9), 0);
        driver_die();
        refusal = BLOCK_STATUS_INVALID;
        refusals = said, refused_block = 5;
        assert_int_equal(block_client_transfer(&client, BLOCK_READ, 1, 1, 0, 0), 0);
        assert_int_equal(refusals, 0);
        assert_int_equal(cache[5][0], said == 1 ? 7 : 0);
        assert_int_equal(cache[9][0], 9);
        assert_int_equal(block_client_transfer(&client, BLOCK_FLUSH, 0, 0, 0, 0),
                         said == 1 ? 0 : EIO);
        memset(stable, 0, sizeof(stable));
        memset(cache, 0, sizeof(cache));
    }
}

static void what_is_not_right_is_refused_at_once(void **state)
{
    static const struct {
        uint64_t block, offset;
        uint32_t count, buffer;
    } wrong[] = {{BLOCKS - 4, 0, 5, 0},
                 {BLOCKS + 1, 0, 1, 0},
                 {UINT64_MAX - 1, 0, 2, 0},
                 {0, 0, 0, 0},
                 {0, 0, 17, 0}, /* longer than the longest */
                 {0, 2, 1, 0},
                 {0, sizeof(data) - BLOCK + 4, 1, 0},
                 {0, sizeof(data) + 4, 1, 0},
                 {0, 0, 1, 3},
                 {0, 0, 1, BLOCK_BUFFERS}};

    (void)state;
    refusal = BLOCK_STATUS_INVALID;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        enum block_status status = BLOCK_STATUS_OK;
        refusals = 1, refused_block = wrong[i].block;
        assert_int_equal(block_client_submit(&client, BLOCK_WRITE, wrong[i].block, wrong[i].count,
                                             wrong[i].buffer, wrong[i].offset, count_status,
                                             &status),
                         0);
        assert_int_equal(block_client_wait(&client, true), 0);
        assert_int_equal(status, BLOCK_STATUS_INVALID);
    }
    assert_int_equal(block_client_counts(&client).recoveries, 0);
}

/* Where the disk may have been taken out the new one's driver is not to blame. */
static void a_disk_that_was_taken_out_is_believed(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 2; how++) {
        setup(state);
        assert_int_equal(write_at(5, 1, 7), 0);
        driver_die();
        killed = how == 0;
        lives = how == 1;
        strange = 1;
        assert_int_equal(write_at(6, 1, 8), ENODEV);
        assert_int_equal(refused, 0);
        assert_int_equal(cache[5][0], 0);
        assert_true(block_client_is_gone(&client));
    }
}

static void poison_fails_alone(void **state)
{
    enum block_status status[8];

    (void)state;
    memset(statuses, 0, sizeof(statuses));
    poison_block = 50;
    memset(data, 3, sizeof(data));
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(block_client_submit(&client, BLOCK_WRITE, i == 4 ? 50 : i, 1, 0, 0,
                                             count_status, &status[i]),
                         0);
    assert_int_equal(block_client_wait(&client, true), 0);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(status[i], i == 4 ? BLOCK_STATUS_DEVICE : BLOCK_STATUS_OK);
    assert_int_equal(revivals, 6);
    assert_int_equal(together, 1); /* the last time it was tried it was tried alone */
    assert_int_equal(block_client_counts(&client).poisoned, 1);
    assert_int_equal(cache[7][0], 3);
}

/* What an operator does to a driver is no request's fault, however often he does it. */
static void operators_kills_are_no_poison(void **state)
{
    enum block_status status;

    (void)state;
    killed = true;
    poison_block = 50;
    revivals_left = 100;
    memset(data, 3, sizeof(data));
    assert_int_equal(block_client_submit(&client, BLOCK_WRITE, 50, 1, 0, 0, count_status, &status),
                     0);
    assert_int_equal(block_client_wait(&client, true), ENODEV);
    assert_int_equal(status, BLOCK_STATUS_GONE);
    assert_int_equal(revivals, 100);
    assert_int_equal(block_client_counts(&client).poisoned, 0);
}

/* More than can be kept: writes are flushed instead, and nothing is lost all the same. */
static void what_cannot_be_kept_is_flushed(void **state)
{
    (void)state;
    client.keep.size = 8 * BLOCK;
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(write_at(i, 3, (uint8_t)i), 0);
    driver_die();
    assert_int_equal(block_client_transfer(&client, BLOCK_READ, 0, 62, 0, 0), 0);
    for (unsigned i = 0; i < 62; i++)
        assert_int_equal(data[i * BLOCK], i < 60 ? i : 59);
    assert_int_equal(write_at(10, 20, 1), 0); /* longer than all that is kept */
}

/* Deaths at every possible moment of a random load; each block is written by one request at a time,
 * so that what it must hold is known: what was acknowledged last. */
static uint8_t wanted[BLOCKS];
static bool under_way[BLOCKS];

struct write {
    unsigned block, count, place;
    uint8_t value;
    bool busy;
};

static void write_done(void *context, enum block_status status)
{
    struct write *write = context;

    assert_int_equal(status, BLOCK_STATUS_OK);
    for (unsigned i = 0; i < write->count; i++) {
        wanted[write->block + i] = (uint8_t)(write->value + i);
        under_way[write->block + i] = false;
    }
    write->busy = false;
    memset(data + write->place * BLOCK, 0xee, (size_t)write->count * BLOCK); /* reused */
}

static void write_begin(struct write *write, unsigned place)
{
    unsigned count = 1 + (unsigned)rand() % 4, block = (unsigned)rand() % (BLOCKS - 4);

    for (unsigned i = 0; i < count; i++) {
        if (under_way[block + i])
            return;
    }
    *write = (struct write){block, count, place, (uint8_t)(1 + rand() % 200), true};
    for (unsigned i = 0; i < count; i++)
        under_way[block + i] = true;
    bool backwards = rand() % 2; /* in memory, each block a place of its own */
    struct block_client_part parts[4];
    for (unsigned i = 0; i < count; i++) {
        unsigned at = place + (backwards ? count - 1 - i : i);
        memset(data + at * BLOCK, write->value + (int)i, BLOCK);
        parts[i] = (struct block_client_part){0, 1, at * BLOCK};
    }
    if (!backwards)
        parts[0].blocks = count;
    assert_int_equal(block_client_submit_parts(&client, BLOCK_WRITE, block, parts,
                                               backwards ? count : 1, write_done, write),
                     0);
}

static void any_moment(void **state)
{
    for (unsigned seed = 1; seed <= 3000; seed++) {
        struct write writes[16] = {0};
        setup(state);
        srand(seed);
        memset(wanted, 0, sizeof(wanted));
        if (seed % 3 == 0)
            client.keep.size = 12 * BLOCK;
        forgetful = seed % 5 != 0;
        for (unsigned step = 0; step < 60; step++) {
            die_at = requests + 1 + (unsigned)rand() % 40;
            for (unsigned i = 0; i < 16; i++) {
                if (!writes[i].busy && rand() % 2)
                    write_begin(&writes[i], i * 4);
            }
            if (rand() % 8 == 0)
                block_client_submit(&client, BLOCK_FLUSH, 0, 0, 0, 0, count_status, NULL);
            if (rand() % 2)
                assert_int_equal(block_client_poll(&client), 0);
            assert_int_equal(block_client_wait(&client, rand() % 4 == 0), 0);
        }
        die_at = 0;
        assert_int_equal(block_client_wait(&client, true), 0);
        driver_die();
        assert_int_equal(block_client_transfer(&client, BLOCK_READ, 0, 1, 0, 0), 0);
        for (unsigned i = 0; i < BLOCKS; i++)
            assert_int_equal(cache[i][0], wanted[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_done_and_not_flushed_is_written_again),
        TEST(what_is_at_rest),
        TEST(what_was_lost_is_not_at_rest),
        TEST(what_is_doubted_is_read_back),
        TEST(a_batch_fits_what_it_is_read_back_to),
        TEST(what_is_kept_gets_through_by_the_batch),
        TEST(a_driver_is_waited_for),
        TEST(one_that_does_not_return_fails_everything),
        TEST(another_disk_gets_nothing),
        TEST(a_driver_with_another_disk_is_replaced),
        TEST(a_disk_that_was_taken_out_is_believed),
        TEST(strangers_are_counted_once_for_all_clients),
        TEST(what_is_right_is_refused_by_two_or_by_none),
        TEST(a_death_is_no_refusal),
        TEST(a_kept_write_is_refused_by_two_or_by_none),
        TEST(what_is_not_right_is_refused_at_once),
        TEST(poison_fails_alone),
        TEST(operators_kills_are_no_poison),
        TEST(what_cannot_be_kept_is_flushed),
        TEST(any_moment),
    };

    return cmocka_run_group_tests_name("block recovery", tests, NULL, NULL);
}
