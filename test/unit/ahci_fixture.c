/* SPDX-License-Identifier: GPL-2.0-or-later */
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

void ahci_check_works(struct test_client *client)
{
    client_check_transfer(client, port->disk, 77, 3, 0);
}
