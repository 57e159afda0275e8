/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The virtio-blk driver against a device that keeps the rules: data, limits, interrupts, stop.
 */
#include <errno.h>
#include <string.h>

#include <test/unit/ending.h>
#include <test/unit/virtio_blk_fixture.h>

static struct block_client *client_opened(void)
{
    struct block_client *client;

    assert_int_equal(block_client_open(BLK_NAME, false, &client), 0);
    return client;
}

static void attach_describes_the_disk(void **state)
{
    struct block_client *client;

    (void)state;
    blk_attach();
    client = client_opened();
    const struct block_info *info = block_client_info(client);
    assert_int_equal(info->blocks, BLK_SECTORS);
    assert_int_equal(info->block_size, 512);
    assert_int_equal(info->max_transfer, 1 << 20);
    assert_int_equal(info->flags, BLOCK_INFO_VOLATILE_CACHE | BLOCK_INFO_READ_ONLY);
    assert_string_equal(info->serial, "MODEL-0002");
    block_client_close(client);
    assert_int_equal(block_client_open(BLK_NAME "n1", false, &client), ENOENT);
}

/* 5.2.6: a serial number that fills its 20 bytes is not terminated; other bytes are not printed. */
static void serial_numbers(void **state)
{
    static const struct {
        const char *told, *expected;
    } cases[] = {
        {"12345678901234567890", "12345678901234567890"},
        {"", ""},
        {NULL, ""},
        {"a\x01\xff z  ", "a?? z"},
    };
    struct block_client *client;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (i > 0)
            blk_again();
        model.serial = cases[i].told;
        blk_attach();
        client = client_opened();
        assert_string_equal(block_client_info(client)->serial, cases[i].expected);
        block_client_close(client);
    }
}

static void block_sizes(void **state)
{
    static const struct {
        uint32_t told, used;
    } cases[] = {{512, 512}, {4096, 4096}, {65536, 65536}, {0, 512},   {256, 512},
                 {513, 512}, {3072, 512},  {131072, 512},  {~0u, 512}, {1u << 31, 512}};
    struct test_client client;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool honest = cases[i].told == cases[i].used;
        if (i > 0)
            blk_again();
        virtio_blk_model_field(&model, VIRTIO_BLK_MODEL_BLK_SIZE, 20, 4, cases[i].told);
        blk_attach();
        assert_int_equal(model_log_has("the device names blocks of"), !honest);
        client_open(&client, BLK_NAME, true, 2 * 65536 + 4096);
        const struct block_info *info = block_client_info(client.client);
        assert_int_equal(info->block_size, cases[i].used);
        assert_int_equal(info->blocks, BLK_SECTORS / (cases[i].used / 512));
        if (honest) { /* the model would not have blocks of 512 bytes with another size */
            client_check_transfer(&client, model.disk, 3, 2, 2048);
            client_check_transfer(&client, model.disk, info->blocks - 1, 1, 4);
        }
        client_close(&client);
    }
}

/* A disk that ends in the middle of a block ends before it. */
static void a_capacity_that_is_no_whole_number_of_blocks(void **state)
{
    struct block_client *client;

    (void)state;
    virtio_blk_model_field(&model, VIRTIO_BLK_MODEL_BLK_SIZE, 20, 4, 4096);
    virtio_blk_model_field(&model, VIRTIO_BLK_MODEL_BLK_SIZE, 0, 8, 8 * 5 + 7);
    blk_attach();
    client = client_opened();
    assert_int_equal(block_client_info(client)->blocks, 5);
    block_client_close(client);
}

static void capacities_that_cannot_be(void **state)
{
    struct block_client *client;

    (void)state;
    virtio_blk_model_field(&model, 0, 0, 8, UINT64_MAX / 512 + 1);
    assert_int_equal(driver.attach(device), ENOTSUP);
    assert_true(model_log_has("its size cannot be"));
    blk_again();
    virtio_blk_model_field(&model, 0, 0, 8, UINT64_MAX / 512);
    blk_attach();
    client = client_opened();
    assert_int_equal(block_client_info(client)->blocks, UINT64_MAX / 512);
    block_client_close(client);
}

static void every_shape_of_transfer(void **state)
{
    static const uint64_t offsets[] = {0, 4, 512, 4092, 4096};
    static const uint32_t counts[] = {1, 2, 9, 2047, 2048};
    struct test_client client;

    (void)state;
    blk_attach();
    client_open(&client, BLK_NAME, true, (1 << 20) + 8192);
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        for (size_t j = 0; j < sizeof(counts) / sizeof(counts[0]); j++) {
            client_check_transfer(&client, model.disk, 3, counts[j], offsets[i]);
            client_check_transfer(&client, model.disk, BLK_SECTORS - counts[j], counts[j],
                                  offsets[i]);
        }
    }
    assert_int_equal(model.longest_transfer, 1 << 20);
    assert_int_equal(model.virtio.longest_chain, 3);
    client_close(&client);
}

/* The model says when a segment is too long or there are too many; without indirect tables they
 * take descriptors one by one. */
static void segments_that_are_bounded(void **state)
{
    static const struct {
        uint32_t size_max, seg_max;
        unsigned entries, most;
    } cases[] = {
        {4096, 254, 256, 32 * 4096},
        {4096, 254, 16, 14 * 4096},
        {65536, 8, 256, 8 * 65536},
        {1000, 4, 256, 3584},
        {1 << 20, 1, 256, 1 << 20},
        {0x80000000u, 254, 4, 1 << 20},
        {700, 1, 8, 512},
    };
    struct test_client client;

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        if (i > 0)
            blk_again();
        virtio_blk_model_field(&model, VIRTIO_BLK_MODEL_SIZE_MAX, 8, 4, cases[i / 2].size_max);
        virtio_blk_model_field(&model, VIRTIO_BLK_MODEL_SEG_MAX, 12, 4, cases[i / 2].seg_max);
        model.virtio.queue_size = (uint16_t)cases[i / 2].entries;
        if (i % 2)
            model.virtio.offered &= ~(UINT64_C(1) << 28);
        blk_attach();
        client_open(&client, BLK_NAME, true, (1 << 20) + 8192);
        unsigned most = block_client_info(client.client)->max_transfer;
        assert_int_equal(most, cases[i / 2].most);
        client_check_transfer(&client, model.disk, 1, most / 512, 4);
        client_check_transfer(&client, model.disk, 5, 1, 0);
        client_submit_reads(&client, BLOCK_CLIENT_BATCH);
        block_client_wait(client.client, true);
        assert_int_equal(client_ended[BLOCK_STATUS_OK], BLOCK_CLIENT_BATCH);
        client_close(&client);
    }
}

/* 5.2.4: who says how many segments it takes, and does not bound their length, may be given a
 * request in several. */
static void scattered_data_is_one_request(void **state)
{
    static const struct {
        uint32_t seg_max;
        unsigned entries;
        bool indirect, offered;
    } cases[] = {{254, 256, true, true}, {5, 8, true, true},     {5, 8, false, true},
                 {4, 256, true, false},  {254, 4, false, false}, {0, 256, true, false},
                 {~0u, 256, true, true}, {254, 256, false, true}};
    struct test_client client;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (i > 0)
            blk_again();
        virtio_blk_model_field(&model, VIRTIO_BLK_MODEL_SEG_MAX, 12, 4, cases[i].seg_max);
        model.virtio.queue_size = (uint16_t)cases[i].entries;
        if (!cases[i].indirect)
            model.virtio.offered &= ~(UINT64_C(1) << 28);
        blk_attach();
        client_open(&client, BLK_NAME, true, (1 << 20) + 65536);
        const struct block_info *info = block_client_info(client.client);
        assert_int_equal(info->flags & (BLOCK_INFO_SCATTER | BLOCK_INFO_SCATTER_PAGES),
                         cases[i].offered ? BLOCK_INFO_SCATTER : 0);
        if (cases[i].offered) {
            client_check_parts(&client, model.disk, 3);
            assert_int_equal(model.virtio.longest_chain, BLOCK_PARTS + 2);
            assert_int_equal(model.longest_transfer, 1 << 20);
        }
        client_close(&client);
    }
}

static void segments_that_hold_no_block(void **state)
{
    static const struct {
        uint32_t size_max, seg_max;
    } cases[] = {{0, 254}, {511, 1}, {4096, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (i > 0)
            blk_again();
        virtio_blk_model_field(&model, VIRTIO_BLK_MODEL_SIZE_MAX, 8, 4, cases[i].size_max);
        virtio_blk_model_field(&model, VIRTIO_BLK_MODEL_SEG_MAX, 12, 4, cases[i].seg_max);
        assert_int_equal(driver.attach(device), ENOTSUP);
        assert_true(model_log_has("do not hold a block of 512"));
    }
}

/* More requests than the queue holds, answered in the wrong order. */
static void a_full_queue(void **state)
{
    struct test_client client;

    (void)state;
    for (unsigned way = 0; way < 8; way++) {
        if (way > 0)
            blk_again();
        model.virtio.queue_size = way & 1 ? 4 : 64;
        if (way & 2)
            model.virtio.offered &= ~(UINT64_C(1) << 28);
        if (way & 4)
            model.virtio.offered &= ~(UINT64_C(1) << 29);
        model.virtio.reversed = true;
        blk_attach();
        client_open(&client, BLK_NAME, false, 4096);
        for (unsigned round = 0; round < 20; round++) {
            client_submit_reads(&client, BLOCK_CLIENT_BATCH);
            block_client_wait(client.client, true);
        }
        assert_int_equal(client_ended[BLOCK_STATUS_OK], 20 * BLOCK_CLIENT_BATCH);
        assert_in_range(model.virtio.most_in_flight, 1, model.virtio.queue_size);
        client_close(&client);
    }
}

/* The ring's indices wrap at 65536: both of them, with and without the event index. */
static void indices_wrap(void **state)
{
    struct test_client client;

    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        if (way > 0) {
            blk_again();
            model.virtio.offered &= ~(UINT64_C(1) << 29);
        }
        blk_attach();
        client_open(&client, BLK_NAME, false, 4096);
        for (unsigned i = 0; i < 70000; i++)
            assert_int_equal(client_request(&client, BLOCK_READ, i % 100, 1, 0), BLOCK_STATUS_OK);
        assert_int_equal(model.virtio.interrupts, 70000);
        client_close(&client);
    }
}

/* A batch is told of once, and polled for without an interrupt; single requests have one each. */
static void interrupts_are_held_back(void **state)
{
    struct test_client client;

    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        if (way > 0) {
            blk_again();
            model.virtio.offered &= ~(UINT64_C(1) << 29);
        }
        blk_attach();
        client_open(&client, BLK_NAME, false, 4096);
        unsigned notifications = model.virtio.notifications;
        assert_int_equal(model.virtio.interrupts, 0);
        client_submit_reads(&client, BLOCK_CLIENT_BATCH);
        block_client_wait(client.client, true);
        assert_int_equal(client_ended[BLOCK_STATUS_OK], BLOCK_CLIENT_BATCH);
        assert_int_equal(model.virtio.notifications, notifications + 1);
        assert_in_range(model.virtio.interrupts, 0, 3);
        unsigned interrupts = model.virtio.interrupts;
        for (unsigned i = 0; i < 10; i++)
            assert_int_equal(client_request(&client, BLOCK_READ, 0, 1, 0), BLOCK_STATUS_OK);
        assert_int_equal(model.virtio.interrupts, interrupts + 10);
        client_close(&client);
    }
}

static void one_of_two_is_lost(void *client)
{
    uint64_t start = model_time();

    model.virtio.fault = VIRTIO_MODEL_FAULT_LOST;
    client_submit_reads(client, 2);
    block_client_wait(((struct test_client *)client)->client, false);
    if (model_time() - start >= 5 * CLOCK_MILLISECOND &&
        model_time() - start <= 8 * CLOCK_MILLISECOND)
        driver.detach();
}

/* Four requests are one interrupt, and those that do not make four wait no longer than was said. */
static void interrupts_are_gathered(void **state)
{
    struct test_client client;

    (void)state;
    model_settings("poll-from=0 gather=4 gather-us=5000");
    blk_attach();
    client_open(&client, BLK_NAME, false, 4096);
    client_submit_reads(&client, BLOCK_CLIENT_BATCH);
    block_client_wait(client.client, true);
    assert_int_equal(client_ended[BLOCK_STATUS_OK], BLOCK_CLIENT_BATCH);
    assert_in_range(model.virtio.interrupts, 1, BLOCK_CLIENT_BATCH / 4);

    assert_driver_ends_saying("requests are still in flight", 0, one_of_two_is_lost, &client);
    driver.detach();
    client_close(&client);

    blk_again();
    model_settings("gather=4");
    model.virtio.offered &= ~(UINT64_C(1) << 29);
    blk_attach();
    assert_true(model_log_has("interrupts are not gathered"));
}

/* Without MSI-X the device has a line, and says by a register what it was about. */
static void a_line_instead_of_messages(void **state)
{
    struct test_client client;

    (void)state;
    model.virtio.device.config[VIRTIO_MODEL_CAPABILITY_MSIX + 3] = 0;
    model.virtio.device.identity.vectors = 1;
    blk_attach();
    client_open(&client, BLK_NAME, false, 4096);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(client_request(&client, BLOCK_READ, 0, 1, 0), BLOCK_STATUS_OK);
    unsigned rejected = model_interrupts_rejected();
    model_interrupt(0); /* somebody else's */
    model_run(10 * CLOCK_MILLISECOND);
    assert_int_equal(model_interrupts_rejected(), rejected + 1);
    virtio_blk_model_field(&model, 0, 0, 8, 99);
    virtio_model_config_changed(&model.virtio);
    model_run(10 * CLOCK_MILLISECOND);
    assert_true(model_log_has("the disk has now 50688 bytes"));
    client_close(&client);
}

static void one_message_for_everything(void **state)
{
    struct test_client client;

    (void)state;
    model.virtio.device.identity.vectors = 1;
    blk_attach();
    client_open(&client, BLK_NAME, false, 4096);
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 1, 0), BLOCK_STATUS_OK);
    virtio_blk_model_field(&model, 0, 0, 8, 99);
    virtio_model_config_changed(&model.virtio);
    model_run(10 * CLOCK_MILLISECOND);
    assert_true(model_log_has("the disk has now 50688 bytes"));
    client_close(&client);
}

static void a_capacity_that_changes(void **state)
{
    (void)state;
    blk_attach();
    virtio_model_config_changed(&model.virtio);
    model_run(10 * CLOCK_MILLISECOND);
    assert_int_equal(model_log_count("the disk has now"), 0);
    virtio_blk_model_field(&model, 0, 0, 8, UINT64_C(1) << 33);
    virtio_model_config_changed(&model.virtio);
    model_run(10 * CLOCK_MILLISECOND);
    assert_true(model_log_has("the disk has now 4398046511104 bytes, 8388608 before"));
    virtio_model_config_changed(&model.virtio);
    model_run(10 * CLOCK_MILLISECOND);
    assert_int_equal(model_log_count("the disk has now"), 1);
    virtio_blk_model_field(&model, 0, 0, 8, UINT64_MAX);
    virtio_model_config_changed(&model.virtio);
    model_run(10 * CLOCK_MILLISECOND);
    assert_true(model_log_has("it is ignored"));
}

/* Who has it open goes on with what there was; who opens it sees what there is. */
static void a_disk_that_shrinks_and_grows(void **state)
{
    static const uint64_t sizes[] = {BLK_SECTORS / 2, BLK_SECTORS};
    struct test_client clients[3];

    (void)state;
    blk_attach();
    client_open(&clients[0], BLK_NAME, true, 65536);
    for (unsigned i = 0; i < 2; i++) {
        virtio_blk_model_field(&model, 0, 0, 8, sizes[i]);
        model.sectors = sizes[i];
        virtio_model_config_changed(&model.virtio);
        model_run(10 * CLOCK_MILLISECOND);
        client_open(&clients[i + 1], BLK_NAME, true, 65536);
        assert_int_equal(block_client_info(clients[i + 1].client)->blocks, sizes[i]);
        assert_int_equal(client_request(&clients[i + 1], BLOCK_READ, sizes[i], 1, 0),
                         BLOCK_STATUS_RANGE);
        assert_int_equal(client_request(&clients[0], BLOCK_READ, BLK_SECTORS - 1, 1, 0),
                         i == 0 ? BLOCK_STATUS_MEDIUM : BLOCK_STATUS_OK);
        for (unsigned j = 0; j <= i + 1; j++)
            client_check_transfer(&clients[j], model.disk, 100 + j, 2, 0);
    }
    for (unsigned i = 0; i < 3; i++)
        client_close(&clients[i]);
}

/* 5.2.2: each client has a queue of its own, with a vector if there is one for it; further clients
 * share them. */
static void queues_for_clients(void **state)
{
    static const struct {
        unsigned told, vectors, used;
    } cases[] = {{1, 5, 1}, {3, 5, 3}, {4, 5, 4}, {4, 2, 4}, {4, 1, 4}, {0, 5, 1}, {65535, 5, 4}};
    struct test_client clients[6];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (i > 0)
            blk_again();
        virtio_blk_model_field(&model, VIRTIO_BLK_MODEL_MQ, 34, 2, cases[i].told);
        model.virtio.queues = VIRTIO_MODEL_QUEUES;
        model.virtio.device.identity.vectors = cases[i].vectors;
        model.virtio.reversed = i % 2;
        blk_attach();
        for (unsigned c = 0; c < 6; c++)
            client_open(&clients[c], BLK_NAME, true, 65536);
        for (unsigned c = 0; c < 6; c++)
            client_submit_reads(&clients[c], c + 1);
        for (unsigned c = 0; c < 6; c++)
            block_client_wait(clients[c].client, true);
        for (unsigned q = 0; q < VIRTIO_MODEL_QUEUES; q++) {
            unsigned expected = 0;
            for (unsigned c = q; c < 6 && q < cases[i].used; c += cases[i].used)
                expected += c + 1;
            assert_int_equal(model.queue_reads[q], expected);
        }
        for (unsigned c = 0; c < 6; c++)
            client_check_transfer(&clients[c], model.disk, 8 * c, 5, 0);
        for (unsigned q = 1; q < cases[i].used && cases[i].vectors == 5; q++)
            assert_int_not_equal(model.virtio.queue[q].vector, model.virtio.queue[q - 1].vector);
        driver.detach();
        for (unsigned c = 0; c < 6; c++)
            client_close(&clients[c]);
    }
}

/* The device has fewer than it says. */
static void queues_that_are_not_there(void **state)
{
    (void)state;
    virtio_blk_model_field(&model, VIRTIO_BLK_MODEL_MQ, 34, 2, 4);
    model.virtio.queues = 2;
    assert_int_equal(driver.attach(device), ENOTSUP);
    assert_true(model_log_has("queue 2 cannot be used"));
}

static void flush_where_there_is_a_cache(void **state)
{
    struct test_client client;

    (void)state;
    blk_attach();
    client_open(&client, BLK_NAME, true, 4096);
    assert_int_equal(client_request(&client, BLOCK_WRITE, 0, 8, 0), BLOCK_STATUS_OK);
    assert_int_equal(model.unflushed, 1);
    assert_int_equal(client_request(&client, BLOCK_FLUSH, 0, 0, 0), BLOCK_STATUS_OK);
    assert_int_equal(model.unflushed, 0);
    client_close(&client);

    blk_again();
    model.virtio.offered &= ~(UINT64_C(1) << VIRTIO_BLK_MODEL_FLUSH);
    blk_attach();
    client_open(&client, BLK_NAME, true, 4096);
    assert_int_equal(block_client_info(client.client)->flags, 0);
    assert_int_equal(client_request(&client, BLOCK_FLUSH, 0, 0, 0), BLOCK_STATUS_OK);
    assert_int_equal(model.flushes, 0);
    client_close(&client);
}

static void discard_and_zeroes(void **state)
{
    static const struct {
        uint32_t discard, zeroes; /* sectors; 0: the feature is offered all the same */
        uint32_t most, flags;     /* blocks of 4096 bytes */
    } cases[] = {
        {8000, 4000, 500, BLOCK_INFO_DISCARD | BLOCK_INFO_WRITE_ZEROES},
        {UINT32_MAX, 7, UINT32_MAX / 8, BLOCK_INFO_DISCARD},
        {0, 15, 1, BLOCK_INFO_WRITE_ZEROES},
        {0, 0, 0, 0},
    };
    struct test_client client;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t flags = cases[i].flags;
        if (i > 0)
            blk_again();
        virtio_blk_model_field(&model, VIRTIO_BLK_MODEL_BLK_SIZE, 20, 4, 4096);
        virtio_blk_model_field(&model, VIRTIO_BLK_MODEL_DISCARD, 36, 4, cases[i].discard);
        virtio_blk_model_field(&model, VIRTIO_BLK_MODEL_WRITE_ZEROES, 48, 4, cases[i].zeroes);
        blk_attach();
        client_open(&client, BLK_NAME, true, 4096);
        const struct block_info *info = block_client_info(client.client);
        assert_int_equal(info->flags, flags | BLOCK_INFO_VOLATILE_CACHE);
        assert_int_equal(info->max_blocks, cases[i].most);

        uint32_t count = cases[i].most < 9 ? cases[i].most : 9;
        memset(model.disk, 0x5a, BLK_SECTORS * (size_t)512);
        client.buffer = 0; /* these have none */
        for (unsigned way = 0; way < 2 && count > 0; way++) {
            enum block_operation operation = way ? BLOCK_WRITE_ZEROES : BLOCK_DISCARD;
            uint8_t filled = way ? 0 : 0xff, *at = model.disk + 4096 * (3 + way * 100);
            bool there = flags & (way ? BLOCK_INFO_WRITE_ZEROES : BLOCK_INFO_DISCARD);
            assert_int_equal(client_request(&client, operation, 3 + way * 100, count, 0),
                             there ? BLOCK_STATUS_OK : BLOCK_STATUS_INVALID);
            assert_int_equal(at[0], there ? filled : 0x5a);
            assert_int_equal(at[count * 4096 - 1], there ? filled : 0x5a);
            assert_int_equal(at[-1], 0x5a);
            assert_int_equal(at[count * 4096], 0x5a);
        }
        model.io_status = 1;
        if (flags & BLOCK_INFO_DISCARD)
            assert_int_equal(client_request(&client, BLOCK_DISCARD, 3, 1, 0), BLOCK_STATUS_MEDIUM);
        client_close(&client);
    }
}

static void a_disk_that_is_read_only(void **state)
{
    struct block_client *client;

    (void)state;
    model.virtio.offered |= UINT64_C(1) << VIRTIO_BLK_MODEL_RO;
    blk_attach();
    assert_int_equal(block_client_open(BLK_NAME, true, &client), EROFS);
    client = client_opened();
    assert_true(block_client_info(client)->flags & BLOCK_INFO_READ_ONLY);
    block_client_close(client);
}

static void stop_lets_requests_end_and_flushes(void **state)
{
    struct test_client client;

    (void)state;
    blk_attach();
    client_open(&client, BLK_NAME, true, 4096);
    assert_int_equal(client_request(&client, BLOCK_WRITE, 0, 8, 0), BLOCK_STATUS_OK);
    client_submit_reads(&client, BLOCK_CLIENT_BATCH);
    model_turn();
    driver.detach();
    assert_int_equal(model.unflushed, 0);
    assert_int_equal(model.virtio.status, 0);
    block_client_wait(client.client, true);
    assert_int_equal(client_ended[BLOCK_STATUS_OK], BLOCK_CLIENT_BATCH);

    /* Nothing reaches the device any more: it is for the next driver. */
    client_submit_reads(&client, 1);
    model_run(CLOCK_SECOND);
    assert_int_equal(client_ended[BLOCK_STATUS_OK], BLOCK_CLIENT_BATCH);
    client_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BLK_TEST(attach_describes_the_disk),
        BLK_TEST(serial_numbers),
        BLK_TEST(block_sizes),
        BLK_TEST(a_capacity_that_is_no_whole_number_of_blocks),
        BLK_TEST(capacities_that_cannot_be),
        BLK_TEST(every_shape_of_transfer),
        BLK_TEST(segments_that_are_bounded),
        BLK_TEST(segments_that_hold_no_block),
        BLK_TEST(scattered_data_is_one_request),
        BLK_TEST(a_full_queue),
        BLK_TEST(indices_wrap),
        BLK_TEST(interrupts_are_held_back),
        BLK_TEST(interrupts_are_gathered),
        BLK_TEST(a_line_instead_of_messages),
        BLK_TEST(one_message_for_everything),
        BLK_TEST(a_capacity_that_changes),
        BLK_TEST(a_disk_that_shrinks_and_grows),
        BLK_TEST(queues_for_clients),
        BLK_TEST(queues_that_are_not_there),
        BLK_TEST(flush_where_there_is_a_cache),
        BLK_TEST(discard_and_zeroes),
        BLK_TEST(a_disk_that_is_read_only),
        BLK_TEST(stop_lets_requests_end_and_flushes),
    };

    return cmocka_run_group_tests_name("virtio-blk", tests, NULL, NULL);
}
