/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Attaching the NVMe driver to a controller that is broken, absent or describes itself falsely.
 */
#include <errno.h>
#include <string.h>

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
    attach_fails(EIO, "does not become ready within 2500 ms (CSTS 00000002)");
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
    attach_fails(EINVAL, "register window 0 cannot be opened, of 4096 bytes");
    nvme_again();
    model.cap |= UINT64_C(15) << 32; /* DSTRD: 128 KiB */
    attach_fails(ENOTSUP, "its registers have no doorbells for an I/O queue");
    nvme_again();
    model.device.window_size[0] = 0;
    attach_fails(EINVAL, "register window 0 cannot be opened, of 0 bytes");
    nvme_again();
    model.device.identity.vectors = 0;
    attach_fails(EINVAL, "interrupt vector 0 cannot be made");
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
    /* The page, three queue pairs, two sets of PRP lists; and the shadow doorbells. */
    assert_int_equal(buffers, 9 + nvme_is_shadowed);
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
    struct test_client client;

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
    client_open(&client, "nvme0n2", false, 4096);
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 1, 0), BLOCK_STATUS_OK);
    client_close(&client);
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
    weird[0] = 17;         /* NLBAF */
    weird[1] = 1 << 5 | 1; /* FLBAS: 17 */
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
    assert_int_equal(model_log_count(line), 1);
    assert_int_equal(block_client_open("nvme0n2", false, &client), 0);
    block_client_close(client);
}

static void lists_of_namespaces_that_lie(void **state)
{
    (void)state;
    active_list_is((const uint32_t[]){2, 2, 0}, 12, "nvme0n2: ");
    active_list_is((const uint32_t[]){2, 1, 0}, 12, "nvme0n1: ");
    active_list_is((const uint32_t[]){2, 4, 0}, 12, "namespace 4 is not offered");
    active_list_is((const uint32_t[]){2, UINT32_MAX, 0}, 12, "namespace 4294967295 is not");
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
    assert_true(model_log_has("only the first 1024 namespaces are looked at"));
    assert_int_equal(block_client_open("nvme0n1024", false, &client), 0);
    block_client_close(client);
    assert_int_equal(block_client_open("nvme0n1025", false, &client), ENOENT);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };

    return NVME_RUN(tests);
}
