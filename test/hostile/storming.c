/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver that has QEMU's `edu` device raise its message without end (docs/specs/edu.txt).
 * Instance 0 does not receive what comes, instance 1 receives it and says that it was not its own,
 * instance 2 acknowledges it all and receives none.
 */
#include <stdlib.h>
#include <string.h>

#include <interface/io_device_user.h>

#include <host/mach/device.h>
#include <kit/clock.h>
#include <kit/device.h>
#include <kit/driver.h>
#include <kit/irq.h>
#include <kit/log.h>

enum { EDU_RAISE = 0x60, TOGETHER = 100 };

static struct regs regs;
static mach_port_t io;
static struct clock_timer timer;
static unsigned kind;

static void device_raise(unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        regs_write32(&regs, EDU_RAISE, 1);
}

static bool disown(void *context)
{
    (void)context;
    device_raise(2);
    return false;
}

static void storm(void *context)
{
    (void)context;
    log_info("a storm of kind %u", kind);
    device_raise(TOGETHER);
    while (kind != 1) {
        device_raise(TOGETHER);
        if (kind == 2)
            io_device_interrupt_acknowledge(io, 0, TOGETHER, TRUE);
    }
}

static int attach(struct device *device)
{
    const char *name = device_name(device);
    int error = device_window_open(device, 0, 0x1000, &regs);
    mach_port_t port;
    unsigned together;

    io = device_io_port(device);
    kind = (unsigned)atoi(name + strcspn(name, "0123456789"));
    if (error == 0)
        error = device_enable(device);
    if (error == 0)
        error = kind == 1 ? irq_attach(device, 0, disown, NULL)
                          : io_device_interrupt_attach(io, 0, &port, &together);
    clock_timer_start(&timer, (1 + kind) * CLOCK_SECOND, storm, NULL);
    return error;
}

static void detach(void)
{
}

const struct driver driver = {.name = "storming", .attach = attach, .detach = detach};
