/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include <test/unit/nvme_fixture.h>

struct nvme_model model;
struct device *device;
bool nvme_is_shadowed;

int nvme_run(const struct CMUnitTest *tests, size_t count)
{
    nvme_is_shadowed = false;
    int failed = _cmocka_run_group_tests("nvme", tests, count, NULL, NULL);

    nvme_is_shadowed = true;
    return failed + _cmocka_run_group_tests("nvme, shadow doorbells", tests, count, NULL, NULL);
}

static void begin(void)
{
    nvme_model_init(&model, 16384, 9);
    model.offers_shadow = nvme_is_shadowed;
    device = model_host_begin(&model.device, "nvme0");
    if (nvme_is_shadowed)
        model_settings("shadow=1");
    memset(client_ended, 0, sizeof(client_ended));
}

static void end(void)
{
    unsigned violations = model_violations();

    model_host_end();
    nvme_model_destroy(&model);
    assert_int_equal(violations, 0);
}

int nvme_setup(void **state)
{
    (void)state;
    begin();
    return 0;
}

int nvme_teardown(void **state)
{
    (void)state;
    end();
    return 0;
}

void nvme_again(void)
{
    end();
    begin();
}

void nvme_attach(void)
{
    assert_int_equal(driver.attach(device), 0);
}
