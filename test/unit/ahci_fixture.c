/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include <test/unit/ahci_fixture.h>

struct ahci_model model;
struct ahci_model_port *const port = &model.port[0];
struct device *device;

static void begin(void)
{
    ahci_model_init(&model, AHCI_TEST_SECTORS);
    device = model_host_begin(&model.device, "ahci0");
}

static void end(void)
{
    unsigned violations = model_violations();

    model_host_end();
    ahci_model_destroy(&model);
    assert_int_equal(violations, 0);
}

int ahci_setup(void **state)
{
    (void)state;
    begin();
    return 0;
}

int ahci_teardown(void **state)
{
    (void)state;
    end();
    return 0;
}

void ahci_again(void)
{
    end();
    begin();
}

void ahci_attach(void)
{
    assert_int_equal(driver.attach(device), 0);
}

static struct clock_timer silence_timer;
static uint64_t silence_since, silence_most;

static void silence_look(void *context)
{
    uint64_t now = model_time();

    (void)context;
    if (now - silence_since > silence_most)
        silence_most = now - silence_since;
    silence_since = now;
    clock_timer_start(&silence_timer, CLOCK_MILLISECOND, silence_look, NULL);
}

void ahci_silence_watch(void)
{
    silence_timer = (struct clock_timer){0};
    silence_since = model_time();
    silence_most = 0;
    silence_look(NULL);
}

uint64_t ahci_silence(void)
{
    return silence_most;
}

void ahci_check_works(struct test_client *client)
{
    client_check_transfer(client, port->disk, 77, 3, 0);
}

void bad_set(uint64_t first, uint64_t count)
{
    port->bad_first = first;
    port->bad_count = count;
}

unsigned batch(struct test_client *client)
{
    memset(client_ended, 0, sizeof(client_ended));
    client_submit_reads(client, 32);
    block_client_wait(client->client, true);
    return client_ended[BLOCK_STATUS_OK];
}
