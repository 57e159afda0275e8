/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The NVMe driver against a controller that fails, dies or lies at work.
 */
#include <errno.h>
#include <string.h>

#include <kit/block_client_core.h>
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

static void request_times_out(enum nvme_model_fault fault)
{
    struct test_client client;

    nvme_attach();
    client_open(&client, "nvme0n1", true, 4096);
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_OK);
    model.fault = fault;
    uint64_t start = model_time();
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_TIMEOUT);
    assert_in_range(model_time() - start, 30 * CLOCK_SECOND, 36 * CLOCK_SECOND);
    assert_true(model_log_has("given up: a command was not completed within 30 s"));
    assert_int_equal(model.csts, 0);

    unsigned doorbells = model.doorbells;
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_GONE);
    assert_int_equal(model.doorbells, doorbells);
    start = model_time();
    driver.detach(); /* nothing is left to be orderly about */
    assert_true(model_time() - start < CLOCK_SECOND);
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
    assert_in_range(model_log_count("ignored"), 8, 40);
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
    for (unsigned way = 0; way < 2; way++) {
        if (way > 0)
            nvme_again();
        nvme_attach();
        client_open(&client, "nvme0n1", false, 4096);
        if (way == 0)
            model.csts |= 2;
        else
            model.gone = true;
        assert_int_equal(client_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_GONE);
        assert_true(model_log_has("given up: it reports a fatal error, or is not there"));
        driver.detach();
        client_close(&client);
    }
}

/* A client's whole batch, which goes off without waiting. */
static void submit_batch(struct test_client *client)
{
    for (unsigned i = 0; i < BLOCK_CLIENT_BATCH; i++)
        assert_int_equal(block_client_submit(client->client, BLOCK_READ, 0, 8, client->buffer, 0,
                                             client_end, NULL),
                         0);
}

static void run_until_given_up(void)
{
    for (uint64_t start = model_time(); !model_log_has("given up");) {
        assert_true(model_time() - start < 40 * CLOCK_SECOND);
        model_turn();
    }
}

/* While a controller is being stopped it may still write into a request's memory, so the request is
 * not over, and the memory stays when its client leaves. Others are turned away meanwhile. */
static void requests_end_only_when_it_has_stopped(void **state)
{
    struct test_client staying, leaving, late;

    (void)state;
    model.cap |= UINT64_C(20) << 24; /* CAP.TO: 10 s */
    model.stop_time = 8 * CLOCK_SECOND;
    nvme_attach();
    model.command_time = 37 * CLOCK_SECOND; /* data comes while it is being stopped */
    client_open(&staying, "nvme0n1", false, 4096);
    client_open(&leaving, "nvme0n1", false, 4096);
    client_open(&late, "nvme0n1", false, 4096);
    submit_batch(&staying);
    submit_batch(&leaving);
    run_until_given_up();

    uint64_t start = model_time();
    client_close(&leaving);
    assert_int_equal(client_request(&late, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_GONE);
    assert_true(model_time() - start < 10 * CLOCK_MILLISECOND);
    assert_int_equal(model.csts, 1);

    block_client_wait(staying.client, true);
    assert_in_range(model_time() - start, 8 * CLOCK_SECOND, 8100 * CLOCK_MILLISECOND);
    assert_int_equal(client_ended[BLOCK_STATUS_TIMEOUT], BLOCK_CLIENT_BATCH);
    assert_int_equal(model.namespaces[0].reads, 2 * BLOCK_CLIENT_BATCH);
    assert_int_equal(model.csts, 0);
    client_close(&staying);
    client_close(&late);
}

static void run_for_long(void *context)
{
    (void)context;
    model_run(60 * CLOCK_SECOND);
}

/* Then only the system can stop it, and does when the driver ends. */
static void a_controller_that_does_not_stop_ends_the_driver(void **state)
{
    struct test_client client;

    (void)state;
    nvme_attach();
    client_open(&client, "nvme0n1", false, 4096);
    model.never_stops = true;
    model.command_time = 100 * CLOCK_SECOND;
    submit_batch(&client);
    assert_driver_ends(run_for_long, NULL);
    client_close(&client);
    model.never_stops = false;
    driver.detach();
}

static void shutdown_with_a_lost_command(void **state)
{
    struct test_client client;

    (void)state;
    nvme_attach();
    client_open(&client, "nvme0n1", true, 4096);
    model.fault = NVME_MODEL_FAULT_LOST;
    submit_batch(&client);
    model_run(CLOCK_SECOND);
    uint64_t start = model_time();
    driver.detach();
    assert_true(model_time() - start < 10 * CLOCK_SECOND);
    assert_true(model_log_has("requests are still in flight"));
    assert_int_equal(model.csts, 0);
    block_client_wait(client.client, true);
    assert_int_equal(client_ended[BLOCK_STATUS_OK], BLOCK_CLIENT_BATCH - 1);
    assert_int_equal(client_ended[BLOCK_STATUS_GONE], 1);
    client_close(&client);
}

static void a_shutdown_that_is_not_confirmed(void **state)
{
    static const struct {
        uint32_t rtd3e; /* microseconds */
        unsigned seconds;
    } cases[] = {{0, 10}, {1, 1}, {4000000, 4}, {UINT32_MAX, 30}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (i > 0)
            nvme_again();
        model.rtd3e = cases[i].rtd3e;
        nvme_attach();
        model.never_shut_down = true;
        uint64_t start = model_time();
        driver.detach();
        assert_in_range(model_time() - start, cases[i].seconds * CLOCK_SECOND,
                        (cases[i].seconds + 1) * CLOCK_SECOND);
        assert_true(model_log_has("does not confirm its shutdown"));
        assert_int_equal(model.csts, 0);
    }
}

/* What cannot be flushed is said, and does not hold the shutdown up. */
static void a_flush_that_fails_at_shutdown(void **state)
{
    struct test_client client;

    (void)state;
    nvme_attach();
    client_open(&client, "nvme0n1", true, 4096);
    assert_int_equal(client_request(&client, BLOCK_WRITE, 0, 8, 0), BLOCK_STATUS_OK);
    model.fault = NVME_MODEL_FAULT_LOST;
    driver.detach();
    assert_true(model_log_has("namespace 1 was not flushed: "));
    assert_int_equal(model.csts, 0);
    client_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NVME_TEST(error_statuses_are_told_apart),
        NVME_TEST(errors_do_not_fill_the_log),
        NVME_TEST(a_range_error_of_the_device),
        NVME_TEST(lies_among_completions),
        NVME_TEST(bad_heads_with_a_full_queue),
        NVME_TEST(a_completion_that_is_lost),
        NVME_TEST(a_completion_with_the_old_phase),
        NVME_TEST(completions_without_end),
        NVME_TEST(interrupts_that_are_lost),
        NVME_TEST(a_controller_that_dies_at_work),
        NVME_TEST(requests_end_only_when_it_has_stopped),
        NVME_TEST(a_controller_that_does_not_stop_ends_the_driver),
        NVME_TEST(shutdown_with_a_lost_command),
        NVME_TEST(a_shutdown_that_is_not_confirmed),
        NVME_TEST(a_flush_that_fails_at_shutdown),
    };

    return NVME_RUN(tests);
}
