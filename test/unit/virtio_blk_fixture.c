/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/unit/virtio_blk_fixture.h>

struct virtio_blk_model model;
struct device *device;

static void begin(void)
{
    virtio_blk_model_init(&model, BLK_SECTORS);
    device = model_host_begin(&model.virtio.device, BLK_NAME);
}

static void end(void)
{
    unsigned violations = model_violations();

    model_host_end();
    virtio_blk_model_destroy(&model);
    assert_int_equal(violations, 0);
}

int blk_setup(void **state)
{
    (void)state;
    begin();
    return 0;
}

int blk_teardown(void **state)
{
    (void)state;
    end();
    return 0;
}

void blk_again(void)
{
    end();
    begin();
}

void blk_attach(void)
{
    assert_int_equal(driver.attach(device), 0);
}
