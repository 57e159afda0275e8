/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The client's private table against a driver that lies.
 */
#include <errno.h>
#include <string.h>

#include <kit/core/block_client.h>
#include <test/unit/cmocka.h>

static struct {
    struct block_submission sent[1024];
    unsigned count, answered;
    struct block_completion forged[8]; /* told before the truth */
    unsigned forged_count;
    bool dead;
} driver;

static struct block_client client;
static unsigned done_count;
static enum block_status done_status;

int block_client_link_send(struct block_client_link *link,
                           const struct block_submission *submissions, unsigned count,
                           bool scattered)
{
    (void)link, (void)scattered;
    if (driver.dead)
        return ENODEV;
    memcpy(driver.sent + driver.count, submissions, count * sizeof(*submissions));
    driver.count += count;
    return 0;
}

int block_client_link_receive(struct block_client_link *link,
                              const volatile struct block_completion **completions, unsigned *count)
{
    static struct block_completion answer;

    (void)link;
    if (driver.dead)
        return ENODEV;
    *count = driver.forged_count;
    *completions = driver.forged;
    if (driver.forged_count > 0) {
        driver.forged_count = 0;
        return 0;
    }
    const struct block_submission *submission = &driver.sent[driver.answered++];
    answer = (struct block_completion){
        .slot = submission->slot,
        .generation = submission->generation,
        .length = submission->count * 512,
    };
    *completions = &answer;
    *count = 1;
    return 0;
}

int block_client_link_poll(struct block_client_link *link,
                           const volatile struct block_completion **completions, unsigned *count)
{
    *count = 0;
    if (driver.dead || driver.answered == driver.count)
        return driver.dead ? ENODEV : 0;
    return block_client_link_receive(link, completions, count);
}

static void done(void *context, enum block_status status)
{
    (void)context;
    done_count++;
    done_status = status;
}

static int setup(void **state)
{
    static const struct block_info info = {
        .blocks = 100000, .block_size = 512, .max_transfer = 8192};

    (void)state;
    memset(&driver, 0, sizeof(driver));
    done_count = 0;
    block_client_init(&client, &info, NULL);
    return 0;
}

static void transfers_are_split_and_all_in_flight(void **state)
{
    (void)state;
    assert_int_equal(block_client_transfer(&client, BLOCK_READ, 100, 16 * 5 + 3, 1, 4096), 0);
    assert_int_equal(driver.count, 6);
    assert_int_equal(driver.sent[5].block, 100 + 80);
    assert_int_equal(driver.sent[5].count, 3);
    assert_int_equal(driver.sent[5].offset, 4096 + 5 * 8192);
    /* More than there are slots. */
    driver.count = driver.answered = 0;
    assert_int_equal(block_client_transfer(&client, BLOCK_READ, 0, 16 * 300, 0, 0), 0);
    assert_int_equal(driver.count, 300);
    assert_int_equal(block_client_transfer(&client, BLOCK_READ, 99999, 2, 0, 0), ERANGE);
    assert_int_equal(block_client_transfer(&client, BLOCK_READ, UINT64_MAX, 1, 0, 0), ERANGE);
}

static void data_in_several_places(void **state)
{
    struct block_client_part parts[BLOCK_PARTS] = {
        {1, 2, 512}, {63, BLOCK_PART_BLOCKS_MAX, UINT32_MAX * UINT64_C(4)}, {0, 1, 0}};

    (void)state;
    assert_int_equal(block_client_submit_parts(&client, BLOCK_WRITE, 7, parts, 3, done, NULL),
                     EOPNOTSUPP);
    assert_int_equal(block_client_submit_parts(&client, BLOCK_WRITE, 7, parts, 1, done, NULL), 0);
    assert_int_equal(client.batch[0].flags, 0);
    client.info.flags = BLOCK_INFO_SCATTER;
    block_client_flags(&client, BLOCK_POLLED);
    assert_int_equal(block_client_submit_parts(&client, BLOCK_WRITE, 7, parts, 3, done, NULL), 0);
    const struct block_submission *sent = &client.batch[1];
    assert_int_equal(sent->flags, BLOCK_POLLED | BLOCK_SCATTER);
    assert_int_equal(sent->count, 3 + BLOCK_PART_BLOCKS_MAX);
    assert_int_equal(sent->buffer, 1);
    assert_int_equal(sent->offset, 512);
    assert_int_equal(block_part_buffer(sent->part[0]), 63);
    assert_int_equal(block_part_blocks(sent->part[0]), BLOCK_PART_BLOCKS_MAX);
    assert_int_equal(block_part_offset(sent->part[0]), UINT32_MAX * UINT64_C(4));
    assert_int_equal(sent->part[1], 1 << 8);
    assert_int_equal(sent->part[2] | sent->part[3], 0);

    /* What is not one of them. */
    assert_int_equal(block_client_submit_parts(&client, BLOCK_FLUSH, 7, parts, 3, done, NULL),
                     EINVAL);
    assert_int_equal(block_client_submit_parts(&client, BLOCK_READ, 7, parts, 0, done, NULL),
                     EINVAL);
    assert_int_equal(block_client_submit_parts(&client, BLOCK_READ, 7, parts, 4, done, NULL),
                     EINVAL); /* the fourth has no blocks */
    struct block_client_part wrong[] = {
        {64, 1, 0}, {0, BLOCK_PART_BLOCKS_MAX + 1, 0}, {0, 1, 2}, {0, 1, UINT64_C(1) << 34}};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(
            block_client_submit_parts(&client, BLOCK_READ, 7, &wrong[i], 1, done, NULL), EINVAL);
}

static void lies_do_not_count(void **state)
{
    (void)state;
    assert_int_equal(block_client_submit(&client, BLOCK_READ, 0, 1, 0, 0, done, NULL), 0);
    uint16_t slot = client.batch[0].slot;
    uint32_t generation = client.batch[0].generation;
    driver.forged[0] = (struct block_completion){.slot = slot, .generation = generation + 1};
    driver.forged[1] =
        (struct block_completion){.slot = (uint16_t)(slot + 1), .generation = generation};
    driver.forged[2] = (struct block_completion){.slot = UINT16_MAX, .generation = generation};
    driver.forged_count = 3;
    assert_int_equal(block_client_wait(&client, true), 0);
    assert_int_equal(client.rejected, 3);
    assert_int_equal(done_count, 1);
    assert_int_equal(done_status, BLOCK_STATUS_OK);

    /* The same completion again is for nothing. */
    assert_int_equal(block_client_submit(&client, BLOCK_READ, 0, 1, 0, 0, done, NULL), 0);
    driver.forged[0] =
        (struct block_completion){.slot = slot, .generation = generation, .length = 512};
    driver.forged_count = 1;
    assert_int_equal(block_client_wait(&client, true), 0);
    assert_int_equal(client.rejected, 4);
    assert_int_equal(done_count, 2);
}

/* The request is not failed for it: the next driver is asked, if there is one. */
static void an_idle_slot_has_no_answer(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 1u << 17; which++) {
        const struct block_completion guess = {.slot = (uint16_t)which, .status = which >> 16};
        block_client_take(&client, &guess, 1);
    }
    assert_int_equal(client.rejected, 1 << 17);
    assert_int_equal(client.free_count, BLOCK_SLOTS);
}

/* Requests are put where the host says, and an answer is of its session. */
static void a_session_has_a_ring_and_an_epoch(void **state)
{
    static struct block_submission ring[BLOCK_SLOTS];

    (void)state;
    block_client_place(&client, ring, 7);
    assert_int_equal(block_client_submit(&client, BLOCK_READ, 5, 2, 3, 512, done, NULL), 0);
    assert_int_equal(ring[0].operation, BLOCK_READ);
    assert_int_equal(ring[0].block, 5);
    assert_int_equal(ring[0].count, 2);
    assert_int_equal(ring[0].buffer, 3);
    assert_int_equal(ring[0].offset, 512);
    assert_int_equal(block_client_send(&client), 0);
    assert_memory_equal(&driver.sent[0], &ring[0], sizeof(ring[0]));
    struct block_completion answer = {
        .slot = ring[0].slot, .generation = ring[0].generation, .length = 1024, .epoch = 6};
    block_client_take(&client, &answer, 1);
    assert_int_equal(done_count, 0);
    assert_int_equal(client.rejected, 0); /* an older driver's is nobody's fault */
    answer.epoch = 7;
    block_client_take(&client, &answer, 1);
    assert_int_equal(done_count, 1);
    assert_int_equal(done_status, BLOCK_STATUS_OK);
    block_client_take(&client, &answer, 1); /* it is over */
    assert_int_equal(done_count, 1);
    assert_int_equal(client.rejected, 1);
    assert_int_equal(client.free_count, BLOCK_SLOTS);
}

static void what_cannot_be_ends_the_session(void **state)
{
    static const struct block_completion impossible[] = {
        {.length = 512}, {.length = 1025}, {.status = 8}, {.status = UINT16_MAX, .length = 1024}};

    for (unsigned i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
        setup(state);
        assert_int_equal(block_client_submit(&client, BLOCK_READ, 0, 2, 0, 0, done, NULL), 0);
        driver.forged[0] = impossible[i];
        driver.forged[0].slot = client.batch[0].slot;
        driver.forged[0].generation = client.batch[0].generation;
        driver.forged_count = 1;
        assert_int_equal(block_client_wait(&client, true), ENODEV);
        assert_int_equal(done_count, 1);
        assert_int_equal(done_status, BLOCK_STATUS_GONE);
    }
    assert_int_equal(block_status_error((enum block_status)200), EIO);
}

static void a_dead_driver_fails_everything_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(block_client_submit(&client, BLOCK_READ, i, 1, 0, 0, done, NULL), 0);
    driver.dead = true;
    assert_int_equal(block_client_wait(&client, true), ENODEV);
    assert_int_equal(done_count, 10);
    assert_int_equal(done_status, BLOCK_STATUS_GONE);
    assert_int_equal(block_client_submit(&client, BLOCK_READ, 0, 1, 0, 0, done, NULL), ENODEV);
    assert_int_equal(block_client_transfer(&client, BLOCK_FLUSH, 0, 0, 0, 0), ENODEV);
}

static void slots_run_out_and_come_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BLOCK_SLOTS; i++)
        assert_int_equal(block_client_submit(&client, BLOCK_READ, i, 1, 0, 0, done, NULL), 0);
    assert_int_equal(block_client_submit(&client, BLOCK_READ, 0, 1, 0, 0, done, NULL), EAGAIN);
    assert_int_equal(block_client_wait(&client, false), 0);
    assert_int_equal(block_client_submit(&client, BLOCK_READ, 0, 1, 0, 0, done, NULL), 0);
}

static void asks_again(void *context, enum block_status status)
{
    (void)status;
    assert_int_equal(block_client_submit(&client, BLOCK_READ, 1, 1, 0, 0, done, context), 0);
}

/* A driver that guesses what is asked next cannot answer it before it was told. */
static void what_was_not_sent_has_no_answer(void **state)
{
    (void)state;
    assert_int_equal(block_client_submit(&client, BLOCK_READ, 0, 1, 0, 0, asks_again, NULL), 0);
    uint16_t slot = client.batch[0].slot;
    uint32_t generation = client.batch[0].generation;
    driver.forged[0] =
        (struct block_completion){.slot = slot, .generation = generation, .length = 512};
    driver.forged[1] =
        (struct block_completion){.slot = slot, .generation = generation + 1, .length = 512};
    driver.forged_count = 2;
    assert_int_equal(block_client_wait(&client, true), 0);
    assert_int_equal(client.table[slot].submission.generation,
                     generation + 1);     /* the slot is used again */
    assert_int_equal(client.rejected, 2); /* the guess, and the first answer once more */
    assert_int_equal(driver.count, 2);
    assert_int_equal(done_count, 1);
    assert_int_equal(done_status, BLOCK_STATUS_OK);
}

/* Who polls neither waits nor recovers: that is left to who waits. */
static void polling_sends_and_takes_what_is_there(void **state)
{
    (void)state;
    assert_int_equal(block_client_poll(&client), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(block_client_submit(&client, BLOCK_READ, i, 1, 0, 0, done, NULL), 0);
    assert_int_equal(driver.count, 0);
    assert_int_equal(block_client_poll(&client), 0);
    assert_int_equal(driver.count, 3);
    assert_int_equal(done_count, 1);
    driver.dead = true;
    assert_int_equal(block_client_poll(&client), 0);
    assert_int_equal(block_client_poll(&client), 0);
    assert_int_equal(done_count, 1);
    assert_int_equal(block_client_wait(&client, false), ENODEV);
    assert_int_equal(done_count, 3);
    assert_int_equal(block_client_poll(&client), ENODEV);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(transfers_are_split_and_all_in_flight),
        TEST(data_in_several_places),
        TEST(lies_do_not_count),
        TEST(an_idle_slot_has_no_answer),
        TEST(a_session_has_a_ring_and_an_epoch),
        TEST(what_cannot_be_ends_the_session),
        TEST(a_dead_driver_fails_everything_once),
        TEST(slots_run_out_and_come_back),
        TEST(what_was_not_sent_has_no_answer),
        TEST(polling_sends_and_takes_what_is_there),
    };

    return cmocka_run_group_tests_name("block client", tests, NULL, NULL);
}
