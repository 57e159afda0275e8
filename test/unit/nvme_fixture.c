/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include <test/unit/nvme_fixture.h>

struct nvme_model model;
struct device *device;
bool nvme_is_shadowed;
unsigned nvme_ended[8];

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
    memset(nvme_ended, 0, sizeof(nvme_ended));
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

void nvme_open(struct nvme_client *client, const char *name, bool write, size_t size)
{
    void *memory;

    assert_int_equal(block_client_open(name, write, &client->client), 0);
    assert_int_equal(block_client_buffer(client->client, size, &memory, &client->buffer), 0);
    client->memory = memory;
    client->size = size;
}

void nvme_close(struct nvme_client *client)
{
    block_client_close(client->client);
}

static void request_done(void *context, enum block_status status)
{
    *(int *)context = (int)status;
}

enum block_status nvme_request(struct nvme_client *client, enum block_operation operation,
                               uint64_t block, uint32_t count, uint64_t offset)
{
    int status = -1;

    if (block_client_submit(client->client, operation, block, count,
                            operation == BLOCK_FLUSH ? 0 : client->buffer, offset, request_done,
                            &status) != 0)
        return BLOCK_STATUS_GONE;
    block_client_wait(client->client, true);
    assert_int_not_equal(status, -1);
    return (enum block_status)status;
}

void nvme_end(void *context, enum block_status status)
{
    (void)context;
    assert_in_range(status, 0, 7);
    nvme_ended[status]++;
}

void nvme_pattern(uint8_t *memory, size_t size, uint32_t seed)
{
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525 + 1013904223;
        memory[i] = (uint8_t)(seed >> 24);
    }
}
