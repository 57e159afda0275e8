/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver for QEMU's `edu` device that dies at one step of its start: instance N at step N.
 */
#include <stdlib.h>
#include <string.h>

#include <kit/block.h>
#include <kit/clock.h>
#include <kit/device.h>
#include <kit/dma.h>
#include <kit/driver.h>
#include <kit/irq.h>
#include <kit/log.h>

static unsigned step;

static void maybe_die(unsigned at, const char *where)
{
    if (step != at)
        return;
    log_info("dying %s", where);
    if (at % 2 == 0)
        abort();
    __asm__ volatile("movl $0, (%0)" : : "r"((uintptr_t)at) : "memory"); /* nearly a null pointer */
}

static bool interrupt(void *context)
{
    (void)context;
    return false;
}

static void later(void *context)
{
    (void)context;
    maybe_die(6, "while running");
}

static int attach(struct device *device)
{
    static struct clock_timer timer;
    struct regs regs;
    struct dma_buffer buffer;
    const char *name = device_name(device);

    step = (unsigned)atoi(name + strcspn(name, "0123456789"));
    maybe_die(0, "before anything");
    int error = device_window_open(device, 0, 0x1000, &regs);
    maybe_die(1, "with its registers");
    if (error == 0)
        error = device_enable(device);
    maybe_die(2, "with bus mastering on");
    if (error == 0)
        error = dma_buffer_create(device, 4096, &buffer);
    maybe_die(3, "with memory in its window");
    if (error == 0)
        error = irq_attach(device, 0, interrupt, NULL);
    maybe_die(4, "with its interrupt");
    /* Make the device raise it (docs/specs/edu.txt), and die with it unacknowledged. */
    if (error == 0)
        regs_write32(&regs, 0x60, 1);
    maybe_die(5, "with an interrupt on its way");
    clock_timer_start(&timer, 50 * CLOCK_MILLISECOND, later, NULL);
    return error;
}

static void detach(void)
{
}

const struct driver driver = {.name = "dying", .attach = attach, .detach = detach};
