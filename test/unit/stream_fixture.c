/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/unit/stream_fixture.h>

struct device *device;
struct stream_client *client;

void stream_setup(struct model_device *model, const char *name)
{
    device = model_host_begin(model, name);
    client = NULL;
}

int stream_teardown(void **state)
{
    unsigned violations = model_violations();

    (void)state;
    if (client)
        stream_client_close(client);
    model_stream_end();
    model_host_end();
    assert_int_equal(violations, 0);
    return 0;
}

void stream_begin(void)
{
    assert_int_equal(driver.attach(device), 0);
    assert_int_equal(stream_client_open(device_name(device), &client), 0);
}
