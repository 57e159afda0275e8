/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver for QEMU's `edu` device that always has something to compute, though it answers whoever
 * calls it. It says in the log how much it got done in each tenth of a second.
 */
#include <host/mach/port.h>
#include <kit/clock.h>
#include <kit/device.h>
#include <kit/driver.h>
#include <kit/log.h>

enum { ROUND = 100000 };
#define PERIOD (100 * CLOCK_MILLISECOND)

static bool compute(void *context)
{
    static uint64_t began;
    static unsigned rounds;
    volatile unsigned sum = 0;

    (void)context;
    for (unsigned i = 0; i < ROUND; i++)
        sum += i;
    rounds++;
    uint64_t now = clock_now();
    if (now - began >= PERIOD) {
        log_info("computed %u rounds in %u ms", rounds,
                 (unsigned)((now - began) / CLOCK_MILLISECOND));
        began = now;
        rounds = 0;
    }
    return true;
}

static int attach(struct device *device)
{
    (void)device;
    return loop_at_turn_end(compute, NULL) ? 0 : 1;
}

static void detach(void)
{
}

const struct driver driver = {.name = "greedy", .attach = attach, .detach = detach};
