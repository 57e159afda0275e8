/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The NVMe driver against a controller that keeps the rules: data, limits, order, shutdown.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <test/unit/client_fixture.h>
#include <test/unit/nvme_fixture.h>

static void attach_describes_the_disk(void **state)
{
    struct block_client *client;

    (void)state;
    nvme_attach();
    assert_int_equal(block_client_open("nvme0n1", true, &client), 0);
    const struct block_info *info = block_client_info(client);
    assert_int_equal(info->blocks, 16384);
    assert_int_equal(info->block_size, 512);
    assert_int_equal(info->max_transfer, 512 * 1024);
    assert_int_equal(info->flags, BLOCK_INFO_VOLATILE_CACHE | BLOCK_INFO_DISCARD |
                                      BLOCK_INFO_WRITE_ZEROES | BLOCK_INFO_SCATTER);
    assert_string_equal(info->serial, "MODEL-0001");
    assert_string_equal(info->model, "Outboard model NVMe controller");
    block_client_close(client);
    assert_int_equal(block_client_open("nvme0n2", false, &client), ENOENT);
}

static void attach_whatever_the_firmware_left(void **state)
{
    (void)state;
    model.cc = 0;
    model.csts = 0;
    nvme_attach();

    /* Being enabled as we come: it is waited for before it is stopped (3.1.5). */
    nvme_again();
    model.csts = 0;
    model.transition = model_time() + CLOCK_SECOND;
    nvme_attach();
}

static void attach_waits_as_long_as_the_controller_says(void **state)
{
    (void)state;
    model.enable_time = 1990 * CLOCK_MILLISECOND; /* CAP.TO is 2 s */
    uint64_t start = model_time();
    nvme_attach();
    assert_true(model_time() - start >= model.enable_time);
}

static void transfer_limit_follows_mdts(void **state)
{
    static const struct {
        uint8_t mdts;
        uint32_t bytes;
    } cases[] = {
        {0, 2 << 20}, {1, 8192},     {5, 128 << 10}, {8, 1 << 20},
        {9, 2 << 20}, {10, 2 << 20}, {31, 2 << 20},  {255, 2 << 20},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct block_client *client;
        if (i > 0)
            nvme_again();
        model.mdts = cases[i].mdts;
        nvme_attach();
        assert_int_equal(block_client_open("nvme0n1", false, &client), 0);
        assert_int_equal(block_client_info(client)->max_transfer, cases[i].bytes);
        block_client_close(client);
    }
    (void)state;
}

static void check_all_transfers(unsigned shift)
{
    static const uint64_t offsets[] = {0, 4, 512, 2048, 3584, 4092, 4096, 4100};
    const struct nvme_model_namespace *namespace = &model.namespaces[0];
    uint32_t most = (2u << 20) >> shift;
    const uint32_t counts[] = {1,
                               2,
                               (4096u >> shift) + 1,
                               (8192u >> shift),
                               (8192u >> shift) + 1,
                               (12288u >> shift) - (shift < 12),
                               most - 1,
                               most};
    struct test_client client;

    client_open(&client, "nvme0n1", true, (2 << 20) + 8192);
    assert_int_equal(block_client_info(client.client)->block_size, 1 << shift);
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        for (size_t j = 0; j < sizeof(counts) / sizeof(counts[0]); j++) {
            client_check_transfer(&client, namespace->disk, 3, counts[j], offsets[i]);
            client_check_transfer(&client, namespace->disk, namespace->blocks - counts[j],
                                  counts[j], offsets[i]);
        }
    }
    assert_int_equal(model.longest_transfer, 2 << 20);
    client_close(&client);
}

static void every_shape_of_prp_512(void **state)
{
    (void)state;
    model.mdts = 0;
    nvme_attach();
    check_all_transfers(9);
}

static void every_shape_of_prp_4096(void **state)
{
    (void)state;
    nvme_model_destroy(&model);
    nvme_model_init(&model, 2048, 12);
    model.mdts = 0;
    nvme_attach();
    check_all_transfers(12);
}

static void long_transfers_are_split_by_the_client(void **state)
{
    struct test_client client;
    size_t size = 3 << 20;
    uint8_t *expected = malloc(size);

    (void)state;
    assert_non_null(expected);
    nvme_attach();
    client_open(&client, "nvme0n1", true, size);
    client_pattern(client.memory, size, 7);
    memcpy(expected, client.memory, size);
    assert_int_equal(
        block_client_transfer(client.client, BLOCK_WRITE, 77, size / 512, client.buffer, 0), 0);
    assert_memory_equal(model.namespaces[0].disk + 77 * 512, expected, size);
    memset(client.memory, 0, size);
    assert_int_equal(
        block_client_transfer(client.client, BLOCK_READ, 77, size / 512, client.buffer, 0), 0);
    assert_memory_equal(client.memory, expected, size);
    assert_int_equal(model.longest_transfer, 512 * 1024);
    free(expected);
    client_close(&client);
}

/* 4.4: by an SGL. */
static void scattered_data_is_one_command(void **state)
{
    struct test_client client;

    (void)state;
    model.mdts = 8;
    nvme_attach();
    client_open(&client, "nvme0n1", true, (1 << 20) + 65536);
    client_check_parts(&client, model.namespaces[0].disk, 3);
    assert_int_equal(model.commands, 2 * CLIENT_SCATTERINGS);
    assert_int_equal(model.sgl_commands, 2 * (CLIENT_SCATTERINGS - 1)); /* one is in one piece */
    assert_int_equal(model.longest_transfer, 1 << 20);
    /* What a slot of the queue held before is not taken for the next command's. */
    assert_int_equal(client_request(&client, BLOCK_FLUSH, 0, 0, 0), BLOCK_STATUS_OK);
    client_submit_reads(&client, 200);
    block_client_wait(client.client, true);
    client_submit_reads(&client, 200);
    block_client_wait(client.client, true);
    assert_int_equal(client_ended[BLOCK_STATUS_OK], 400);
    assert_int_equal(model.sgl_commands, 2 * (CLIENT_SCATTERINGS - 1)); /* one is in one piece */
    client_close(&client);
}

/* The smallest transfers need no longer list than an SGL does. */
static void scattered_data_in_short_commands(void **state)
{
    static const struct {
        uint32_t blocks;
        uint64_t offset;
    } shape[] = {{1, 4}, {2, 0x3000}, {1, 0x2200}, {3, 0x1004}, {9, 0x4000}};
    struct block_client_part parts[BLOCK_PARTS];
    struct test_client client;

    model.mdts = 1;
    nvme_attach();
    client_open(&client, "nvme0n1", true, 65536);
    client_pattern(model.namespaces[0].disk, 65536, 5);
    for (unsigned i = 0; i < BLOCK_PARTS; i++)
        parts[i] = (struct block_client_part){client.buffer, shape[i].blocks, shape[i].offset};
    assert_int_equal(client_request_parts(&client, BLOCK_READ, 1, parts, BLOCK_PARTS),
                     BLOCK_STATUS_OK);
    const uint8_t *disk = model.namespaces[0].disk + 512;
    for (unsigned i = 0; i < BLOCK_PARTS; disk += shape[i++].blocks * 512)
        assert_memory_equal(client.memory + shape[i].offset, disk, shape[i].blocks * 512);
    client_close(&client);
    (void)state;
}

/* A controller without SGLs takes whole pages, and the class asks no more of it. */
static void scattered_data_without_sgls(void **state)
{
    struct test_client client;

    (void)state;
    for (unsigned sgls = 0; sgls < 4; sgls += 3) { /* 3 is reserved */
        if (sgls > 0)
            nvme_again();
        model.sgls = sgls;
        nvme_attach();
        client_open(&client, "nvme0n1", true, 65536);
        assert_int_equal(block_client_info(client.client)->flags & 0xff,
                         BLOCK_INFO_VOLATILE_CACHE | BLOCK_INFO_DISCARD | BLOCK_INFO_WRITE_ZEROES |
                             BLOCK_INFO_SCATTER | BLOCK_INFO_SCATTER_PAGES);
        struct block_client_part parts[] = {
            {client.buffer, 2, 0xc00}, {client.buffer, 8, 0x3000}, {client.buffer, 9, 0x5000}};
        client_pattern(model.namespaces[0].disk, 65536, 9);
        assert_int_equal(client_request_parts(&client, BLOCK_READ, 0, parts, 3), BLOCK_STATUS_OK);
        assert_memory_equal(client.memory + 0xc00, model.namespaces[0].disk, 1024);
        assert_memory_equal(client.memory + 0x3000, model.namespaces[0].disk + 1024, 4096);
        assert_memory_equal(client.memory + 0x5000, model.namespaces[0].disk + 5120, 9 * 512);
        parts[2].offset += 512;
        assert_int_equal(client_request_parts(&client, BLOCK_READ, 0, parts, 3),
                         BLOCK_STATUS_INVALID);
        parts[2].offset -= 512;
        parts[1].blocks = 7;
        assert_int_equal(client_request_parts(&client, BLOCK_READ, 0, parts, 3),
                         BLOCK_STATUS_INVALID);
        assert_int_equal(model.sgl_commands, 0);
        assert_int_equal(model.commands, 1);
        client_close(&client);
    }
}

static void a_batch_rings_the_doorbell_once(void **state)
{
    struct test_client client;

    (void)state;
    nvme_attach();
    client_open(&client, "nvme0n1", false, 1 << 20);
    unsigned before = model.doorbells;
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(block_client_submit(client.client, BLOCK_READ, i, 1, client.buffer,
                                             UINT64_C(512) * i, client_end, NULL),
                         0);
    block_client_wait(client.client, true);
    assert_int_equal(client_ended[BLOCK_STATUS_OK], 32);
    assert_int_equal(model.doorbells - before, 1);
    client_close(&client);
}

/* More requests than the device's queue holds, from two clients, completed in another order. */
static void run_full(unsigned rounds)
{
    struct test_client clients[2];
    unsigned submitted = 0;

    for (unsigned i = 0; i < 2; i++)
        client_open(&clients[i], "nvme0n1", false, 1 << 20);
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < 2; i++) {
            for (unsigned slot = 0; slot < BLOCK_SLOTS; slot++)
                submitted += block_client_submit(clients[i].client, BLOCK_READ, slot * 64 + i, 2,
                                                 clients[i].buffer, UINT64_C(1024) * slot,
                                                 client_end, NULL) == 0;
        }
        for (unsigned i = 0; i < 2; i++)
            block_client_wait(clients[i].client, true);
    }
    assert_int_equal(submitted, 2 * BLOCK_SLOTS * rounds);
    assert_int_equal(client_ended[BLOCK_STATUS_OK], submitted);
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned slot = 0; slot < BLOCK_SLOTS; slot++)
            assert_memory_equal(clients[i].memory + 1024 * slot,
                                model.namespaces[0].disk + 512 * (slot * 64 + i), 1024);
        client_close(&clients[i]);
    }
}

static void a_full_queue_loses_nothing(void **state)
{
    (void)state;
    client_pattern(model.namespaces[0].disk, 16384 * 512, 3);
    model.reversed = true;
    model.command_time = 2 * CLOCK_MILLISECOND;
    nvme_attach();
    run_full(8);
    assert_int_equal(model.most_in_flight, 255);
}

static void the_shortest_queue_works(void **state)
{
    (void)state;
    client_pattern(model.namespaces[0].disk, 16384 * 512, 4);
    model.cap = (model.cap & ~UINT64_C(0xffff)) | 1; /* MQES: two entries */
    nvme_attach();
    run_full(1);
    assert_int_equal(model.most_in_flight, 1);
}

static void doorbells_may_lie_apart(void **state)
{
    struct test_client client;

    (void)state;
    model.cap |= UINT64_C(11) << 32; /* DSTRD: 8 KiB */
    model.device.window_size[0] = 0x10000;
    nvme_attach();
    client_open(&client, "nvme0n1", true, 4096);
    client_check_transfer(&client, model.namespaces[0].disk, 5, 8, 0);
    client_close(&client);
}

/* Several namespaces share the device's queue: one that keeps it full does not starve another. */
static void check_starvation(const char *busy_name, const char *other_name)
{
    struct test_client busy[4], other;

    nvme_model_namespaces(&model, 2, 4096, 9);
    model.command_time = 2 * CLOCK_MILLISECOND;
    nvme_attach();
    client_open(&other, other_name, false, 4096);
    for (unsigned i = 0; i < 4; i++) {
        client_open(&busy[i], busy_name, false, 4096);
        for (unsigned slot = 0; slot < BLOCK_SLOTS; slot++)
            assert_int_equal(block_client_submit(busy[i].client, BLOCK_READ, slot, 1,
                                                 busy[i].buffer, 0, client_end, NULL),
                             0);
    }
    model_turn(); /* the queue is full */
    uint64_t start = model_time();
    assert_int_equal(client_request(&other, BLOCK_READ, 0, 1, 0), BLOCK_STATUS_OK);
    assert_in_range(model_time() - start, 0, 6 * CLOCK_MILLISECOND);
    for (unsigned i = 0; i < 4; i++) {
        block_client_wait(busy[i].client, true);
        client_close(&busy[i]);
    }
    assert_int_equal(client_ended[BLOCK_STATUS_OK], 4 * BLOCK_SLOTS);
    client_close(&other);
}

static void a_busy_namespace_starves_no_other(void **state)
{
    (void)state;
    check_starvation("nvme0n1", "nvme0n2");
    nvme_again();
    check_starvation("nvme0n2", "nvme0n1");
}

static void flush_goes_to_the_namespace(void **state)
{
    struct test_client client;

    (void)state;
    nvme_model_namespaces(&model, 2, 64, 9);
    nvme_attach();
    client_open(&client, "nvme0n2", true, 4096);
    assert_int_equal(client_request(&client, BLOCK_WRITE, 0, 1, 0), BLOCK_STATUS_OK);
    assert_int_equal(model.namespaces[1].unflushed, 1);
    assert_int_equal(client_request(&client, BLOCK_FLUSH, 0, 0, 0), BLOCK_STATUS_OK);
    assert_int_equal(model.namespaces[1].unflushed, 0);
    assert_int_equal(model.namespaces[0].flushes, 0);
    client_close(&client);
}

static void flush_without_a_cache_is_done_at_once(void **state)
{
    struct test_client client;

    (void)state;
    model.volatile_cache = false;
    nvme_attach();
    client_open(&client, "nvme0n1", true, 4096);
    assert_int_equal(block_client_info(client.client)->flags & BLOCK_INFO_VOLATILE_CACHE, 0);
    assert_int_equal(client_request(&client, BLOCK_FLUSH, 0, 0, 0), BLOCK_STATUS_OK);
    assert_int_equal(model.commands, 0);
    client_close(&client);
    driver.detach();
    assert_int_equal(model.namespaces[0].flushes, 0);
}

static void namespaces_are_found_and_sparse(void **state)
{
    struct block_client *client;

    (void)state;
    nvme_model_namespaces(&model, 4, 64, 12);
    model.namespaces[0].active = model.namespaces[2].active = false;
    nvme_attach();
    assert_int_equal(block_client_open("nvme0n1", false, &client), ENOENT);
    assert_int_equal(block_client_open("nvme0n3", false, &client), ENOENT);
    for (unsigned i = 2; i <= 4; i += 2) {
        char name[16];
        snprintf(name, sizeof(name), "nvme0n%u", i);
        assert_int_equal(block_client_open(name, true, &client), 0);
        assert_int_equal(block_client_info(client)->block_size, 4096);
        block_client_close(client);
    }
}

static void a_protected_namespace_is_read_only(void **state)
{
    struct test_client client;

    (void)state;
    nvme_model_namespaces(&model, 2, 64, 9);
    model.namespaces[0].write_protected = true;
    nvme_attach();
    assert_int_equal(block_client_open("nvme0n1", true, &client.client), EROFS);
    client_open(&client, "nvme0n1", false, 4096);
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_OK);
    assert_int_equal(client_request(&client, BLOCK_WRITE, 0, 8, 0), BLOCK_STATUS_READ_ONLY);
    client_close(&client);
    client_open(&client, "nvme0n2", true, 4096);
    client_close(&client);

    nvme_again();
    model.media_read_only = true;
    nvme_attach();
    assert_int_equal(block_client_open("nvme0n1", true, &client.client), EROFS);
}

static void shutdown_is_in_order(void **state)
{
    struct test_client client;

    (void)state;
    nvme_attach();
    client_open(&client, "nvme0n1", true, 1 << 20);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(block_client_submit(client.client, BLOCK_WRITE, i, 1, client.buffer, 0,
                                             client_end, NULL),
                         0);
    block_client_wait(client.client, false); /* the rest is in flight */
    assert_true(client_ended[BLOCK_STATUS_OK] > 0);
    driver.detach();
    block_client_wait(client.client, true);
    assert_int_equal(client_ended[BLOCK_STATUS_OK], 100);
    assert_true(model.shut_down_in_order);
    assert_int_equal(model.cc & 1, 0);
    assert_int_equal(model.csts, 0);

    /* Nothing reaches the controller any more: it is for the next driver. */
    unsigned doorbells = model.doorbells;
    client_submit_reads(&client, BLOCK_CLIENT_BATCH);
    model_run(CLOCK_SECOND);
    assert_int_equal(client_ended[BLOCK_STATUS_OK], 100);
    assert_int_equal(model.doorbells, doorbells);
    client_close(&client);
}

static void an_idle_driver_sets_no_timer(void **state)
{
    struct test_client client;

    (void)state;
    nvme_attach();
    assert_false(model_timer_is_set());
    client_open(&client, "nvme0n1", false, 4096);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(client_request(&client, BLOCK_READ, 0, 1, 0), BLOCK_STATUS_OK);
        assert_true(model_timer_is_set());
        model_run(6 * CLOCK_SECOND);
        assert_false(model_timer_is_set());
    }
    client_close(&client);
}

static void blocks_are_zeroed_and_discarded(void **state)
{
    struct test_client client;

    (void)state;
    nvme_attach();
    client_open(&client, "nvme0n1", true, 65536);
    assert_int_equal(block_client_info(client.client)->flags &
                         (BLOCK_INFO_DISCARD | BLOCK_INFO_WRITE_ZEROES),
                     BLOCK_INFO_DISCARD | BLOCK_INFO_WRITE_ZEROES);
    memset(client.memory, 0xaa, 64 * 512);
    assert_int_equal(client_request(&client, BLOCK_WRITE, 100, 64, 0), BLOCK_STATUS_OK);
    client.buffer = 0;
    assert_int_equal(block_client_transfer(client.client, BLOCK_WRITE_ZEROES, 110, 10, 0, 0), 0);
    assert_int_equal(block_client_transfer(client.client, BLOCK_DISCARD, 140, 5, 0, 0), 0);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(model.namespaces[0].disk[(100 + i) * 512],
                         (i >= 10 && i < 20) || (i >= 40 && i < 45) ? 0 : 0xaa);
    assert_int_equal(block_client_transfer(client.client, BLOCK_DISCARD, 16380, 5, 0, 0), ERANGE);
    assert_int_equal(block_client_transfer(client.client, BLOCK_WRITE_ZEROES, 0, 16384, 0, 0), 0);
    assert_int_equal(model.namespaces[0].disk[16383 * 512], 0);
    client_close(&client);
}

static void interrupts_are_moderated_as_the_operator_says(void **state)
{
    (void)state;
    nvme_attach();
    assert_int_equal(model.gathering, 0);

    nvme_again();
    model.can_gather = true;
    model_settings("poll-from=0 gather=8 gather-us=250");
    nvme_attach();
    assert_int_equal(model.gathering, 3 << 8 | 7); /* 5.21.1.8: in 100 us, rounded up; from zero */

    /* One that cannot, and one that is not asked for what can be: they work without. */
    nvme_again();
    model_settings("gather=8");
    nvme_attach();
    assert_true(model_log_has("not gathered: Input/output error"));
    nvme_again();
    model.can_gather = true;
    model_settings("gather=257");
    nvme_attach();
    assert_int_equal(model.gathering, 0);
    assert_true(model_log_has("not gathered: Invalid argument"));
}

/* Two lanes of two queue pairs are what five I/O queues are enough for. */
static void each_client_has_queues_and_a_vector(void **state)
{
    struct test_client client[3];

    (void)state;
    model.device.identity.vectors = 8;
    nvme_attach();
    assert_false(model.submission[3].exists);
    for (unsigned i = 0; i < 3; i++) {
        client_open(&client[i], "nvme0n1", true, 65536);
        assert_int_equal(client_request(&client[i], BLOCK_WRITE, 100, 1, 0), BLOCK_STATUS_OK);
    }
    assert_int_equal(model.queue_commands[1], 2);
    assert_int_equal(model.queue_commands[3], 1);
    assert_int_equal(model.completion[1].vector, 0);
    assert_int_equal(model.completion[3].vector, 1);
    assert_true(model.completion[3].interrupts && !model.completion[4].interrupts);

    /* The number of one that has gone is the next one's. */
    client_close(&client[1]);
    client_open(&client[1], "nvme0n1", true, 65536);
    assert_int_equal(client_request(&client[1], BLOCK_FLUSH, 0, 0, 0), BLOCK_STATUS_OK);
    assert_int_equal(model.queue_commands[3], 2);
    for (unsigned i = 0; i < 3; i++)
        client_close(&client[i]);
    driver.detach();
    assert_true(model.shut_down_in_order);
}

/* The first request of the second client finds that it cannot have queues of its own, while the
 * first client's are under way: it shares them, as all that come do, and nothing is lost. */
static void no_further_queues(void **state)
{
    static const uint8_t opcodes[] = {5, 1}; /* 5.3, 5.4: a completion queue, or one for commands */
    struct test_client client[3];

    (void)state;
    for (unsigned failing = 0; failing < 4; failing++) {
        unsigned fails_at = failing / 2; /* in the first of the lane's pairs, or the second */
        nvme_again();
        model.device.identity.vectors = 8;
        model.command_time = CLOCK_MILLISECOND;
        nvme_attach();
        for (unsigned i = 0; i < 3; i++)
            client_open(&client[i], "nvme0n1", true, 65536);
        memset(client_ended, 0, sizeof(client_ended));
        client_submit_reads(&client[0], 100);
        block_client_poll(client[0].client);
        model_run(CLOCK_MILLISECOND / 4);
        model.admin_failing = opcodes[failing % 2] + 1u;
        model.admin_spared = fails_at;
        for (unsigned i = 1; i < 3; i++) {
            block_client_flags(client[i].client, i == 1 ? BLOCK_POLLED : BLOCK_INTERRUPT);
            client_submit_reads(&client[i], 50);
            block_client_poll(client[i].client);
        }
        model_run(CLOCK_MILLISECOND);
        assert_int_equal(model_log_count("clients share 2 queues from now on"), 1);
        model.admin_failing = 0;
        for (unsigned i = 0; i < 3; i++)
            block_client_wait(client[i].client, true);
        assert_int_equal(client_ended[BLOCK_STATUS_OK], 200);
        assert_int_equal(model.queue_commands[3] + model.queue_commands[4], 0);
        for (unsigned i = 0; i < 3; i++)
            client_close(&client[i]);
        driver.detach();
    }
}

/* 5.2: namespaces that go, come, grow, and change their blocks while the driver runs. */
static void namespaces_that_change(void **state)
{
    struct test_client client, others[2];
    struct block_client *none;

    (void)state;
    nvme_model_namespaces(&model, 3, 1000, 9);
    model.namespaces[2].active = false;
    model.tells_of_namespaces = true;
    nvme_attach();
    assert_int_equal(model.events, 0x11f);
    model_run(10 * CLOCK_MILLISECOND);
    client_open(&client, "nvme0n1", true, 65536);
    client_open(&others[0], "nvme0n2", true, 65536);
    assert_int_equal(block_client_open("nvme0n3", false, &none), ENOENT);

    model.namespaces[0].blocks = 2000;
    model.namespaces[1].active = false;
    model.namespaces[2].active = true;
    nvme_model_event(&model, 2, 0, 4);
    model_run(CLOCK_SECOND);
    assert_true(model_log_has("namespace 1 has now 2000 blocks, 1000 before"));
    assert_int_equal(block_client_open("nvme0n2", false, &none), ENOENT);
    client_open(&others[1], "nvme0n3", true, 65536);
    assert_int_equal(client_request(&others[1], BLOCK_READ, 999, 1, 0), BLOCK_STATUS_OK);
    assert_int_equal(client_request(&client, BLOCK_READ, 999, 1, 0), BLOCK_STATUS_OK);
    assert_int_equal(block_client_info(client.client)->blocks, 1000);
    assert_int_equal(client_request(&others[0], BLOCK_READ, 0, 1, 0), BLOCK_STATUS_GONE);
    client_close(&others[0]);
    client_open(&others[0], "nvme0n1", true, 65536);
    assert_int_equal(client_request(&others[0], BLOCK_READ, 1999, 1, 0), BLOCK_STATUS_OK);

    model.namespaces[1].active = true;
    model.namespaces[2].shift = 12;
    nvme_model_event(&model, 2, 0, 4);
    model_run(CLOCK_SECOND);
    assert_int_equal(block_client_open("nvme0n2", false, &none), 0);
    block_client_close(none);
    assert_int_equal(block_client_open("nvme0n3", false, &none), 0);
    assert_int_equal(block_client_info(none)->block_size, 4096);
    block_client_close(none);
    assert_int_equal(client_request(&others[1], BLOCK_READ, 0, 1, 0), BLOCK_STATUS_GONE);
    assert_int_equal(model.logs, 3); /* the first is for its health at the start */
    driver.detach();
    assert_true(model.shut_down_in_order);
    client_close(&client);
    client_close(&others[0]);
    client_close(&others[1]);
}

/* Those of health, of nothing that is known, and more of them than anybody wants to read. */
static void events_without_end(void **state)
{
    struct test_client client;

    (void)state;
    nvme_attach();
    assert_int_equal(model.events, 0x1f);
    model_run(10 * CLOCK_MILLISECOND);
    model.media_read_only = true;
    nvme_model_event(&model, 1, 0, 2);
    model_run(CLOCK_SECOND);
    assert_true(model_log_has("the controller tells of event 020001; if of its health (1): 08"));
    nvme_model_event(&model, 6, 9, 2);
    model_run(CLOCK_SECOND);
    assert_true(model_log_has("event 020906"));
    unsigned before = model.logs;
    for (unsigned i = 0; i < 1000; i++) {
        nvme_model_event(&model, 1, 1, 2);
        model_run(10 * CLOCK_MILLISECOND);
    }
    assert_in_range(model.logs - before, 50, 100);
    assert_in_range(model_log_count("the controller tells"), 8, 20);
    client_open(&client, "nvme0n1", false, 4096);
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 1, 0), BLOCK_STATUS_OK);
    client_close(&client);
}

/* Of those that it was not asked for, it is believed none, and is not asked for more. */
static void events_that_are_forged(void **state)
{
    unsigned requests = 0;

    (void)state;
    nvme_attach();
    model_run(10 * CLOCK_MILLISECOND);
    nvme_model_event(&model, 1, 1, 2);
    for (unsigned i = 0; i < 5; i++)
        nvme_model_event_forge(&model, 0x8000, 0x020000 | i << 8);
    model_run(10 * CLOCK_MILLISECOND);
    for (unsigned i = 0; i < 5; i++)
        nvme_model_event_forge(&model, 0x8000, 0x020000 | i << 8);
    model_run(CLOCK_SECOND);
    assert_true(model_log_has("the controller tells of event 020101"));
    assert_int_equal(model_log_count("the controller tells"), 1);
    for (unsigned i = 0; i < NVME_MODEL_COMMANDS; i++)
        requests += model.command[i].used && (model.command[i].dword[0] & 0xff) == 0x0c;
    assert_int_equal(requests, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NVME_TEST(attach_describes_the_disk),
        NVME_TEST(each_client_has_queues_and_a_vector),
        NVME_TEST(no_further_queues),
        NVME_TEST(attach_whatever_the_firmware_left),
        NVME_TEST(attach_waits_as_long_as_the_controller_says),
        NVME_TEST(transfer_limit_follows_mdts),
        NVME_TEST(every_shape_of_prp_512),
        NVME_TEST(every_shape_of_prp_4096),
        NVME_TEST(long_transfers_are_split_by_the_client),
        NVME_TEST(scattered_data_is_one_command),
        NVME_TEST(scattered_data_in_short_commands),
        NVME_TEST(scattered_data_without_sgls),
        NVME_TEST(a_batch_rings_the_doorbell_once),
        NVME_TEST(a_full_queue_loses_nothing),
        NVME_TEST(the_shortest_queue_works),
        NVME_TEST(doorbells_may_lie_apart),
        NVME_TEST(a_busy_namespace_starves_no_other),
        NVME_TEST(flush_goes_to_the_namespace),
        NVME_TEST(flush_without_a_cache_is_done_at_once),
        NVME_TEST(namespaces_are_found_and_sparse),
        NVME_TEST(a_protected_namespace_is_read_only),
        NVME_TEST(shutdown_is_in_order),
        NVME_TEST(an_idle_driver_sets_no_timer),
        NVME_TEST(blocks_are_zeroed_and_discarded),
        NVME_TEST(interrupts_are_moderated_as_the_operator_says),
        NVME_TEST(namespaces_that_change),
        NVME_TEST(events_without_end),
        NVME_TEST(events_that_are_forged),
    };

    return NVME_RUN(tests);
}
