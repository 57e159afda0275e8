/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The NVMe driver against a controller that is broken, absent or lies.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <test/unit/nvme_fixture.h>

static void attach_fails(int error, const char *line)
{
    assert_int_equal(driver.attach(device), error);
    if (!model_log_has(line))
        fail_msg("the log does not say \"%s\"", line);
}

static void a_controller_that_never_gets_ready(void **state)
{
    (void)state;
    model.never_ready = true;
    uint64_t start = model_time();
    attach_fails(ETIMEDOUT, "does not become ready within 2500 ms");
    assert_in_range(model_time() - start, 2 * CLOCK_SECOND, 3 * CLOCK_SECOND);
}

static void a_controller_that_fails_while_enabled(void **state)
{
    (void)state;
    model.fatal_on_enable = true;
    uint64_t start = model_time();
    attach_fails(EIO, "failed while it was enabled (CSTS 00000002)");
    assert_true(model_time() - start < CLOCK_SECOND);
}

static void a_controller_that_does_not_stop(void **state)
{
    (void)state;
    model.never_stops = true;
    attach_fails(ETIMEDOUT, "does not stop within 2500 ms");
}

static void a_controller_that_is_not_there(void **state)
{
    (void)state;
    model.gone = true;
    attach_fails(ENOTSUP, "nothing answers at its registers");
}

static void a_controller_we_are_not_made_for(void **state)
{
    (void)state;
    model.cap &= ~(UINT64_C(1) << 37);
    attach_fails(ENOTSUP, "it does not have the NVM command set");
    nvme_again();
    model.cap |= UINT64_C(1) << 48; /* MPSMIN: 8 KiB */
    attach_fails(ENOTSUP, "it cannot use pages of 4 KiB");
    nvme_again();
    model.cap &= ~UINT64_C(0xffff); /* MQES: one entry, against 3.1.1 */
    attach_fails(ENOTSUP, "its queues are too short");
    nvme_again();
    model.device.window_size[0] = 0x1000;
    attach_fails(EINVAL, "register window 0 cannot be opened for 8192 bytes, it has 4096");
    nvme_again();
    model.cap |= UINT64_C(15) << 32; /* DSTRD: 128 KiB */
    attach_fails(EINVAL, "register window 0 cannot be opened for 528384 bytes, it has 16384");
    nvme_again();
    model.device.window_size[0] = 0;
    attach_fails(ENXIO, "register window 0 cannot be opened");
    nvme_again();
    model.device.identity.vectors = 0;
    attach_fails(EINVAL, "interrupt vector 0 cannot be attached");
}

static void memory_runs_out_at_every_step(void **state)
{
    unsigned buffers = 0;

    (void)state;
    for (;;) {
        model_memory_limit(buffers);
        int error = driver.attach(device);
        if (error == 0)
            break;
        assert_int_equal(error, ENOMEM);
        nvme_again();
        buffers++;
    }
    assert_int_equal(buffers, 6); /* the page, the PRP lists, two queue pairs */
}

/* Every admin command that attaching needs: failing, and never answered. */
static void admin_commands_that_go_wrong(void **state)
{
    static const struct {
        unsigned opcode;
        int failing;
    } commands[] = {{0x01, EIO}, {0x02, 0}, {0x05, EIO}, {0x06, EIO}, {0x09, EIO}};

    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        model.admin_failing = commands[i].opcode + 1;
        assert_int_equal(driver.attach(device), commands[i].failing);
        assert_true(model_log_has("failed with status 006"));
        nvme_again();
        model.admin_lost = commands[i].opcode + 1;
        attach_fails(ETIMEDOUT, "no answer");
        nvme_again();
    }
}

static void admin_completions_for_nothing(void **state)
{
    (void)state;
    model.admin_garbage = 20;
    nvme_attach();
}

static uint8_t weird[4096];
static unsigned weird_cns;
static uint32_t weird_offset;
static size_t weird_size;

static void weird_identify(struct nvme_model *unused, unsigned cns, uint32_t namespace,
                           uint8_t *page)
{
    (void)unused;
    if (cns == weird_cns && namespace <= 1)
        memcpy(page + weird_offset, weird, weird_size);
}

/* One of two namespaces is described in a way that cannot be used: it is left out with a line in
 * the log, the other one works. */
static void namespace_is_left_out(uint32_t offset, const void *bytes, size_t size, const char *why)
{
    struct nvme_client client;

    nvme_again();
    nvme_model_namespaces(&model, 2, 64, 9);
    weird_cns = 0;
    weird_offset = offset;
    weird_size = size;
    memcpy(weird, bytes, size);
    model.identify = weird_identify;
    nvme_attach();
    if (!model_log_has(why))
        fail_msg("the log does not say \"%s\"", why);
    assert_int_equal(block_client_open("nvme0n1", false, &client.client), ENOENT);
    nvme_open(&client, "nvme0n2", false, 4096);
    assert_int_equal(nvme_request(&client, BLOCK_READ, 0, 1, 0), BLOCK_STATUS_OK);
    nvme_close(&client);
}

static void namespaces_that_cannot_be(void **state)
{
    (void)state;
    namespace_is_left_out(132, "\x08\x00", 2, "namespace 1 is not offered: its blocks carry");
    namespace_is_left_out(29, "\x01", 1, "namespace 1 is not offered: it uses end-to-end");
    namespace_is_left_out(134, "\x00", 1, "its blocks are not of 512 to 4096 bytes");
    namespace_is_left_out(134, "\x08", 1, "its blocks are not of 512 to 4096 bytes");
    namespace_is_left_out(134, "\x0d", 1, "its blocks are not of 512 to 4096 bytes");
    namespace_is_left_out(134, "\xff", 1, "its blocks are not of 512 to 4096 bytes");
    namespace_is_left_out(26, "\x02", 1, "a way that it does not list");
    namespace_is_left_out(0, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "its size cannot be");
    namespace_is_left_out(7, "\x80", 1, "its size cannot be");
}

/* 2.0: more than 16 formats, the upper bits of the number elsewhere. */
static void formats_above_sixteen(void **state)
{
    struct block_client *client;

    (void)state;
    weird_cns = 0;
    weird_offset = 25;
    weird_size = 128 + 4 * 18 - 25;
    memset(weird, 0, sizeof(weird));
    weird[0] = 17;             /* NLBAF */
    weird[1] = 1 << 5 | 1;     /* FLBAS: 17 */
    weird[128 + 4 * 17 + 2 - 25] = 12;
    model.identify = weird_identify;
    nvme_attach();
    assert_int_equal(block_client_open("nvme0n1", false, &client), 0);
    assert_int_equal(block_client_info(client)->block_size, 4096);
    block_client_close(client);
}

static void active_list_is(const uint32_t *list, size_t size, const char *line)
{
    struct block_client *client;

    nvme_again();
    nvme_model_namespaces(&model, 3, 64, 9);
    weird_cns = 2;
    weird_offset = 0;
    weird_size = size;
    memcpy(weird, list, size);
    model.identify = weird_identify;
    nvme_attach();
    assert_true(model_log_has(line));
    assert_int_equal(block_client_open("nvme0n2", false, &client), 0);
    block_client_close(client);
}

static void lists_of_namespaces_that_lie(void **state)
{
    (void)state;
    active_list_is((const uint32_t[]){2, 2, 0}, 12, "goes wrong at 2 after 2");
    active_list_is((const uint32_t[]){2, 1, 0}, 12, "goes wrong at 1 after 2");
    active_list_is((const uint32_t[]){2, 4, 0}, 12, "goes wrong at 4 after 2");
    active_list_is((const uint32_t[]){2, UINT32_MAX, 0}, 12, "goes wrong at 4294967295 after 2");
}

static void a_controller_with_nothing_to_offer(void **state)
{
    (void)state;
    nvme_model_namespaces(&model, 0, 0, 9);
    nvme_attach();
    assert_true(model_log_has("nvme0 has no namespace that can be used"));
    driver.detach();
    assert_true(model.shut_down_in_order);
}

static void too_many_namespaces_cost_no_more(void **state)
{
    struct block_client *client;

    (void)state;
    nvme_model_namespaces(&model, 5000, 64, 9);
    nvme_attach();
    assert_true(model_log_has("only the first 2048 namespaces are looked at"));
    assert_int_equal(block_client_open("nvme0n2048", false, &client), 0);
    block_client_close(client);
    assert_int_equal(block_client_open("nvme0n2049", false, &client), ENOENT);

    /* Without a list, and with a number of namespaces made up. */
    nvme_again();
    model.version = 0x00010000;
    weird_cns = 1;
    weird_offset = 516;
    weird_size = 4;
    memset(weird, 0xff, 4);
    model.identify = weird_identify;
    nvme_attach();
    assert_true(model_log_has("only the first 2048"));
}

static void strings_with_no_text(void **state)
{
    struct block_client *client;

    (void)state;
    weird_cns = 1;
    weird_offset = 4;
    weird_size = 60;
    memset(weird, 0x1b, 60);
    model.identify = weird_identify;
    nvme_attach();
    assert_int_equal(block_client_open("nvme0n1", false, &client), 0);
    assert_string_equal(block_client_info(client)->serial, "????????????????????");
    assert_int_equal(strlen(block_client_info(client)->model), 40);
    block_client_close(client);
}

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
    struct nvme_client client;

    (void)state;
    nvme_attach();
    nvme_open(&client, "nvme0n1", true, 4096);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        model.io_status = cases[i].status;
        assert_int_equal(nvme_request(&client, BLOCK_WRITE, 9, 1, 0), cases[i].expected);
        assert_int_equal(nvme_request(&client, BLOCK_READ, 9, 1, 0), cases[i].expected);
        model.io_status = 0;
        assert_int_equal(nvme_request(&client, BLOCK_READ, 9, 1, 0), BLOCK_STATUS_OK);
    }
    assert_true(model_log_has("write of 1 blocks at 9 failed with status 020"));
    nvme_close(&client);
}

static void errors_do_not_fill_the_log(void **state)
{
    struct nvme_client client;

    (void)state;
    nvme_attach();
    nvme_open(&client, "nvme0n1", true, 4096);
    model.io_status = 0x281;
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(nvme_request(&client, BLOCK_READ, 9, 1, 0), BLOCK_STATUS_MEDIUM);
    assert_in_range(model_log_count("failed with status 281"), 8, 20);
    nvme_close(&client);
}

/* The device shrank behind our back. */
static void a_range_error_of_the_device(void **state)
{
    struct nvme_client client;

    (void)state;
    nvme_attach();
    nvme_open(&client, "nvme0n1", false, 4096);
    model.namespaces[0].blocks = 100;
    assert_int_equal(nvme_request(&client, BLOCK_READ, 100, 1, 0), BLOCK_STATUS_RANGE);
    assert_int_equal(nvme_request(&client, BLOCK_READ, 93, 8, 0), BLOCK_STATUS_RANGE);
    assert_int_equal(nvme_request(&client, BLOCK_READ, 92, 8, 0), BLOCK_STATUS_OK);
    assert_int_equal(nvme_request(&client, BLOCK_READ, 16384, 1, 0), BLOCK_STATUS_RANGE);
    nvme_close(&client);
}

/* A lie beside the truth: the truth is believed, the lie is logged and changes nothing. */
static void lies_among_completions(void **state)
{
    static const enum nvme_model_fault faults[] = {
        NVME_MODEL_FAULT_DUPLICATE, NVME_MODEL_FAULT_WRONG_ID, NVME_MODEL_FAULT_HUGE_ID,
        NVME_MODEL_FAULT_WRONG_QUEUE, NVME_MODEL_FAULT_BAD_HEAD};
    struct nvme_client client;

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (i > 0)
            nvme_again();
        nvme_attach();
        nvme_pattern(model.namespaces[0].disk, 4096, 1);
        nvme_open(&client, "nvme0n1", false, 4096);
        for (unsigned request = 1; request <= 600; request++) {
            if (request % 50 == 0)
                model.fault = faults[i];
            memset(client.memory, 0, 4096);
            assert_int_equal(nvme_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_OK);
            assert_memory_equal(client.memory, model.namespaces[0].disk, 4096);
        }
        model_run(CLOCK_SECOND);
        assert_int_equal(model_log_count("which is not in flight: ignored"),
                         faults[i] == NVME_MODEL_FAULT_BAD_HEAD ? 0 : 8);
        nvme_close(&client);
    }
}

static void bad_heads_with_a_full_queue(void **state)
{
    struct nvme_client client;

    (void)state;
    nvme_attach();
    nvme_open(&client, "nvme0n1", false, 4096);
    for (unsigned request = 0; request < 2000; request++) {
        model.fault = NVME_MODEL_FAULT_BAD_HEAD;
        while (block_client_submit(client.client, BLOCK_READ, 0, 1, client.buffer, 0, nvme_end,
                                   NULL) == EAGAIN)
            block_client_wait(client.client, false);
    }
    block_client_wait(client.client, true);
    assert_int_equal(nvme_ended[BLOCK_STATUS_OK], 2000);
    nvme_close(&client);
}

static void request_times_out(enum nvme_model_fault fault)
{
    struct nvme_client client;

    nvme_attach();
    nvme_open(&client, "nvme0n1", true, 4096);
    assert_int_equal(nvme_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_OK);
    model.fault = fault;
    uint64_t start = model_time();
    assert_int_equal(nvme_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_TIMEOUT);
    assert_in_range(model_time() - start, 30 * CLOCK_SECOND, 36 * CLOCK_SECOND);
    assert_true(model_log_has("given up: a command was not completed within 30 s"));
    assert_int_equal(model.csts, 0);

    unsigned doorbells = model.doorbells;
    assert_int_equal(nvme_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_GONE);
    assert_int_equal(model.doorbells, doorbells);
    start = model_time();
    driver.detach(); /* nothing is left to be orderly about */
    assert_true(model_time() - start < CLOCK_SECOND);
    nvme_close(&client);
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
    struct nvme_client client;

    (void)state;
    nvme_attach();
    nvme_open(&client, "nvme0n1", false, 4096);
    model.no_interrupts = true;
    uint64_t start = model_time();
    assert_int_equal(nvme_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_OK);
    assert_true(model_time() - start < 6 * CLOCK_SECOND);
    nvme_close(&client);
}

static void a_controller_that_dies_at_work(void **state)
{
    struct nvme_client client;

    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        if (way > 0)
            nvme_again();
        nvme_attach();
        nvme_open(&client, "nvme0n1", false, 4096);
        if (way == 0)
            model.csts |= 2;
        else
            model.gone = true;
        assert_int_equal(nvme_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_GONE);
        assert_true(model_log_has("given up: it reports a fatal error, or is not there"));
        driver.detach();
        nvme_close(&client);
    }
}

/* While a controller is being stopped it may still write into a request's memory, so the request is
 * not over; others are turned away meanwhile, and the loop goes on. */

int main(void)
{
    const struct CMUnitTest tests[] = {
#define NVME_TEST(name) cmocka_unit_test_setup_teardown(name, nvme_setup, nvme_teardown)
        NVME_TEST(a_controller_that_never_gets_ready),
        NVME_TEST(a_controller_that_fails_while_enabled),
        NVME_TEST(a_controller_that_does_not_stop),
        NVME_TEST(a_controller_that_is_not_there),
        NVME_TEST(a_controller_we_are_not_made_for),
        NVME_TEST(memory_runs_out_at_every_step),
        NVME_TEST(admin_commands_that_go_wrong),
        NVME_TEST(admin_completions_for_nothing),
        NVME_TEST(namespaces_that_cannot_be),
        NVME_TEST(formats_above_sixteen),
        NVME_TEST(lists_of_namespaces_that_lie),
        NVME_TEST(a_controller_with_nothing_to_offer),
        NVME_TEST(too_many_namespaces_cost_no_more),
        NVME_TEST(strings_with_no_text),
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
    };

    return cmocka_run_group_tests_name("nvme faults", tests, NULL, NULL);
}
