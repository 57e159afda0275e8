/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver for QEMU's `edu` device that makes a small disk of nothing, which works for a while:
 * then it completes nothing any more, though it listens; another time it does not listen either.
 */
#include <kit/block.h>
#include <kit/clock.h>
#include <kit/device.h>
#include <kit/driver.h>
#include <kit/log.h>

enum { BLOCK = 512, BLOCKS = 1000 };

static struct device *edu;
static unsigned carried_out;

static bool request_start(void *context, struct block_request *request)
{
    volatile bool for_ever = true;

    (void)context;
    if (++carried_out > 100 && device_setting(edu, "deaf", 0)) {
        log_info("listens no more");
        while (for_ever)
            ;
    }
    if (carried_out > 100) {
        log_info("does nothing more");
        return true;
    }
    block_request_done(request, BLOCK_STATUS_OK);
    return true;
}

static int attach(struct device *device)
{
    static const struct block_device_ops ops = {.start = request_start};
    static const struct block_device_limits limits = {
        .blocks = BLOCKS, .block_size = BLOCK, .max_transfer = BLOCK, .model = "edu"};
    struct block_device *disk;

    edu = device;
    return block_device_publish(device, "n1", &limits, &ops, NULL, &disk);
}

static void detach(void)
{
}

const struct driver driver = {.name = "lazy", .attach = attach, .detach = detach};
