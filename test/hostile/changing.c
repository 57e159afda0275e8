/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver for QEMU's `edu` device that makes a disk of it, of which nothing is kept. The first one
 * dies after some requests; the next two, or all that follow (setting "stays"), offer another disk,
 * and no request is theirs. Which one it is it remembers where the device says that it lives.
 */
#include <stdlib.h>

#include <kit/block.h>
#include <kit/device.h>
#include <kit/driver.h>
#include <kit/log.h>
#include <kit/regs.h>

enum { EDU_LIVENESS = 4 }; /* reads as the complement of what was written (docs/specs/edu.txt) */
enum { BLOCK = 512, BLOCKS = 1000, DIES_AFTER = 100, STRANGERS = 2 };

static uint32_t life;
static bool is_another;

static bool request_start(void *context, struct block_request *request)
{
    static unsigned requests;

    (void)context;
    if (life == 0 && ++requests == DIES_AFTER)
        abort();
    if (is_another && request->block > 0) /* where a partition table would be is looked at */
        log_info("another disk is asked for block %llu", (unsigned long long)request->block);
    block_request_done(request, BLOCK_STATUS_OK);
    return true;
}

static int attach(struct device *device)
{
    static const struct block_device_ops ops = {.start = request_start};
    struct block_device_limits limits = {
        .blocks = BLOCKS, .block_size = BLOCK, .max_transfer = BLOCK, .model = "edu"};
    struct block_device *disk;
    struct regs regs;

    int error = device_window_open(device, 0, 0x1000, &regs);
    if (error != 0)
        return error;
    life = regs_read32(&regs, EDU_LIVENESS);
    regs_write32(&regs, EDU_LIVENESS, ~(life + 1));
    is_another = life > 0 && (life <= STRANGERS || device_setting(device, "stays", 0) != 0);
    limits.blocks -= is_another;
    return block_device_publish(device, "n1", &limits, &ops, NULL, &disk);
}

static void detach(void)
{
}

const struct driver driver = {.name = "changing", .attach = attach, .detach = detach};
