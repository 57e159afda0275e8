/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver for QEMU's `edu` device that makes a small disk of it, with two partitions, and dies.
 * Every block of the disk is its partition table.
 */
#include <stdlib.h>
#include <string.h>

#include <kit/block.h>
#include <kit/clock.h>
#include <kit/driver.h>
#include <kit/log.h>

#include "hostile.h"

enum { BLOCK = 512, BLOCKS = 1000 };
#define LIFE (5 * CLOCK_SECOND)

struct device *hostile_device;
struct regs hostile_regs;

static bool request_start(void *context, struct block_request *request)
{
    (void)context;
    if (request->operation == BLOCK_READ)
        edu_write_bus(request->address, BLOCK);
    block_request_done(request, BLOCK_STATUS_OK);
    return true;
}

static void record_put(uint8_t *record, uint32_t first, uint32_t count)
{
    record[4] = 0x83;
    memcpy(record + 8, &first, sizeof(first));
    memcpy(record + 12, &count, sizeof(count));
}

static int table_load(void)
{
    struct dma_buffer buffer;
    int error = dma_buffer_create(hostile_device, BLOCK, &buffer);

    if (error != 0)
        return error;
    uint8_t *table = buffer.memory;
    record_put(table + 446, 1, 99);
    record_put(table + 462, 100, 900);
    table[510] = 0x55, table[511] = 0xaa;
    edu_read_bus(buffer.address, BLOCK);
    return 0;
}

static void vanish(void *context)
{
    (void)context;
    log_info("vanishing");
    abort();
}

static int attach(struct device *device)
{
    static const struct block_device_ops ops = {.start = request_start};
    static const struct block_device_limits limits = {
        .blocks = BLOCKS, .block_size = BLOCK, .max_transfer = BLOCK, .model = "edu"};
    static struct clock_timer timer;
    struct block_device *disk;

    hostile_device = device;
    int error = device_window_open(device, 0, 0x1000, &hostile_regs);
    if (error == 0)
        error = device_enable(device);
    if (error == 0)
        error = table_load();
    if (error == 0)
        error = block_device_publish(device, "n1", &limits, &ops, NULL, &disk);
    clock_timer_start(&timer, LIFE, vanish, NULL);
    return error;
}

static void detach(void)
{
}

const struct driver driver = {.name = "vanishing", .attach = attach, .detach = detach};
