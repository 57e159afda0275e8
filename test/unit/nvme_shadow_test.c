/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Doorbells in memory (NVM Express 1.4, 5.7 and 7.13): when they are used, how few registers are
 * written with them, and a controller that does not say the truth of what it wants to hear. That
 * all else is as with registers alone is in the other programs, which run with both.
 */
#include <string.h>

#include <kit/core/block_client.h>
#include <test/unit/ending.h>
#include <test/unit/nvme_fixture.h>

enum { OPCODE = 0x7c };

static void check_works(void)
{
    struct test_client client;

    client_open(&client, "nvme0n1", true, 8192);
    client_pattern(client.memory, 4096, 3);
    assert_int_equal(client_request(&client, BLOCK_WRITE, 9, 8, 0), BLOCK_STATUS_OK);
    assert_int_equal(client_request(&client, BLOCK_READ, 9, 8, 4096), BLOCK_STATUS_OK);
    assert_memory_equal(client.memory, client.memory + 4096, 4096);
    client_close(&client);
}

static void check_is_used(bool used)
{
    nvme_attach();
    assert_int_equal(model.shadow != 0, used);
    check_works();
}

static void used_where_offered_and_wanted(void **state)
{
    (void)state;
    check_is_used(true);
    assert_int_equal(model.event_indexes, model.shadow + 4096);

    nvme_again();
    model.offers_shadow = false;
    check_is_used(false);

    nvme_again();
    model_settings(""); /* by itself it does not */
    check_is_used(false);
}

static void used_where_the_slots_fit_the_page(void **state)
{
    (void)state;
    model.cap |= UINT64_C(5) << 32; /* DSTRD: 128 bytes, 18 doorbells */
    check_is_used(true);

    nvme_again();
    model.cap |= UINT64_C(6) << 32;
    check_is_used(false);
}

static void a_controller_that_fails_it_does_without(void **state)
{
    (void)state;
    model.admin_failing = OPCODE + 1;
    check_is_used(false);
    assert_true(model_log_has("admin command 7c failed"));
}

static void forgotten_at_shutdown(void **state)
{
    (void)state;
    check_is_used(true);
    driver.detach();
    assert_true(model.shut_down_in_order);
    assert_int_equal(model.shadow, 0);
}

static void submit(struct test_client *client, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(block_client_submit(client->client, BLOCK_READ, i, 1, client->buffer,
                                             UINT64_C(512) * i, client_end, NULL),
                         0);
}

static void a_controller_at_work_is_not_rung(void **state)
{
    struct test_client client;

    (void)state;
    model.command_time = 100 * CLOCK_MILLISECOND;
    nvme_attach();
    client_open(&client, "nvme0n1", false, 1 << 20);
    unsigned before = model.doorbells;
    for (unsigned i = 0; i < 4; i++) {
        submit(&client, BLOCK_CLIENT_BATCH);
        model_run(10 * CLOCK_MILLISECOND);
    }
    assert_int_equal(model.commands, 4 * BLOCK_CLIENT_BATCH); /* it has fetched them */
    assert_int_equal(client_ended[BLOCK_STATUS_OK], 0);
    assert_int_equal(model.doorbells - before, 1);
    block_client_wait(client.client, true);
    assert_int_equal(client_ended[BLOCK_STATUS_OK], 4 * BLOCK_CLIENT_BATCH);
    assert_int_equal(model.head_doorbells, 0);

    /* It sleeps by now. */
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_OK);
    assert_int_equal(model.doorbells - before, 2);
    client_close(&client);
}

/* Each length of batch from each position of a short queue, so that positions wrap on either side
 * of what the controller asked for. */
static void positions_wrap(void **state)
{
    struct test_client client;
    unsigned total = 0;

    (void)state;
    model.cap = (model.cap & ~UINT64_C(0xffff)) | 6; /* MQES: 7 entries */
    nvme_attach();
    client_open(&client, "nvme0n1", true, 1 << 20);
    for (unsigned count = 1; count <= BLOCK_CLIENT_BATCH; count++) {
        for (unsigned i = 0; i < 7; i++) {
            submit(&client, count);
            block_client_wait(client.client, true);
            total += count;
        }
    }
    assert_int_equal(client_ended[BLOCK_STATUS_OK], total);
    assert_int_equal(model.commands, total);
    assert_true(model.doorbells < total / 4);
    client_close(&client);
}

static void a_controller_that_says_anything(void **state)
{
    struct test_client client;

    (void)state;
    model.event_index = NVME_MODEL_EVENT_INDEX_NOISE;
    nvme_attach();
    check_works();
    client_open(&client, "nvme0n1", true, 1 << 20);
    for (unsigned i = 0; i < 200; i++) {
        submit(&client, BLOCK_CLIENT_BATCH);
        block_client_wait(client.client, true);
    }
    assert_int_equal(client_ended[BLOCK_STATUS_OK], 200 * BLOCK_CLIENT_BATCH);
    client_close(&client);
    driver.detach();
    assert_true(model.shut_down_in_order);
}

static void read_for_long(void *context)
{
    client_request(context, BLOCK_READ, 0, 8, 0);
}

/* It sleeps, and says that it does not: that is a controller that does not complete. */
static void a_controller_that_is_never_to_be_woken(void **state)
{
    struct test_client client;

    (void)state;
    nvme_attach();
    client_open(&client, "nvme0n1", false, 4096);
    model.event_index = NVME_MODEL_EVENT_INDEX_NEVER;
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_OK);
    assert_driver_ends_saying("a request was not completed within 30 s", 30 * CLOCK_SECOND,
                              read_for_long, &client);
    client_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NVME_TEST(used_where_offered_and_wanted),
        NVME_TEST(used_where_the_slots_fit_the_page),
        NVME_TEST(a_controller_that_fails_it_does_without),
        NVME_TEST(forgotten_at_shutdown),
        NVME_TEST(a_controller_at_work_is_not_rung),
        NVME_TEST(positions_wrap),
        NVME_TEST(a_controller_that_says_anything),
        NVME_TEST(a_controller_that_is_never_to_be_woken),
    };

    nvme_is_shadowed = true;
    return cmocka_run_group_tests_name("nvme shadow doorbells", tests, NULL, NULL);
}
