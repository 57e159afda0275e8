/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The NVMe driver against a controller that fails, dies or lies at work.
 */
#include <errno.h>
#include <string.h>

#include <kit/core/block_client.h>
#include <test/unit/ending.h>
#include <test/unit/nvme_fixture.h>

static void error_statuses_are_told_apart(void **state)
{
    static const struct {
        unsigned status;
        enum block_status expected;
    } cases[] = {
        {0x020, BLOCK_STATUS_READ_ONLY}, {0x182, BLOCK_STATUS_READ_ONLY},
        {0x080, BLOCK_STATUS_RANGE},     {0x280, BLOCK_STATUS_MEDIUM},
        {0x281, BLOCK_STATUS_MEDIUM},    {0x286, BLOCK_STATUS_DEVICE},
        {0x001, BLOCK_STATUS_DEVICE},    {0x006, BLOCK_STATUS_DEVICE},
        {0x7ff, BLOCK_STATUS_DEVICE},    {0x300, BLOCK_STATUS_DEVICE},
    };
    struct test_client client;

    (void)state;
    nvme_attach();
    client_open(&client, "nvme0n1", true, 4096);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        model.io_status = cases[i].status;
        assert_int_equal(client_request(&client, BLOCK_WRITE, 9, 1, 0), cases[i].expected);
        assert_int_equal(client_request(&client, BLOCK_READ, 9, 1, 0), cases[i].expected);
        model.io_status = 0;
        assert_int_equal(client_request(&client, BLOCK_READ, 9, 1, 0), BLOCK_STATUS_OK);
    }
    assert_true(model_log_has("write of 1 blocks at 9 failed with status 20"));
    client_close(&client);
}

static void errors_do_not_fill_the_log(void **state)
{
    struct test_client client;

    (void)state;
    nvme_attach();
    client_open(&client, "nvme0n1", true, 4096);
    model.io_status = 0x281;
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(client_request(&client, BLOCK_READ, 9, 1, 0), BLOCK_STATUS_MEDIUM);
    assert_in_range(model_log_count("failed with status 281"), 8, 20);
    client_close(&client);
}

/* The device shrank behind our back. */
static void a_range_error_of_the_device(void **state)
{
    struct test_client client;

    (void)state;
    nvme_attach();
    client_open(&client, "nvme0n1", false, 4096);
    model.namespaces[0].blocks = 100;
    assert_int_equal(client_request(&client, BLOCK_READ, 100, 1, 0), BLOCK_STATUS_RANGE);
    assert_int_equal(client_request(&client, BLOCK_READ, 93, 8, 0), BLOCK_STATUS_RANGE);
    assert_int_equal(client_request(&client, BLOCK_READ, 92, 8, 0), BLOCK_STATUS_OK);
    assert_int_equal(client_request(&client, BLOCK_READ, 16384, 1, 0), BLOCK_STATUS_RANGE);
    client_close(&client);
}

/* A lie beside the truth: the truth is believed, the lie is logged and changes nothing. */
static void lies_among_completions(void **state)
{
    static const enum nvme_model_fault faults[] = {
        NVME_MODEL_FAULT_DUPLICATE,   NVME_MODEL_FAULT_WRONG_ID,  NVME_MODEL_FAULT_HUGE_ID,
        NVME_MODEL_FAULT_WRONG_QUEUE, NVME_MODEL_FAULT_HUGE_HEAD, NVME_MODEL_FAULT_HEAD_AHEAD};
    struct test_client client;

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (i > 0)
            nvme_again();
        nvme_attach();
        client_pattern(model.namespaces[0].disk, 4096, 1);
        client_open(&client, "nvme0n1", false, 4096);
        for (unsigned request = 1; request <= 600; request++) {
            if (request % 50 == 0)
                model.fault = faults[i];
            memset(client.memory, 0, 4096);
            assert_int_equal(client_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_OK);
            assert_memory_equal(client.memory, model.namespaces[0].disk, 4096);
        }
        model_run(CLOCK_SECOND);
        assert_int_equal(model_log_count("which is not in flight: ignored"),
                         faults[i] >= NVME_MODEL_FAULT_HUGE_HEAD ? 0 : 8);
        client_close(&client);
    }
}

static void bad_heads_with_a_full_queue(void **state)
{
    struct test_client client;

    (void)state;
    nvme_attach();
    client_open(&client, "nvme0n1", false, 4096);
    for (unsigned request = 0; request < 2000; request++) {
        model.fault = request % 2 ? NVME_MODEL_FAULT_HUGE_HEAD : NVME_MODEL_FAULT_HEAD_AHEAD;
        while (block_client_submit(client.client, BLOCK_READ, 0, 1, client.buffer, 0, client_end,
                                   NULL) == EAGAIN)
            block_client_wait(client.client, false);
    }
    block_client_wait(client.client, true);
    assert_int_equal(client_ended[BLOCK_STATUS_OK], 2000);
    client_close(&client);
}

static void read_for_long(void *context)
{
    client_request(context, BLOCK_READ, 0, 8, 0);
}

/* A client's whole batch, which goes off without waiting. */
static void submit_batch(struct test_client *client)
{
    for (unsigned i = 0; i < BLOCK_CLIENT_BATCH; i++)
        assert_int_equal(block_client_submit(client->client, BLOCK_READ, 0, 8, client->buffer, 0,
                                             client_end, NULL),
                         0);
}

static void read_without_end(void *context)
{
    struct test_client *clients = context;

    submit_batch(&clients[0]);
    model_turn();
    for (uint64_t start = model_time(); model_time() - start < 36 * CLOCK_SECOND;) {
        assert_int_equal(client_request(&clients[1], BLOCK_READ, 0, 1, 0), BLOCK_STATUS_OK);
        model_run(100 * CLOCK_MILLISECOND);
    }
}

/* The driver ends, and another one is given the request again. */
static void request_times_out(enum nvme_model_fault fault)
{
    struct test_client client;

    nvme_attach();
    client_open(&client, "nvme0n1", true, 4096);
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_OK);
    model.fault = fault;
    assert_driver_ends_saying("given up: a request was not completed within 30 s",
                              30 * CLOCK_SECOND, read_for_long, &client);
    client_close(&client);
}

static void a_completion_that_is_lost(void **state)
{
    (void)state;
    request_times_out(NVME_MODEL_FAULT_LOST);
}

static void a_completion_with_the_old_phase(void **state)
{
    (void)state;
    request_times_out(NVME_MODEL_FAULT_OLD_PHASE);
}

static void completions_without_end(void **state)
{
    (void)state;
    request_times_out(NVME_MODEL_FAULT_STORM);
}

/* Of one among many that are completed, too. */
static void one_completion_of_many_that_is_lost(void **state)
{
    struct test_client clients[2];

    (void)state;
    model.device.identity.vectors = 8;
    nvme_attach();
    for (unsigned i = 0; i < 2; i++)
        client_open(&clients[i], "nvme0n1", true, 4096);
    model.fault = NVME_MODEL_FAULT_LOST;
    assert_driver_ends_saying("given up: a request was not completed within 30 s",
                              30 * CLOCK_SECOND, read_without_end, clients);
    for (unsigned i = 0; i < 2; i++)
        client_close(&clients[i]);
}

static void interrupts_that_are_lost(void **state)
{
    struct test_client client;

    (void)state;
    nvme_attach();
    client_open(&client, "nvme0n1", false, 4096);
    model.no_interrupts = true;
    uint64_t start = model_time();
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_OK);
    assert_true(model_time() - start < 6 * CLOCK_SECOND);
    client_close(&client);
}

static void a_controller_that_dies_at_work(void **state)
{
    struct test_client client;

    (void)state;
    nvme_attach();
    client_open(&client, "nvme0n1", false, 4096);
    for (unsigned way = 0; way < 2; way++) {
        model.csts = way == 0 ? 3 : 1;
        model.gone = way == 1;
        assert_driver_ends_saying("given up: it reports a fatal error, or is not there", 0,
                                  read_for_long, &client);
    }
    client_close(&client);
}

static void detach_with_a_lost_command(void *context)
{
    model.fault = NVME_MODEL_FAULT_LOST;
    submit_batch(context);
    model_run(CLOCK_SECOND);
    driver.detach();
}

/* It is stopped by the book all the same, and the rest is for another driver. */
static void shutdown_with_a_lost_command(void **state)
{
    struct test_client client;

    (void)state;
    nvme_attach();
    client_open(&client, "nvme0n1", true, 4096);
    assert_driver_ends_saying("given up: requests are still in flight", 5 * CLOCK_SECOND,
                              detach_with_a_lost_command, &client);
    client_close(&client);
}

static void a_shutdown_that_is_not_confirmed(void **state)
{
    (void)state;
    nvme_attach();
    model.never_shut_down = true;
    uint64_t start = model_time();
    driver.detach();
    assert_in_range(model_time() - start, 8 * CLOCK_SECOND, 9 * CLOCK_SECOND);
    assert_true(model_log_has("does not confirm its shutdown"));
    assert_int_equal(model.csts, 0);
}

/* Nothing is waited for that will not be. */
static void a_shutdown_that_ends_readiness(void **state)
{
    (void)state;
    nvme_attach();
    model.unready_when_shut_down = true;
    uint64_t start = model_time();
    driver.detach();
    assert_in_range(model_time() - start, 0, CLOCK_SECOND / 10);
    assert_int_equal(model_log_count("does not"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NVME_TEST(error_statuses_are_told_apart),       NVME_TEST(errors_do_not_fill_the_log),
        NVME_TEST(a_range_error_of_the_device),         NVME_TEST(lies_among_completions),
        NVME_TEST(bad_heads_with_a_full_queue),         NVME_TEST(a_completion_that_is_lost),
        NVME_TEST(a_completion_with_the_old_phase),     NVME_TEST(completions_without_end),
        NVME_TEST(one_completion_of_many_that_is_lost), NVME_TEST(interrupts_that_are_lost),
        NVME_TEST(a_controller_that_dies_at_work),      NVME_TEST(shutdown_with_a_lost_command),
        NVME_TEST(a_shutdown_that_is_not_confirmed),    NVME_TEST(a_shutdown_that_ends_readiness),
    };

    return NVME_RUN(tests);
}
