/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The virtio-blk driver against a device that it should not drive, or that fails, dies or lies at
 * work.
 */
#include <errno.h>
#include <string.h>

#include <driver/virtio_blk/disk.h>
#include <kit/core/block.h>
#include <test/unit/ending.h>
#include <test/unit/virtio_blk_fixture.h>

static uint8_t *capability(unsigned at)
{
    return model.virtio.device.config + at;
}

static void capability_move(unsigned at, uint32_t offset, uint32_t size)
{
    memcpy(capability(at) + 8, &offset, sizeof(offset));
    memcpy(capability(at) + 12, &size, sizeof(size));
}

static void devices_without_the_modern_interface(void **state)
{
    (void)state;
    model.virtio.device.identity.device = 0x1001;
    model.virtio.device.config[0x34] = 0;
    assert_int_equal(driver.attach(device), ENOTSUP);
    assert_true(model_log_has("the device has the legacy interface only"));

    blk_again();
    model.virtio.device.config[0x06] = 0;
    assert_int_equal(driver.attach(device), ENOTSUP);
    assert_true(model_log_has("does not say where its common registers are"));

    /* A transitional device has both (4.1.2). */
    blk_again();
    model.virtio.device.identity.device = 0x1001;
    blk_attach();
}

static void features_that_are_not_agreed_upon(void **state)
{
    (void)state;
    model.virtio.offered &= ~(UINT64_C(1) << 32);
    assert_int_equal(driver.attach(device), ENOTSUP);
    assert_true(model_log_has("does not offer the interface of virtio 1.0"));
    assert_true(model.virtio.status & 128);

    blk_again();
    model.virtio.refuses_features = true;
    assert_int_equal(driver.attach(device), ENOTSUP);
    assert_true(model_log_has("does not agree to features"));
    assert_true(model.virtio.status & 128);
}

static void a_device_that_bypasses_the_iommu(void **state)
{
    (void)state;
    model.virtio.offered &= ~(UINT64_C(1) << 33);
    assert_int_equal(driver.attach(device), ENOTSUP);
    assert_true(model_log_has("the device bypasses the IOMMU"));
    assert_false(model.virtio.status & 4);

    blk_again();
    model.virtio.offered &= ~(UINT64_C(1) << 33);
    model_memory_translated(false);
    blk_attach();
}

static void capabilities_that_lead_nowhere(void **state)
{
    static const unsigned places[] = {VIRTIO_MODEL_CAPABILITY_COMMON, VIRTIO_MODEL_CAPABILITY_ISR,
                                      VIRTIO_MODEL_CAPABILITY_NOTIFY};
    static const uint32_t bad[][2] = {{0x4000, 0x1000}, {0x3fff, 1},        {0, 0},     {0, 0x4001},
                                      {0xffffffff, 56}, {0x10, 0xfffffff0}, {0x3ffe, 2}};

    (void)state;
    for (size_t i = 0; i < 3 * 9; i++) {
        unsigned at = places[i / 9];
        if (i > 0)
            blk_again();
        if (i % 9 < 7)
            capability_move(at, bad[i % 9][0], bad[i % 9][1]);
        else
            capability(at)[4] = i % 9 == 7 ? 0 : 0xff; /* a window that is not there */
        assert_int_equal(driver.attach(device), ENOTSUP);
        assert_true(model_log_has("is not where it can be: ignored"));
    }
    /* The first that can be used counts (4.1.4.1). */
    blk_again();
    memcpy(capability(VIRTIO_MODEL_CAPABILITY_WINDOW), capability(VIRTIO_MODEL_CAPABILITY_COMMON),
           16);
    capability(VIRTIO_MODEL_CAPABILITY_WINDOW)[1] = 0;
    capability_move(VIRTIO_MODEL_CAPABILITY_WINDOW, 0x1000, 0x1000);
    blk_attach();
}

/* Round in circles, into the header, past the end. */
static void capability_lists_that_do_not_end(void **state)
{
    static const uint8_t next[] = {VIRTIO_MODEL_CAPABILITY_MSIX, VIRTIO_MODEL_CAPABILITY_WINDOW,
                                   0x10, 0xfc, 0xff};

    (void)state;
    for (size_t i = 0; i < sizeof(next); i++) {
        if (i > 0)
            blk_again();
        capability(VIRTIO_MODEL_CAPABILITY_WINDOW)[1] = next[i];
        blk_attach();
    }
    blk_again();
    capability(VIRTIO_MODEL_CAPABILITY_MSIX)[1] = VIRTIO_MODEL_CAPABILITY_MSIX;
    assert_int_equal(driver.attach(device), ENOTSUP);
}

/* Fields behind the end of a short structure are 0: a disk without a size, not a read outside. */
static void a_short_configuration(void **state)
{
    struct block_client *client;

    (void)state;
    capability_move(VIRTIO_MODEL_CAPABILITY_CONFIG, VIRTIO_MODEL_CONFIG, 7);
    virtio_blk_model_field(&model, VIRTIO_BLK_MODEL_BLK_SIZE, 20, 4, 4096);
    blk_attach();
    assert_int_equal(block_client_open(BLK_NAME, false, &client), 0);
    assert_int_equal(block_client_info(client)->blocks, 0);
    assert_int_equal(block_client_info(client)->block_size, 512);
    block_client_close(client);
}

static void a_configuration_that_never_settles(void **state)
{
    (void)state;
    model.virtio.unsettled = true;
    blk_attach();
}

static void queues_that_cannot_be_used(void **state)
{
    static const uint16_t sizes[] = {0, 1, 2, 32769, 0xffff};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (i > 0)
            blk_again();
        model.virtio.queue_size = sizes[i];
        assert_int_equal(driver.attach(device), ENOTSUP);
        assert_true(model_log_has("queue 0 cannot be used"));
    }
    blk_again();
    model.virtio.queues = 0;
    assert_int_equal(driver.attach(device), ENOTSUP);

    /* A doorbell that is not where the device says that they are. */
    blk_again();
    capability_move(VIRTIO_MODEL_CAPABILITY_NOTIFY, VIRTIO_MODEL_NOTIFY, 1);
    assert_int_equal(driver.attach(device), ENOTSUP);

    /* No power of two: the next one below it is used (2.7). */
    blk_again();
    model.virtio.queue_size = 100;
    blk_attach();
    assert_int_equal(model.virtio.queue[0].size, 64);
}

static void vectors_that_are_refused(void **state)
{
    (void)state;
    model.virtio.refuses_vectors = true;
    assert_int_equal(driver.attach(device), EIO);
    assert_true(model_log_has("does not take interrupt vector"));

    blk_again();
    model.virtio.device.identity.vectors = 0;
    assert_int_equal(driver.attach(device), EINVAL);
    assert_true(model_log_has("interrupt vector 0 cannot be attached"));
}

static void a_device_that_does_not_reset(void **state)
{
    (void)state;
    model.virtio.never_resets = true;
    assert_int_equal(driver.attach(device), ETIMEDOUT);
    assert_true(model_log_has("the device does not reset within 5 s"));
}

static void a_device_that_is_not_there(void **state)
{
    (void)state;
    model.virtio.gone = true;
    assert_int_equal(driver.attach(device), ENODEV);
}

static void attach_without_memory(void **state)
{
    (void)state;
    for (unsigned buffers = 0; buffers < 2; buffers++) {
        if (buffers > 0)
            blk_again();
        model_memory_limit(buffers);
        assert_int_equal(driver.attach(device), ENOMEM);
    }
}

static void a_device_that_never_answers(void **state)
{
    (void)state;
    model.virtio.fault = VIRTIO_MODEL_FAULT_LOST;
    assert_int_equal(driver.attach(device), ETIMEDOUT);
    assert_true(model_log_has("the device does not answer"));
}

static void error_statuses_are_told_apart(void **state)
{
    struct test_client client;

    (void)state;
    blk_attach();
    client_open(&client, BLK_NAME, true, 4096);
    model.io_status = 1;
    assert_int_equal(client_request(&client, BLOCK_READ, 9, 1, 0), BLOCK_STATUS_MEDIUM);
    assert_int_equal(client_request(&client, BLOCK_WRITE, 9, 1, 0), BLOCK_STATUS_MEDIUM);
    assert_int_equal(client_request(&client, BLOCK_FLUSH, 0, 0, 0), BLOCK_STATUS_DEVICE);
    model.io_status = 2;
    assert_int_equal(client_request(&client, BLOCK_READ, 9, 1, 0), BLOCK_STATUS_DEVICE);
    model.io_status = 77;
    assert_int_equal(client_request(&client, BLOCK_READ, 9, 1, 0), BLOCK_STATUS_DEVICE);
    model.io_status = 0;
    model.no_status = true;
    assert_int_equal(client_request(&client, BLOCK_WRITE, 9, 1, 0), BLOCK_STATUS_DEVICE);
    model.no_status = false;
    assert_int_equal(client_request(&client, BLOCK_READ, 9, 1, 0), BLOCK_STATUS_OK);
    assert_true(model_log_has("write of 1 blocks at 9 failed with status 01"));
    client_close(&client);
}

static void errors_do_not_fill_the_log(void **state)
{
    struct test_client client;

    (void)state;
    blk_attach();
    client_open(&client, BLK_NAME, true, 4096);
    model.io_status = 1;
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(client_request(&client, BLOCK_READ, 9, 1, 0), BLOCK_STATUS_MEDIUM);
    assert_in_range(model_log_count("failed with status 01"), 8, 20);
    client_close(&client);
}

/* 2.7.8.2: bytes that the device does not claim to have written are not believed. */
static void an_answer_that_is_too_short(void **state)
{
    struct test_client client;

    (void)state;
    blk_attach();
    client_open(&client, BLK_NAME, true, 4096);
    model.virtio.fault = VIRTIO_MODEL_FAULT_SHORT;
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_DEVICE);
    model.virtio.fault = VIRTIO_MODEL_FAULT_SHORT;
    assert_int_equal(client_request(&client, BLOCK_WRITE, 0, 8, 0), BLOCK_STATUS_DEVICE);
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_OK);
    client_close(&client);
}

static struct test_client *client_at_work;

static void read_for_long(void *count)
{
    client_submit_reads(client_at_work, *(const unsigned *)count);
    block_client_wait(client_at_work->client, true);
}

/* A used ring that cannot be: the driver ends. */
static void used_rings_that_cannot_be(void **state)
{
    static const struct {
        enum virtio_model_fault fault;
        const char *said;
    } cases[] = {
        {VIRTIO_MODEL_FAULT_DUPLICATE, "is done with a chain that it does not have"},
        {VIRTIO_MODEL_FAULT_HUGE_ID, "is done with a chain that cannot be (256)"},
        {VIRTIO_MODEL_FAULT_IDLE_ID, "is done with a chain that it does not have"},
        {VIRTIO_MODEL_FAULT_LONG, "wrote more bytes than there is room for"},
        {VIRTIO_MODEL_FAULT_JUMP, "is done with more than the queue holds"},
    };
    struct test_client client;

    (void)state;
    client_at_work = &client;
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned batch = i % 2 ? BLOCK_CLIENT_BATCH : 1; /* polled, or by interrupt */
        if (i > 0)
            blk_again();
        blk_attach();
        client_open(&client, BLK_NAME, false, 4096);
        assert_int_equal(client_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_OK);
        model.virtio.fault = cases[i / 2].fault;
        assert_driver_ends_saying(cases[i / 2].said, 0, read_for_long, &batch);
        assert_driver_ends_saying("given up: it broke the rules of its queue", 0, read_for_long,
                                  &batch);
        client_close(&client);
    }
}

static struct virtio_blk_disk disk;

static void kick(void *request)
{
    assert_true(virtio_blk_io_ops.start(&disk.io, request));
    virtio_blk_io_ops.kick(&disk.io);
}

/* What shows it is taken where a batch is kicked, with nothing in flight afterwards whose end or
 * lateness would be looked for: whoever waits for room would wait for ever. */
static void a_used_ring_that_cannot_be_seen_at_a_kick(void **state)
{
    static struct block_session session;
    static struct block_completion ring[BLOCK_SLOTS];
    struct block_request requests[2] = {
        {.operation = BLOCK_FLUSH, .session = &session, .silent = true},
        {.operation = BLOCK_FLUSH, .session = &session, .slot = 1},
    };

    (void)state;
    assert_int_equal(virtio_blk_disk_start(device, &disk), 0);
    session = (struct block_session){.device = disk.block, .ring = ring, .owned = 2};
    model.virtio.fault = VIRTIO_MODEL_FAULT_DUPLICATE;
    kick(&requests[0]);
    model_run(10 * CLOCK_MILLISECOND);
    assert_int_equal(session.owned, 2); /* nobody looked: it raises no interrupt */
    assert_driver_ends_saying("given up: it broke the rules of its queue", 0, kick, &requests[1]);
    block_device_withdraw(disk.block);
}

/* What the device may write is never read back. */
static void descriptors_that_are_overwritten(void **state)
{
    struct test_client client;

    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        if (way > 0) {
            blk_again();
            model.virtio.offered &= ~(UINT64_C(1) << 28);
        }
        model.virtio.scribbles = true;
        blk_attach();
        client_open(&client, BLK_NAME, true, 65536);
        for (unsigned i = 0; i < 1000; i++)
            client_check_transfer(&client, model.disk, i, 1 + i % 9, i % 7 * 4);
        client_submit_reads(&client, BLOCK_CLIENT_BATCH);
        block_client_wait(client.client, true);
        assert_int_equal(client_ended[BLOCK_STATUS_OK], BLOCK_CLIENT_BATCH);
        client_close(&client);
    }
}

static void a_request_that_is_lost(void **state)
{
    static const unsigned one = 1;
    struct test_client client;

    (void)state;
    blk_attach();
    client_open(&client, BLK_NAME, true, 4096);
    model.virtio.fault = VIRTIO_MODEL_FAULT_LOST;
    client_at_work = &client;
    assert_driver_ends_saying("given up: a request was not completed within 30 s",
                              30 * CLOCK_SECOND, read_for_long, (void *)&one);
    client_close(&client);
}

static void interrupts_that_are_lost(void **state)
{
    struct test_client client;

    (void)state;
    blk_attach();
    client_open(&client, BLK_NAME, false, 4096);
    model.virtio.no_interrupts = true;
    uint64_t start = model_time();
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_OK);
    assert_true(model_time() - start < 6 * CLOCK_SECOND);
    client_close(&client);
}

static void die_at_work(void *gone)
{
    model.virtio.chain_time = 100 * CLOCK_SECOND;
    client_submit_reads(client_at_work, BLOCK_CLIENT_BATCH);
    model_run(10 * CLOCK_MILLISECOND);
    if (gone)
        model.virtio.gone = true;
    else
        virtio_model_wants_reset(&model.virtio);
    model_run(10 * CLOCK_SECOND);
}

/* 2.1.2: it says so by its interrupt; a device that was taken out does not. */
static void a_device_that_dies_at_work(void **state)
{
    static bool gone = true;
    struct test_client client;

    (void)state;
    blk_attach();
    client_open(&client, BLK_NAME, false, 4096);
    client_at_work = &client;
    for (unsigned way = 0; way < 2; way++)
        assert_driver_ends_saying("given up: it wants a reset, or is not there any more", 0,
                                  die_at_work, way ? &gone : NULL);
    client_close(&client);
}

static void stop_at_work(void *context)
{
    (void)context;
    client_submit_reads(client_at_work, BLOCK_CLIENT_BATCH);
    model_run(CLOCK_SECOND);
    driver.detach();
}

static void stop_with_a_lost_request(void **state)
{
    struct test_client client;

    (void)state;
    blk_attach();
    client_open(&client, BLK_NAME, true, 4096);
    model.virtio.fault = VIRTIO_MODEL_FAULT_LOST;
    client_at_work = &client;
    assert_driver_ends_saying("given up: requests are still in flight", 5 * CLOCK_SECOND,
                              stop_at_work, NULL);
    client_close(&client);
}

static void a_flush_that_fails_at_the_stop(void **state)
{
    (void)state;
    blk_attach();
    model.io_status = 1;
    driver.detach();
    assert_true(model_log_has("the disk was not flushed: "));
    assert_int_equal(model.virtio.status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BLK_TEST(devices_without_the_modern_interface),
        BLK_TEST(features_that_are_not_agreed_upon),
        BLK_TEST(a_device_that_bypasses_the_iommu),
        BLK_TEST(capabilities_that_lead_nowhere),
        BLK_TEST(capability_lists_that_do_not_end),
        BLK_TEST(a_short_configuration),
        BLK_TEST(a_configuration_that_never_settles),
        BLK_TEST(queues_that_cannot_be_used),
        BLK_TEST(vectors_that_are_refused),
        BLK_TEST(a_device_that_does_not_reset),
        BLK_TEST(a_device_that_is_not_there),
        BLK_TEST(attach_without_memory),
        BLK_TEST(a_device_that_never_answers),
        BLK_TEST(error_statuses_are_told_apart),
        BLK_TEST(errors_do_not_fill_the_log),
        BLK_TEST(an_answer_that_is_too_short),
        BLK_TEST(used_rings_that_cannot_be),
        BLK_TEST(a_used_ring_that_cannot_be_seen_at_a_kick),
        BLK_TEST(descriptors_that_are_overwritten),
        BLK_TEST(a_request_that_is_lost),
        BLK_TEST(interrupts_that_are_lost),
        BLK_TEST(a_device_that_dies_at_work),
        BLK_TEST(stop_with_a_lost_request),
        BLK_TEST(a_flush_that_fails_at_the_stop),
    };

    return cmocka_run_group_tests_name("virtio-blk faults", tests, NULL, NULL);
}
