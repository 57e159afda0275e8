/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The AHCI driver against disks that fail, go or lie at work. What does not come up, or should not
 * be driven: ahci_start_test.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <test/unit/ahci_fixture.h>
#include <test/unit/ending.h>

/* Whatever the log says or does not, the one that failed fails, and only that. */
static void one_of_many_fails_alone(void **state)
{
    static const struct {
        enum ahci_model_log log;
        bool queued;
    } cases[] = {
        {AHCI_MODEL_LOG_RIGHT, true},   {AHCI_MODEL_LOG_NONE, true},
        {AHCI_MODEL_LOG_DAMAGED, true}, {AHCI_MODEL_LOG_OTHER, true},
        {AHCI_MODEL_LOG_SILENT, true},  {AHCI_MODEL_LOG_NOT_QUEUED, true},
        {AHCI_MODEL_LOG_WAITING, true}, {AHCI_MODEL_LOG_RIGHT, false},
    };
    struct test_client client;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (i > 0)
            ahci_again();
        port->log = cases[i].log;
        port->takes_back = true;
        port->identity[76] = cases[i].queued ? 1 << 8 : 0;
        port->identity[75] = 29; /* tag 31 is never in flight */
        ahci_model_seal(port);
        ahci_attach();
        client_open(&client, AHCI_NAME, true, 65536);
        for (uint64_t bad = 0; bad < 32; bad += 7) {
            bad_set(bad, 1);
            assert_int_equal(batch(&client), 31);
            assert_int_equal(client_ended[BLOCK_STATUS_MEDIUM], 1);
        }
        bad_set(0, 0);
        assert_int_equal(batch(&client), 32);
        ahci_check_works(&client);
        assert_int_equal(port->resets, cases[i].log == AHCI_MODEL_LOG_SILENT ? 16 : 1);
        assert_true(model_log_has("read of 1 blocks at 7 failed with status 40"));
        client_close(&client);
    }
}

static void errors_are_told_apart(void **state)
{
    static const struct {
        uint8_t error;
        enum block_status status;
    } cases[] = {{0x40, BLOCK_STATUS_MEDIUM},
                 {0x10, BLOCK_STATUS_MEDIUM},
                 {0x04, BLOCK_STATUS_DEVICE},
                 {0x84, BLOCK_STATUS_DEVICE}};
    struct test_client client;

    (void)state;
    ahci_attach();
    client_open(&client, AHCI_NAME, true, 4096);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bad_set(9, 1);
        port->bad_error = cases[i].error;
        assert_int_equal(client_request(&client, BLOCK_READ, 9, 1, 0), cases[i].status);
        assert_int_equal(client_request(&client, BLOCK_WRITE, 8, 4, 0), cases[i].status);
        assert_int_equal(client_request(&client, BLOCK_READ, 10, 1, 0), BLOCK_STATUS_OK);
    }
    assert_int_equal(client_request(&client, BLOCK_DISCARD, 9, 1, 0), BLOCK_STATUS_DEVICE);
    bad_set(0, UINT64_MAX);
    assert_int_equal(client_request(&client, BLOCK_FLUSH, 0, 0, 0), BLOCK_STATUS_DEVICE);
    bad_set(0, 0);
    ahci_check_works(&client);
    client_close(&client);
}

static void errors_do_not_fill_the_log(void **state)
{
    struct test_client client;

    (void)state;
    ahci_attach();
    client_open(&client, AHCI_NAME, true, 4096);
    bad_set(9, 1);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(client_request(&client, BLOCK_READ, 9, 1, 0), BLOCK_STATUS_MEDIUM);
    assert_in_range(model_log_count("failed with status"), 8, 20);
    client_close(&client);
}

/* A plain command that moves less than it should has not been carried out, whatever it says. */
static void answers_that_are_too_short(void **state)
{
    struct test_client client;

    (void)state;
    port->identity[76] = 0;
    ahci_model_seal(port);
    ahci_attach();
    client_open(&client, AHCI_NAME, true, 4096);
    port->moves_less = true;
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_DEVICE);
    port->moves_less = false;
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 8, 0), BLOCK_STATUS_OK);
    client_close(&client);
}

/* Errors of the link: it is reset, the commands are carried out all the same, unless it goes on. */
static void errors_of_the_link(void **state)
{
    struct test_client client;

    (void)state;
    ahci_attach();
    client_open(&client, AHCI_NAME, true, 65536);
    port->link_errors = 1;
    assert_int_equal(batch(&client), 32);
    assert_int_equal(port->resets, 2);
    assert_true(model_log_has("an error of the link or the bus"));
    port->link_errors = 3;
    assert_int_equal(client_request(&client, BLOCK_WRITE, 5, 1, 0), BLOCK_STATUS_OK);
    port->link_errors = 1000;
    assert_int_equal(client_request(&client, BLOCK_READ, 5, 1, 0), BLOCK_STATUS_DEVICE);
    port->link_errors = 0;
    ahci_check_works(&client);
    client_close(&client);
}

/* Until the log was read, or the link reset, the disk carries out nothing else. */
static void a_log_that_cannot_be_read(void **state)
{
    struct test_client client;

    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        if (way > 0)
            ahci_again();
        ahci_attach();
        client_open(&client, AHCI_NAME, true, 65536);
        bad_set(7, 1);
        memset(client_ended, 0, sizeof(client_ended));
        client_submit_reads(&client, 32);
        while (!port->wants_log)
            model_run(CLOCK_MILLISECOND / 10);
        port->link_errors = way == 0;
        port->log = way == 0 ? AHCI_MODEL_LOG_RIGHT : AHCI_MODEL_LOG_NONE;
        block_client_wait(client.client, true);
        assert_int_equal(client_ended[BLOCK_STATUS_OK], 31);
        assert_int_equal(client_ended[BLOCK_STATUS_MEDIUM], 1);
        client_close(&client);
    }
}

static void read_for_long(void *client)
{
    batch(client);
}

static void stop_at_work(void *client)
{
    client_submit_reads(client, 32);
    model_run(CLOCK_SECOND);
    driver.detach();
}

static void others_check(void)
{
    if (model.port[2].unflushed > 0 || model.port[2].standbys != 1)
        _exit(EXIT_SUCCESS);
}

static void stop_beside_another(void *client)
{
    atexit(others_check);
    stop_at_work(client);
}

static void stop_beside_one_that_does_not(void *client)
{
    atexit(others_check);
    model.command_time = CLOCK_SECOND;
    client_submit_reads(client, 32);
    model_run(5 * CLOCK_MILLISECOND);
    port->is |= 1u << 27;
    model_run(5 * CLOCK_MILLISECOND);
    model.command_time = CLOCK_MILLISECOND;
    driver.detach();
}

static void assert_others_are_flushed(void (*stop)(void *client))
{
    struct test_client client, other;

    ahci_model_connect(&model, 2, AHCI_MODEL_DISK, 4096);
    ahci_attach();
    client_open(&client, AHCI_NAME, true, 65536);
    client_open(&other, "ahci0p2", true, 65536);
    assert_int_equal(client_request(&other, BLOCK_WRITE, 7, 2, 0), BLOCK_STATUS_OK);
    port->lose = stop == stop_beside_another;
    port->never_stops = stop == stop_beside_one_that_does_not;
    assert_driver_ends_saying("given up: requests are still in flight", 5 * CLOCK_SECOND, stop,
                              &client);
    client_close(&client);
    client_close(&other);
}

/* It is no reason not to flush the others. */
static void a_command_that_is_lost_at_the_end(void **state)
{
    (void)state;
    assert_others_are_flushed(stop_beside_another);
}

/* Nor is a port that is being recovered, in vain. */
static void a_port_that_does_not_stop_at_the_end(void **state)
{
    (void)state;
    assert_others_are_flushed(stop_beside_one_that_does_not);
}

/* One command is never answered: the driver ends, and another one is given it again. */
static void a_command_that_is_lost(void **state)
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
        client_open(&client, AHCI_NAME, true, 65536);
        port->lose = 1;
        assert_driver_ends_saying("given up: a request was not completed within 30 s",
                                  30 * CLOCK_SECOND, read_for_long, &client);
        assert_driver_ends_saying("given up: requests are still in flight", 5 * CLOCK_SECOND,
                                  stop_at_work, &client);
        client_close(&client);
    }
}

/* Its clients wait for it for a while; the other disk's do not notice. */
static void a_disk_that_is_unplugged(void **state)
{
    struct test_client clients[2], late;
    struct block_client *none;

    (void)state;
    ahci_model_connect(&model, 2, AHCI_MODEL_DISK, 4096);
    ahci_attach();
    client_open(&clients[0], AHCI_NAME, true, 65536);
    client_open(&clients[1], "ahci0p2", true, 65536);
    model.command_time = 100 * CLOCK_MILLISECOND;
    client_submit_reads(&clients[0], 32);
    model_run(5 * CLOCK_MILLISECOND);
    ahci_model_unplug(&model, 0);
    model_run(2 * CLOCK_SECOND);
    assert_true(model_log_has("port 0 is not used: it was unplugged"));
    assert_int_equal(client_ended[BLOCK_STATUS_GONE], 0);
    assert_int_equal(block_client_open(AHCI_NAME, false, &none), ENOENT);
    client_check_transfer(&clients[1], model.port[2].disk, 7, 2, 0);
    uint64_t start = model_time();
    block_client_wait(clients[0].client, true);
    assert_int_equal(client_ended[BLOCK_STATUS_GONE], 32);
    assert_true(model_time() - start < 10 * CLOCK_SECOND);
    assert_int_equal(client_request(&clients[0], BLOCK_READ, 0, 1, 0), BLOCK_STATUS_GONE);

    model.command_time = CLOCK_MILLISECOND;
    ahci_model_plug(&model, 0, AHCI_MODEL_DISK, 4096);
    model_run(100 * CLOCK_MILLISECOND);
    client_open(&late, AHCI_NAME, true, 65536);
    assert_int_equal(block_client_info(late.client)->blocks, 4096);
    client_check_transfer(&late, port->disk, 5, 3, 0);
    client_check_transfer(&clients[1], model.port[2].disk, 7, 2, 0);
    assert_int_equal(client_request(&clients[0], BLOCK_READ, 0, 1, 0), BLOCK_STATUS_GONE);
    client_close(&clients[0]);
    client_close(&clients[1]);
    client_close(&late);
}

/* Soon enough: it is offered anew, and nobody notices. */
static void a_disk_that_comes_back(void **state)
{
    static const uint64_t away[] = {CLOCK_MILLISECOND, 3 * CLOCK_SECOND};
    struct test_client client;

    (void)state;
    ahci_attach();
    client_open(&client, AHCI_NAME, true, 65536);
    for (unsigned i = 0; i < 2; i++) {
        model.command_time = 100 * CLOCK_MILLISECOND;
        client_submit_reads(&client, 32);
        model_run(5 * CLOCK_MILLISECOND);
        ahci_model_unplug(&model, 0);
        model_run(away[i]);
        ahci_model_replug(&model, 0);
        block_client_wait(client.client, true);
        assert_int_equal(client_ended[BLOCK_STATUS_OK], 32 * (i + 1));
        assert_int_equal(block_client_counts(client.client).recoveries, i + 1);
        model.command_time = CLOCK_MILLISECOND;
        ahci_check_works(&client);
    }
    client_close(&client);
}

/* Nothing may go to it that was meant for the one that was there. */
static void another_disk_in_its_place(void **state)
{
    struct test_client client, other;

    (void)state;
    ahci_attach();
    client_open(&client, AHCI_NAME, true, 65536);
    model.command_time = 100 * CLOCK_MILLISECOND;
    client_submit_reads(&client, 32);
    model_run(5 * CLOCK_MILLISECOND);
    ahci_model_unplug(&model, 0);
    ahci_model_plug(&model, 0, AHCI_MODEL_DISK, 4096);
    block_client_wait(client.client, true);
    assert_int_equal(client_ended[BLOCK_STATUS_GONE], 32);
    assert_true(model_log_has("another disk is in its place"));
    assert_int_equal(port->reads, 0);
    client_open(&other, AHCI_NAME, true, 65536);
    ahci_check_works(&other);
    client_close(&client);
    client_close(&other);
}

/* So it is if that happens while the port recovers from an error that is no reason to look. */
static void another_disk_while_a_port_recovers(void **state)
{
    static const uint64_t stops[] = {20 * CLOCK_MILLISECOND, CLOCK_MILLISECOND / 2};
    struct test_client client;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        if (i > 0)
            ahci_again();
        ahci_attach();
        client_open(&client, AHCI_NAME, true, 65536);
        model.stop_time = stops[i];
        model.command_time = 100 * CLOCK_MILLISECOND;
        client_submit_reads(&client, 32);
        port->is |= 1u << 30;
        model_run(CLOCK_MILLISECOND / 5);
        ahci_model_unplug(&model, 0);
        ahci_model_plug(&model, 0, AHCI_MODEL_DISK, AHCI_TEST_SECTORS);
        port->identity[10]++;
        ahci_model_seal(port);
        block_client_wait(client.client, true);
        assert_int_equal(client_ended[BLOCK_STATUS_GONE], 32);
        assert_true(model_log_has("another disk is in its place"));
        assert_int_equal(port->reads, 0);
        client_close(&client);
    }
}

/* It comes back, but what it had not flushed may be gone: whatever it was, it is offered anew, for
 * the clients, who have it, to write it again. */
static void a_disk_that_loses_its_cache(void **state)
{
    static const bool cases[][2] = {
        {true, false}, {true, true}, {false, false}}; /* cached, flushed */

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct test_client client;
        if (i > 0)
            ahci_again();
        port->identity[85] = cases[i][0] ? 1 << 5 : 0;
        ahci_model_seal(port);
        ahci_attach();
        client_open(&client, AHCI_NAME, true, 65536);
        assert_int_equal(client_request(&client, BLOCK_WRITE, 5, 1, 0), BLOCK_STATUS_OK);
        if (cases[i][1])
            assert_int_equal(client_request(&client, BLOCK_FLUSH, 0, 0, 0), BLOCK_STATUS_OK);
        ahci_model_unplug(&model, 0);
        model_run(5 * CLOCK_MILLISECOND);
        ahci_model_replug(&model, 0);
        model_run(CLOCK_SECOND);
        ahci_check_works(&client);
        assert_int_equal(block_client_counts(client.client).recoveries, 1);
        client_close(&client);
    }
}

/* What is connected while the driver runs, to a port that was empty or is again. */
static void a_port_that_was_empty(void **state)
{
    struct test_client client;

    (void)state;
    ahci_attach();
    for (unsigned i = 0; i < 3; i++) {
        ahci_model_plug(&model, 1, AHCI_MODEL_MULTIPLIER, 0);
        model_run(100 * CLOCK_MILLISECOND);
        assert_int_equal(model_log_count("port multipliers are not supported"), i + 1);
        ahci_model_unplug(&model, 1);
        model_run(100 * CLOCK_MILLISECOND);
        ahci_model_plug(&model, 1, AHCI_MODEL_DISK, 4096);
        model_run(CLOCK_MILLISECOND * 100);
        client_open(&client, "ahci0p1", true, 65536);
        client_check_transfer(&client, model.port[1].disk, 7, 2, 0);
        client_close(&client);
        ahci_model_unplug(&model, 1);
        model_run(2 * CLOCK_SECOND);
        assert_false(model_timer_is_set());
    }
    ahci_model_plug(&model, 1, AHCI_MODEL_DISK, 4096);
    model.port[1].never_wakes = true;
    model_run(40 * CLOCK_SECOND);
    assert_true(model_log_has("port 1 is not used: the device does not become ready"));
    model.port[1].never_wakes = false;
    ahci_model_unplug(&model, 1);
    ahci_model_plug(&model, 1, AHCI_MODEL_DISK, 4096);
    model_run(2 * CLOCK_MILLISECOND);
    ahci_model_unplug(&model, 1); /* while it is looked at */
    model_run(2 * CLOCK_SECOND);
    assert_false(model_timer_is_set());
    ahci_model_replug(&model, 1);
    model_run(CLOCK_SECOND);
    client_open(&client, "ahci0p1", true, 65536);
    driver.detach();
    client_close(&client);
}

/* Noticed while nothing is asked for, or by a command that fails. No client is given what belongs
 * to another medium. */
static void mediums_that_change(void **state)
{
    struct ahci_model_port *drive = &model.port[1];
    struct test_client client, before;
    struct block_client *none;

    (void)state;
    ahci_model_connect(&model, 1, AHCI_MODEL_PACKET, 4000);
    drive->no_medium = true;
    ahci_attach();
    model_run(10 * CLOCK_SECOND);
    assert_int_equal(model_log_count("there is no medium in it"), 1);
    assert_int_equal(block_client_open("ahci0p1", false, &none), ENOENT);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t sectors = i < 2 ? 4000 : 4000 + 4 * i;
        if (i > 0)
            client_submit_reads(&before, i % 2);
        ahci_model_medium(&model, 1, sectors);
        model_run(5 * CLOCK_SECOND);
        client_open(&client, "ahci0p1", false, 65536);
        assert_int_equal(block_client_info(client.client)->blocks, sectors / 4);
        assert_int_equal(client_request(&client, BLOCK_READ, 999, 1, 0), BLOCK_STATUS_OK);
        assert_int_equal(drive->most_in_flight, 1);
        if (i > 0) {
            assert_int_equal(client_request(&before, BLOCK_READ, 1, 1, 0), BLOCK_STATUS_GONE);
            client_close(&before);
        }
        before = client;
    }
    ahci_model_medium(&model, 1, 0);
    assert_int_equal(client_request(&before, BLOCK_READ, 1, 1, 0), BLOCK_STATUS_GONE);
    assert_int_equal(model_log_count("was changed or taken out"), 4);
    ahci_model_unplug(&model, 1);
    model_run(4 * CLOCK_SECOND);
    assert_false(model_timer_is_set());
    client_close(&before);
}

/* Nor if it is changed while nothing is offered, as the drive's link is reset. */
static void a_medium_that_changes_with_the_link(void **state)
{
    struct test_client client;

    (void)state;
    ahci_model_connect(&model, 1, AHCI_MODEL_PACKET, 4000);
    ahci_attach();
    client_open(&client, "ahci0p1", false, 65536);
    ahci_model_unplug(&model, 1);
    model_run(100 * CLOCK_MILLISECOND);
    ahci_model_medium(&model, 1, 4000);
    ahci_model_replug(&model, 1);
    model_run(CLOCK_SECOND);
    assert_int_equal(client_request(&client, BLOCK_READ, 1, 1, 0), BLOCK_STATUS_GONE);
    client_close(&client);
}

/* A drive that was reset says so, and has the medium still: nobody notices. */
static void a_drive_that_is_reset(void **state)
{
    struct test_client client;

    (void)state;
    ahci_model_connect(&model, 1, AHCI_MODEL_PACKET, 4000);
    ahci_attach();
    client_open(&client, "ahci0p1", false, 65536);
    for (unsigned i = 0; i < 10; i++) {
        model.port[1].attention = true;
        client_submit_reads(&client, 4);
        block_client_wait(client.client, true);
        assert_int_equal(client_ended[BLOCK_STATUS_OK], 4 * (i + 1));
        model_run(i % 2 * 3 * CLOCK_SECOND);
    }
    assert_int_equal(block_client_counts(client.client).recoveries, 0);
    client_close(&client);
}

/* Errors with nothing to do: a disk that has them without end is given up. */
static void errors_out_of_nothing(void **state)
{
    struct test_client client;

    (void)state;
    ahci_attach();
    client_open(&client, AHCI_NAME, true, 65536);
    for (unsigned i = 0; i < 10; i++) {
        port->is |= 1u << 30;
        model_run(20 * CLOCK_MILLISECOND);
    }
    ahci_check_works(&client);
    for (unsigned i = 0; i < 100; i++) {
        port->is |= 1u << 30;
        model_run(20 * CLOCK_MILLISECOND);
    }
    assert_int_equal(model_log_count("it fails again and again"), 1);
    assert_int_equal(client_request(&client, BLOCK_READ, 0, 1, 0), BLOCK_STATUS_GONE);
    client_close(&client);
}

/* With a client's requests in flight, on a port that is bad in one way. */
static void assert_ends_at_work(void (*work)(void *client), bool never_stops, bool keeps_issued)
{
    struct test_client client;

    ahci_attach();
    client_open(&client, AHCI_NAME, true, 65536);
    port->never_stops = never_stops;
    port->keeps_issued = keeps_issued;
    assert_driver_ends(work, &client);
    client_close(&client);
}

static void fail_at_work(void *client)
{
    model.command_time = CLOCK_SECOND;
    client_submit_reads(client, 1);
    model_run(5 * CLOCK_MILLISECOND);
    port->ci |= port->keeps_issued ? 1u << 9 : 0;
    port->slot[9].accepted = port->slot[9].lost = true;
    port->is |= 1u << 27;
    model_run(10 * CLOCK_SECOND);
}

/* While the engine runs, memory may be written: requests are not over. Then only the system can
 * stop it, and does when the driver ends. */
static void a_port_that_does_not_stop_ends_the_driver(void **state)
{
    (void)state;
    assert_ends_at_work(fail_at_work, true, false);
    ahci_again();
    assert_ends_at_work(fail_at_work, false, true);
}

static void go_at_work(void *client)
{
    model.command_time = 100 * CLOCK_SECOND;
    client_submit_reads(client, 32);
    model_run(5 * CLOCK_MILLISECOND);
    if (port->never_stops) { /* while it recovers */
        port->is |= 1u << 27;
        model_run(5 * CLOCK_MILLISECOND);
    }
    model.gone = true;
    model_run(8 * CLOCK_SECOND);
}

/* The next driver says that it does not reset (controllers_that_do_not_come_up). */
static void a_controller_that_goes_ends_the_driver(void **state)
{
    (void)state;
    assert_ends_at_work(go_at_work, false, false);
    ahci_again();
    assert_ends_at_work(go_at_work, true, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        AHCI_TEST(one_of_many_fails_alone),
        AHCI_TEST(errors_are_told_apart),
        AHCI_TEST(errors_do_not_fill_the_log),
        AHCI_TEST(answers_that_are_too_short),
        AHCI_TEST(errors_of_the_link),
        AHCI_TEST(a_log_that_cannot_be_read),
        AHCI_TEST(a_command_that_is_lost),
        AHCI_TEST(a_command_that_is_lost_at_the_end),
        AHCI_TEST(a_port_that_does_not_stop_at_the_end),
        AHCI_TEST(a_disk_that_is_unplugged),
        AHCI_TEST(a_disk_that_comes_back),
        AHCI_TEST(another_disk_in_its_place),
        AHCI_TEST(another_disk_while_a_port_recovers),
        AHCI_TEST(a_disk_that_loses_its_cache),
        AHCI_TEST(a_port_that_was_empty),
        AHCI_TEST(mediums_that_change),
        AHCI_TEST(a_medium_that_changes_with_the_link),
        AHCI_TEST(a_drive_that_is_reset),
        AHCI_TEST(errors_out_of_nothing),
        AHCI_TEST(a_port_that_does_not_stop_ends_the_driver),
        AHCI_TEST(a_controller_that_goes_ends_the_driver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
