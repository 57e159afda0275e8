/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The AHCI driver at its start and its end: controllers and disks that it should not drive, that do
 * not come up, take their time or are silent, and what a stop does beside them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <test/unit/ahci_fixture.h>
#include <test/unit/ending.h>

static void a_disk_that_does_not_come_up_again(void **state)
{
    struct test_client client;

    (void)state;
    ahci_attach();
    client_open(&client, AHCI_NAME, true, 65536);
    port->never_wakes = true;
    port->link_errors = 1;
    uint64_t start = model_time();
    assert_int_equal(batch(&client), 0);
    assert_int_equal(client_ended[BLOCK_STATUS_GONE], 32);
    assert_in_range(model_time() - start, 10 * CLOCK_SECOND, 15 * CLOCK_SECOND);
    model_run(31 * CLOCK_SECOND);
    assert_true(model_log_has("the device does not become ready"));
    client_close(&client);
}

/* It comes up again, but does not say that it is the one that it was. */
static void a_disk_that_does_not_say_what_it_is(void **state)
{
    struct test_client client;

    (void)state;
    ahci_attach();
    client_open(&client, AHCI_NAME, true, 65536);
    port->moves_less = true;
    port->link_errors = 1;
    assert_int_equal(batch(&client), 0);
    assert_int_equal(client_ended[BLOCK_STATUS_GONE], 32);
    assert_true(model_log_has("it fails again and again"));
    client_close(&client);
}

static void disks_that_are_not_offered(void **state)
{
    static const struct {
        unsigned word;
        uint16_t value;
        const char *said;
    } cases[] = {
        {0, 0x44, "before it is spun up by a command"},
        {49, 0, "no DMA with addresses of 48 bits"},
        {83, 0, "no DMA with addresses of 48 bits"},
        {83, 0xffff, "no DMA with addresses of 48 bits"},
        {128, 7, "it is locked by a password"},
        {106, 0x5000, "it cannot be published"}, /* sectors of words 117, 118, which are 0 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (i > 0)
            ahci_again();
        port->identity[cases[i].word] = cases[i].value;
        ahci_model_seal(port);
        ahci_attach();
        assert_true(model_log_has("port 0 is not used: "));
        assert_true(model_log_has(cases[i].said));
        assert_true(model_log_has("4 ports, nothing to use"));
    }
    ahci_again();
    port->moves_less = true;
    ahci_attach();
    assert_true(model_log_has("port 0 is not used: it fails again and again"));
}

static void sector_sizes_that_cannot_be(void **state)
{
    static const uint32_t words[] = {128, 257, 3000, 65537, UINT32_MAX, 1u << 31};

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (i > 0)
            ahci_again();
        port->identity[106] = 0x5000;
        port->identity[117] = (uint16_t)words[i];
        port->identity[118] = (uint16_t)(words[i] >> 16);
        ahci_model_seal(port);
        ahci_attach();
        assert_true(model_log_has("is not offered: Invalid argument"));
    }
}

enum { AHCI_MODEL_SSTS = 0x128, AHCI_MODEL_SERR = 0x130 }; /* of the first port */

/* For a while the disk at port 2 is read: it does not notice the others, nor does the supervisor.
 */
static void assert_goes_on(uint64_t nanoseconds)
{
    struct test_client client;
    uint64_t start = model_time();

    client_open(&client, "ahci0p2", true, 65536);
    ahci_silence_watch();
    while (model_time() - start < nanoseconds) {
        uint64_t before = model_time();
        assert_int_equal(client_request(&client, BLOCK_READ, 7, 1, 0), BLOCK_STATUS_OK);
        assert_true(model_time() - before < 10 * CLOCK_MILLISECOND);
        model_run(20 * CLOCK_MILLISECOND);
    }
    assert_true(ahci_silence() < 10 * CLOCK_MILLISECOND);
    client_close(&client);
}

/* At the beginning, or at work: the others go on, and do not wait for it to be given up. */
static void a_disk_that_is_silent(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 4; way++) {
        if (way > 0)
            ahci_again();
        ahci_model_connect(&model, 2, AHCI_MODEL_DISK, 4096);
        model.link_time = model.wake_time = 0;
        model.cap |= way == 2 ? 1 << 27 : 0; /* 10.10: nor for their turn */
        if (way > 0)
            port->lose = 1000;
        port->never_wakes = way == 3;
        uint64_t start = model_time();
        ahci_attach();
        assert_true(model_time() - start < CLOCK_SECOND + 50 * CLOCK_MILLISECOND);
        if (way == 0) {
            port->lose = 1000;
            port->is |= 1u << 30;
        }
        assert_goes_on((way == 3 ? 32 : 14) * CLOCK_SECOND);
        assert_true(model_log_has(way == 3 ? "port 0 is not used: the device does not become ready"
                                           : "port 0 is not used: it fails again and again"));
    }
}

/* Whatever it is asked it takes its time, or does not answer, three times in a row. */
static void a_drive_that_is_slow(void **state)
{
    struct ahci_model_port *drive = &model.port[1];

    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        struct block_client *client;
        if (way > 0)
            ahci_again();
        ahci_model_connect(&model, 1, AHCI_MODEL_PACKET, 4000);
        ahci_model_connect(&model, 2, AHCI_MODEL_DISK, 4096);
        drive->unit_attention = true;
        drive->slow = (way == 0 ? 780 : 820) * CLOCK_MILLISECOND;
        uint64_t start = model_time();
        ahci_attach();
        assert_true(model_time() - start < CLOCK_SECOND + 50 * CLOCK_MILLISECOND);
        assert_goes_on(20 * CLOCK_SECOND);
        int error = block_client_open("ahci0p1", false, &client);
        assert_int_equal(error, way == 0 ? 0 : ENOENT);
        if (error == 0)
            block_client_close(client);
    }
}

/* A disk whose port recovers when the driver is told to stop is flushed as soon as it works again;
 * or it is told that it was not. The other is flushed in any case. */
static void a_stop_while_a_port_recovers(void **state)
{
    static const struct {
        uint32_t error; /* a command's, or the link's */
        uint64_t stop_time, wake_time;
        unsigned lose;
        bool never_stops, is_flushed;
    } cases[] = {
        {1u << 30, 20 * CLOCK_MILLISECOND, 0, 0, false, true},
        {1u << 27, CLOCK_MILLISECOND, 3 * CLOCK_SECOND, 0, false, true},
        {1u << 27, CLOCK_MILLISECOND, 0, 3, false, true},
        {1u << 27, CLOCK_MILLISECOND, 60 * CLOCK_SECOND, 0, false, false},
        {1u << 27, CLOCK_MILLISECOND, 0, 1000, false, false},
        {1u << 27, CLOCK_MILLISECOND, 0, 0, true, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct test_client client, other;
        if (i > 0)
            ahci_again();
        ahci_model_connect(&model, 2, AHCI_MODEL_DISK, 4096);
        ahci_attach();
        client_open(&client, AHCI_NAME, true, 65536);
        client_open(&other, "ahci0p2", true, 65536);
        assert_int_equal(client_request(&client, BLOCK_WRITE, 5, 1, 0), BLOCK_STATUS_OK);
        assert_int_equal(client_request(&other, BLOCK_WRITE, 5, 1, 0), BLOCK_STATUS_OK);
        model.stop_time = cases[i].stop_time;
        model.wake_time = cases[i].wake_time;
        port->lose = cases[i].lose;
        port->never_stops = cases[i].never_stops;
        port->is |= cases[i].error;
        model_run(3 * CLOCK_MILLISECOND);
        uint64_t start = model_time();
        driver.detach();
        assert_true(model_time() - start < 9 * CLOCK_SECOND);
        assert_int_equal(port->unflushed, !cases[i].is_flushed);
        assert_int_equal(port->standbys, cases[i].is_flushed);
        assert_int_equal(model_log_has("port 0: the disk was not flushed"), !cases[i].is_flushed);
        assert_int_equal(model.port[2].unflushed, 0);
        assert_int_equal(model.port[2].standbys, 1);
        assert_false(model_log_has("port 2: the disk was not flushed"));
        client_close(&client);
        client_close(&other);
    }
}

/* So it is if it is being asked what it is just then. */
static void a_stop_while_a_disk_is_asked(void **state)
{
    struct test_client client;

    (void)state;
    ahci_attach();
    client_open(&client, AHCI_NAME, true, 65536);
    assert_int_equal(client_request(&client, BLOCK_WRITE, 5, 1, 0), BLOCK_STATUS_OK);
    bad_set(7, 1);
    model.command_time = 20 * CLOCK_MILLISECOND;
    assert_int_equal(client_request(&client, BLOCK_READ, 7, 1, 0), BLOCK_STATUS_MEDIUM);
    assert_int_equal(port->logs, 0);
    model_run(2 * CLOCK_MILLISECOND);
    assert_int_equal(port->slot[0].accepted, true);
    driver.detach();
    assert_int_equal(port->logs, 1);
    assert_int_equal(port->unflushed, 0);
    assert_int_equal(port->standbys, 1);
    client_close(&client);
}

/* Of what was never used nobody is told at the end, nor waited for. */
static void a_stop_beside_a_silent_disk(void **state)
{
    (void)state;
    ahci_model_connect(&model, 2, AHCI_MODEL_DISK, 4096);
    model.port[2].lose = 1000;
    ahci_attach();
    uint64_t start = model_time();
    driver.detach();
    assert_true(model_time() - start < 100 * CLOCK_MILLISECOND);
    assert_int_equal(port->standbys, 1);
    assert_false(model_log_has("was not flushed"));
}

static void devices_of_other_kinds(void **state)
{
    (void)state;
    ahci_model_connect(&model, 1, AHCI_MODEL_MULTIPLIER, 0);
    ahci_attach();
    assert_true(model_log_has("port 1 is not used: it is neither disk nor optical drive"));
}

static void a_disk_that_never_wakes(void **state)
{
    struct block_client *client;

    (void)state;
    ahci_model_connect(&model, 1, AHCI_MODEL_DISK, 4096);
    model.port[1].never_wakes = true;
    ahci_attach();
    model_run(31 * CLOCK_SECOND);
    assert_true(model_log_has("port 1 is not used: the device does not become ready"));
    assert_int_equal(block_client_open(AHCI_NAME, false, &client), 0);
    block_client_close(client);
}

static uint64_t (*model_read)(struct model_device *, unsigned, size_t, unsigned);
static void (*model_write)(struct model_device *, unsigned, size_t, unsigned, uint64_t);
static bool is_there;

static uint64_t read_flapping(struct model_device *of, unsigned window, size_t offset,
                              unsigned width)
{
    uint64_t value = model_read(of, window, offset, width);

    if (offset != AHCI_MODEL_SSTS)
        return value;
    value = is_there ? 0x123 : 0;
    is_there = false;
    return value;
}

static void write_flapping(struct model_device *of, unsigned window, size_t offset, unsigned width,
                           uint64_t value)
{
    is_there |= offset == AHCI_MODEL_SERR;
    model_write(of, window, offset, width, value);
    assert_true(model_time() < 100 * CLOCK_SECOND);
}

/* Something is connected whenever the port is at rest, and never when it is looked at: the driver
 * attaches all the same. */
static void a_link_that_flaps(void **state)
{
    struct test_client client;

    (void)state;
    ahci_model_connect(&model, 2, AHCI_MODEL_DISK, 4096);
    model_read = model.device.read;
    model_write = model.device.write;
    model.device.read = read_flapping;
    model.device.write = write_flapping;
    ahci_attach();
    client_open(&client, "ahci0p2", true, 65536);
    client_check_transfer(&client, model.port[2].disk, 7, 2, 0);
    client_close(&client);
}

static void controllers_that_do_not_come_up(void **state)
{
    (void)state;
    model.gone = true;
    assert_int_equal(driver.attach(device), ETIMEDOUT);
    ahci_again();
    model.never_resets = true;
    assert_int_equal(driver.attach(device), ETIMEDOUT);
    assert_true(model_log_has("does not reset within 1 s"));
    ahci_again();
    model.device.identity.vectors = 0;
    assert_int_equal(driver.attach(device), EINVAL);
    ahci_again();
    model.device.window_size[5] = 0;
    assert_int_equal(driver.attach(device), ENXIO);
    ahci_again();
    model.device.window_size[5] = 0x180; /* of one port */
    ahci_attach();
    ahci_again();
    model_memory_limit(0);
    ahci_attach();
    assert_true(model_log_has("port 0 is not used: "));
}

static void a_controller_with_addresses_of_32_bits(void **state)
{
    (void)state;
    model.cap &= ~(1u << 31);
    assert_int_equal(driver.attach(device), ENOTSUP);
    assert_true(model_log_has("does not reach memory above 4 GiB"));
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        AHCI_TEST(a_disk_that_does_not_come_up_again),
        AHCI_TEST(a_disk_that_does_not_say_what_it_is),
        AHCI_TEST(disks_that_are_not_offered),
        AHCI_TEST(sector_sizes_that_cannot_be),
        AHCI_TEST(a_disk_that_is_silent),
        AHCI_TEST(a_drive_that_is_slow),
        AHCI_TEST(a_stop_while_a_port_recovers),
        AHCI_TEST(a_stop_while_a_disk_is_asked),
        AHCI_TEST(a_stop_beside_a_silent_disk),
        AHCI_TEST(devices_of_other_kinds),
        AHCI_TEST(a_disk_that_never_wakes),
        AHCI_TEST(a_link_that_flaps),
        AHCI_TEST(controllers_that_do_not_come_up),
        AHCI_TEST(a_controller_with_addresses_of_32_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
