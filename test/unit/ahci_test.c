/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The AHCI driver against a controller and devices that keep the rules: what is offered, data, the
 * order of commands, stop.
 */
#include <errno.h>
#include <string.h>

#include <test/unit/ahci_fixture.h>

static void attach_describes_the_disk(void **state)
{
    struct block_client *client;

    (void)state;
    ahci_attach();
    assert_int_equal(block_client_open(AHCI_NAME, false, &client), 0);
    const struct block_info *info = block_client_info(client);
    assert_int_equal(info->blocks, AHCI_TEST_SECTORS);
    assert_int_equal(info->block_size, 512);
    assert_int_equal(info->max_transfer, 1 << 20);
    assert_int_equal(info->flags, BLOCK_INFO_VOLATILE_CACHE | BLOCK_INFO_READ_ONLY |
                                      BLOCK_INFO_DISCARD | BLOCK_INFO_SCATTER);
    assert_string_equal(info->serial, "S-0");
    assert_string_equal(info->model, "MODEL");
    block_client_close(client);
    assert_int_equal(block_client_open("ahci0p1", false, &client), ENOENT);
}

/* Every port is a disk of its own, and holes between them do not matter. */
static void every_port_is_a_disk(void **state)
{
    struct test_client clients[2];

    (void)state;
    model.implemented = 0xd;
    ahci_model_connect(&model, 3, AHCI_MODEL_DISK, 4096);
    ahci_attach();
    client_open(&clients[0], "ahci0p0", true, 65536);
    client_open(&clients[1], "ahci0p3", true, 65536);
    assert_int_equal(block_client_info(clients[1].client)->blocks, 4096);
    assert_string_equal(block_client_info(clients[1].client)->serial, "S-3");
    for (unsigned i = 0; i < 20; i++)
        client_check_transfer(&clients[i % 2], model.port[i % 2 * 3].disk, i, 2, 0);
    client_close(&clients[0]);
    client_close(&clients[1]);
}

static uint64_t attach_three(uint64_t wake_time, bool is_staggered)
{
    ahci_model_connect(&model, 1, AHCI_MODEL_DISK, 4096);
    ahci_model_connect(&model, 2, AHCI_MODEL_DISK, 4096);
    model.wake_time = wake_time;
    model.cap |= is_staggered ? 1 << 27 : 0;
    uint64_t start = model_time();
    ahci_attach();
    return model_time() - start;
}

static bool is_offered(const char *name)
{
    struct block_client *client;
    bool is_there = block_client_open(name, false, &client) == 0;

    if (is_there)
        block_client_close(client);
    return is_there;
}

/* 10.10: with staggered spin-up the disks come one after the other. Those that take long are
 * offered later, and the driver works meanwhile. */
static void spin_up_one_by_one(void **state)
{
    (void)state;
    assert_in_range(attach_three(300 * CLOCK_MILLISECOND, false), 300 * CLOCK_MILLISECOND,
                    400 * CLOCK_MILLISECOND);
    assert_true(is_offered("ahci0p0") && is_offered("ahci0p1") && is_offered("ahci0p2"));
    ahci_again();
    assert_in_range(attach_three(300 * CLOCK_MILLISECOND, true), 900 * CLOCK_MILLISECOND,
                    CLOCK_SECOND);
    assert_true(is_offered("ahci0p0") && is_offered("ahci0p1") && is_offered("ahci0p2"));
    ahci_again();
    assert_in_range(attach_three(10 * CLOCK_SECOND, true), CLOCK_SECOND,
                    CLOCK_SECOND + 50 * CLOCK_MILLISECOND);
    ahci_silence_watch();
    model_run(10 * CLOCK_SECOND);
    assert_true(is_offered("ahci0p0") && !is_offered("ahci0p1"));
    model_run(10 * CLOCK_SECOND);
    assert_true(is_offered("ahci0p1") && !is_offered("ahci0p2"));
    model_run(10 * CLOCK_SECOND);
    assert_true(is_offered("ahci0p2"));
    assert_true(ahci_silence() < 10 * CLOCK_MILLISECOND);
}

static void a_controller_with_nothing_connected(void **state)
{
    (void)state;
    ahci_model_connect(&model, 0, AHCI_MODEL_NOTHING, 0);
    model_memory_limit(0);
    uint64_t start = model_time();
    ahci_attach();
    assert_in_range(model_time() - start, 0, 40 * CLOCK_MILLISECOND);
    assert_true(model_log_has("4 ports, nothing to use"));
    assert_false(model_timer_is_set());
    driver.detach();
}

static void every_shape_of_transfer(void **state)
{
    static const uint64_t offsets[] = {0, 4, 512, 4092, 4096};
    static const uint32_t counts[] = {1, 2, 9, 2047, 2048};
    struct test_client client;

    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        if (way > 0) {
            ahci_again();
            port->identity[76] = 0;
            ahci_model_seal(port);
        }
        ahci_attach();
        client_open(&client, AHCI_NAME, true, (1 << 20) + 8192);
        for (size_t i = 0; i < 25; i++) {
            uint32_t count = counts[i % 5];
            client_check_transfer(&client, port->disk, 3, count, offsets[i / 5]);
            client_check_transfer(&client, port->disk, AHCI_TEST_SECTORS - count, count,
                                  offsets[i / 5]);
        }
        assert_int_equal(port->longest_transfer, 1 << 20);
        client_close(&client);
    }
}

/* 4.2.3.3: a region for each part; queued and not. */
static void scattered_data_is_one_command(void **state)
{
    struct test_client client;

    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        if (way > 0) {
            ahci_again();
            port->identity[76] = 0;
            ahci_model_seal(port);
        }
        ahci_attach();
        client_open(&client, AHCI_NAME, true, (1 << 20) + 65536);
        client_check_parts(&client, port->disk, 3);
        assert_int_equal(port->reads, CLIENT_SCATTERINGS);
        assert_int_equal(port->writes, CLIENT_SCATTERINGS);
        assert_int_equal(port->longest_transfer, 1 << 20);
        client_close(&client);
    }
}

static void long_sectors(void **state)
{
    struct test_client client;

    (void)state;
    port->identity[106] = 1 << 14 | 1 << 12;
    port->identity[117] = 2048;
    port->identity[100] = AHCI_TEST_SECTORS / 8;
    ahci_model_seal(port);
    ahci_attach();
    client_open(&client, AHCI_NAME, true, 65536);
    assert_int_equal(block_client_info(client.client)->block_size, 4096);
    assert_int_equal(block_client_info(client.client)->blocks, AHCI_TEST_SECTORS / 8);
    client_check_transfer(&client, port->disk, 7, 3, 512);
    client_check_transfer(&client, port->disk, AHCI_TEST_SECTORS / 8 - 1, 1, 0);
    client_close(&client);
}

/* Queued commands are together as far as both sides allow, and others alone. */
static void queues_of_every_depth(void **state)
{
    static const struct {
        bool disk, controller;
        unsigned depth, slots, most;
    } cases[] = {
        {true, true, 32, 32, 32}, {true, true, 31, 32, 31}, {true, true, 32, 8, 8},
        {true, true, 1, 32, 1},   {true, false, 32, 32, 1}, {false, true, 32, 32, 1},
        {false, true, 32, 1, 1},
    };
    struct test_client client;

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        if (i > 0)
            ahci_again();
        model.reversed = i % 2;
        port->identity[75] = (uint16_t)(cases[i / 2].depth - 1);
        port->identity[76] = cases[i / 2].disk ? 1 << 8 : 0;
        ahci_model_seal(port);
        model.cap = (model.cap & ~(1u << 30 | 31u << 8)) | (cases[i / 2].slots - 1) << 8 |
                    (cases[i / 2].controller ? 1u << 30 : 0);
        ahci_attach();
        client_open(&client, AHCI_NAME, false, 4096);
        for (unsigned round = 0; round < 20; round++) {
            client_submit_reads(&client, BLOCK_CLIENT_BATCH);
            client_submit_reads(&client, BLOCK_CLIENT_BATCH);
            block_client_wait(client.client, true);
        }
        assert_int_equal(client_ended[BLOCK_STATUS_OK], 40 * BLOCK_CLIENT_BATCH);
        assert_int_equal(port->most_in_flight, cases[i / 2].most);
        client_close(&client);
    }
}

static void ended(void *context, enum block_status status)
{
    assert_int_equal(status, BLOCK_STATUS_OK);
    ++*(unsigned *)context;
}

/* The model complains if they mix. Neither keeps the other waiting for ever. */
static void flushes_among_reads_and_writes(void **state)
{
    struct test_client busy, flushing;
    unsigned reads = 0, flushes = 0, submitted = 0;

    (void)state;
    ahci_attach();
    client_open(&busy, AHCI_NAME, false, 4096);
    client_open(&flushing, AHCI_NAME, true, 4096);
    while (flushes < 50) {
        for (; submitted - reads < 64; submitted++)
            assert_int_equal(block_client_submit(busy.client, BLOCK_READ, submitted % 999, 1,
                                                 busy.buffer, 0, ended, &reads),
                             0);
        unsigned before = flushes;
        assert_int_equal(block_client_submit(flushing.client, BLOCK_WRITE, 5, 1, flushing.buffer, 0,
                                             ended, &flushes),
                         0);
        assert_int_equal(
            block_client_submit(flushing.client, BLOCK_FLUSH, 0, 0, 0, 0, ended, &flushes), 0);
        block_client_wait(flushing.client, true);
        assert_int_equal(flushes, before + 2);
        block_client_wait(busy.client, false);
        assert_true(reads < 10000);
    }
    block_client_wait(busy.client, true);
    assert_int_equal(reads, submitted);
    assert_int_equal(port->flushes, 25);
    client_close(&busy);
    client_close(&flushing);
}

static void flush_where_there_is_a_cache(void **state)
{
    struct test_client client;

    (void)state;
    port->identity[85] = 0;
    ahci_model_seal(port);
    ahci_attach();
    client_open(&client, AHCI_NAME, true, 4096);
    assert_int_equal(block_client_info(client.client)->flags,
                     BLOCK_INFO_DISCARD | BLOCK_INFO_SCATTER);
    assert_int_equal(client_request(&client, BLOCK_FLUSH, 0, 0, 0), BLOCK_STATUS_OK);
    assert_int_equal(port->flushes, 0);
    client_close(&client);
}

static void discards(void **state)
{
    static const uint32_t counts[] = {1, 65535, 65536, 300000};
    struct test_client client;

    (void)state;
    ahci_model_connect(&model, 0, AHCI_MODEL_DISK, 400000);
    ahci_attach();
    client_open(&client, AHCI_NAME, true, 4096);
    assert_int_equal(block_client_info(client.client)->max_blocks, 64 * 65535);
    for (unsigned i = 0; i < 4; i++) {
        memset(port->disk, 0, 400000 * 512);
        assert_int_equal(client_request(&client, BLOCK_DISCARD, 7, counts[i], 0), BLOCK_STATUS_OK);
        assert_int_equal(port->disk[7 * 512 - 1], 0);
        assert_int_equal(port->disk[7 * 512], 0xff);
        assert_int_equal(port->disk[(size_t)(7 + counts[i]) * 512 - 1], 0xff);
        assert_int_equal(port->disk[(size_t)(7 + counts[i]) * 512], 0);
    }
    assert_int_equal(port->trims, 4);
    assert_int_equal(client_request(&client, BLOCK_WRITE_ZEROES, 7, 1, 0), BLOCK_STATUS_INVALID);
    client_close(&client);

    ahci_again();
    port->identity[169] = 0;
    ahci_model_seal(port);
    ahci_attach();
    client_open(&client, AHCI_NAME, true, 4096);
    assert_int_equal(client_request(&client, BLOCK_DISCARD, 7, 1, 0), BLOCK_STATUS_INVALID);
    client_close(&client);
}

static void an_optical_drive(void **state)
{
    struct test_client client;

    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        if (way > 0)
            ahci_again();
        ahci_model_connect(&model, 1, AHCI_MODEL_PACKET, 4000);
        model.port[1].unit_attention = way;
        memset(model.port[1].disk + 999 * 2048, 0x5a, 2048);
        ahci_attach();
        client_open(&client, "ahci0p1", false, 65536);
        const struct block_info *info = block_client_info(client.client);
        assert_int_equal(info->block_size, 2048);
        assert_int_equal(info->blocks, 1000);
        assert_int_equal(info->flags, BLOCK_INFO_READ_ONLY);
        assert_int_equal(client_request(&client, BLOCK_READ, 999, 1, 512), BLOCK_STATUS_OK);
        assert_int_equal(client.memory[511], 0);
        assert_int_equal(client.memory[512], 0x5a);
        assert_int_equal(client_request(&client, BLOCK_READ, 0, 32, 0), BLOCK_STATUS_OK);
        client_submit_reads(&client, BLOCK_CLIENT_BATCH);
        block_client_wait(client.client, true);
        assert_int_equal(client_ended[BLOCK_STATUS_OK], BLOCK_CLIENT_BATCH);
        assert_int_equal(model.port[1].most_in_flight, 1);
        driver.detach();
        client_close(&client);
    }
}

static void an_optical_drive_without_a_medium(void **state)
{
    (void)state;
    ahci_model_connect(&model, 1, AHCI_MODEL_PACKET, 4000);
    model.port[1].no_medium = true;
    ahci_attach();
    assert_true(model_log_has("there is no medium in it"));
}

/* What a driver before us left running is stopped before the device may reach memory: the model's
 * DMA would be a violation otherwise. */
static void the_controller_is_reset_first(void **state)
{
    (void)state;
    ahci_attach();
    assert_int_equal(model.resets, 1);
    driver.detach();
    assert_int_equal(model.resets, 2);
}

static void firmware_that_does_not_let_go(void **state)
{
    (void)state;
    model.firmware_keeps = true;
    ahci_attach();
    assert_true(model_log_has("the firmware does not let go"));
}

static void detach_flushes_and_rests(void **state)
{
    struct test_client client;

    (void)state;
    ahci_attach();
    client_open(&client, AHCI_NAME, true, 4096);
    assert_int_equal(client_request(&client, BLOCK_WRITE, 0, 8, 0), BLOCK_STATUS_OK);
    model.command_time = 20 * CLOCK_MILLISECOND;
    client_submit_reads(&client, BLOCK_CLIENT_BATCH);
    model_run(2 * CLOCK_MILLISECOND);
    assert_int_equal(port->unflushed, 1);
    driver.detach();
    assert_int_equal(port->unflushed, 0);
    assert_int_equal(port->standbys, 1);
    assert_int_equal(port->reads, BLOCK_CLIENT_BATCH);
    block_client_wait(client.client, true);
    assert_int_equal(client_ended[BLOCK_STATUS_OK], BLOCK_CLIENT_BATCH);

    /* Nothing reaches the disk any more: it is for the next driver. */
    client_submit_reads(&client, BLOCK_CLIENT_BATCH);
    model_run(CLOCK_SECOND);
    assert_int_equal(port->reads, BLOCK_CLIENT_BATCH);
    client_close(&client);
}

/* Many are polled for; single requests have an interrupt each, and so have those that want one. */
static void interrupts_are_held_back(void **state)
{
    struct test_client client;

    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        if (way > 0) {
            ahci_again();
            port->identity[76] = 0;
            ahci_model_seal(port);
        }
        ahci_attach();
        client_open(&client, AHCI_NAME, false, 4096);
        unsigned interrupts = model.interrupts;
        client_submit_reads(&client, BLOCK_CLIENT_BATCH);
        block_client_wait(client.client, true);
        assert_int_equal(client_ended[BLOCK_STATUS_OK], BLOCK_CLIENT_BATCH);
        assert_in_range(model.interrupts - interrupts, 0, 3);
        interrupts = model.interrupts;
        for (unsigned i = 0; i < 10; i++)
            assert_int_equal(client_request(&client, BLOCK_READ, 0, 1, 0), BLOCK_STATUS_OK);
        assert_int_equal(model.interrupts, interrupts + 10);
        client_close(&client);
    }
    ahci_again();
    model_settings("poll-from=0 gather=4");
    ahci_attach();
    assert_true(model_log_has("interrupts are not gathered"));
    client_open(&client, AHCI_NAME, false, 4096);
    client_submit_reads(&client, BLOCK_CLIENT_BATCH);
    block_client_wait(client.client, true);
    assert_int_equal(client_ended[BLOCK_STATUS_OK], BLOCK_CLIENT_BATCH);
    assert_in_range(model.interrupts, 1, BLOCK_CLIENT_BATCH);
    client_close(&client);
}

static void interrupts_that_are_lost(void **state)
{
    struct test_client client;

    (void)state;
    ahci_attach();
    client_open(&client, AHCI_NAME, false, 4096);
    model.no_interrupts = true;
    uint64_t start = model_time();
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_OK);
    assert_true(model_time() - start < 6 * CLOCK_SECOND);
    client_close(&client);
}

enum { PORT_STATUS = 0x110 }; /* of the first port */

static uint64_t (*model_read)(struct model_device *, unsigned, size_t, unsigned);

/* The driver takes its time before it reads the port's status, if one of two commands is done. */
static uint64_t read_late(struct model_device *of, unsigned window, size_t offset, unsigned width)
{
    if (offset == PORT_STATUS && port->sact != 0 && port->sact != 3)
        clock_sleep(4 * CLOCK_MILLISECOND);
    return model_read(of, window, offset, width);
}

/* Its interrupt is the same, and is not forgotten with the other's. */
static void a_command_that_ends_as_another_is_told_of(void **state)
{
    struct test_client client;

    (void)state;
    model_settings("poll-from=0 poll-few=0");
    ahci_attach();
    client_open(&client, AHCI_NAME, false, 4096);
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 1, 0), BLOCK_STATUS_OK);
    model.command_time = 5 * CLOCK_MILLISECOND;
    model_read = model.device.read;
    model.device.read = read_late;
    uint64_t start = model_time();
    for (unsigned i = 0; i < 2; i++) {
        client_submit_reads(&client, 1);
        assert_int_equal(block_client_poll(client.client), 0);
        model_run(3 * CLOCK_MILLISECOND);
    }
    block_client_wait(client.client, true);
    assert_int_equal(client_ended[BLOCK_STATUS_OK], 2);
    assert_true(model_time() - start < 100 * CLOCK_MILLISECOND);
    client_close(&client);
}

/* On a shared line: what is not ours is said to be so. */
static void interrupts_of_others(void **state)
{
    (void)state;
    ahci_attach();
    model_run(10 * CLOCK_MILLISECOND);
    unsigned rejected = model_interrupts_rejected();
    model_interrupt(0);
    model_run(10 * CLOCK_MILLISECOND);
    assert_int_equal(model_interrupts_rejected(), rejected + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        AHCI_TEST(attach_describes_the_disk),
        AHCI_TEST(every_port_is_a_disk),
        AHCI_TEST(spin_up_one_by_one),
        AHCI_TEST(a_controller_with_nothing_connected),
        AHCI_TEST(every_shape_of_transfer),
        AHCI_TEST(scattered_data_is_one_command),
        AHCI_TEST(long_sectors),
        AHCI_TEST(queues_of_every_depth),
        AHCI_TEST(flushes_among_reads_and_writes),
        AHCI_TEST(flush_where_there_is_a_cache),
        AHCI_TEST(discards),
        AHCI_TEST(an_optical_drive),
        AHCI_TEST(an_optical_drive_without_a_medium),
        AHCI_TEST(the_controller_is_reset_first),
        AHCI_TEST(firmware_that_does_not_let_go),
        AHCI_TEST(detach_flushes_and_rests),
        AHCI_TEST(interrupts_are_held_back),
        AHCI_TEST(interrupts_that_are_lost),
        AHCI_TEST(a_command_that_ends_as_another_is_told_of),
        AHCI_TEST(interrupts_of_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
