/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver for QEMU's 82540EM (`e1000`), which has neither MSI nor MSI-X. It makes its device raise
 * the interrupt line by itself. Instance 0 is honest. Instance 1 sits on the line for ever, or
 * gives it to whoever asks for it (setting `give`). Instance 2 leaves its interrupt raised for a
 * while and says each time that it was not its own.
 */
#include <stdlib.h>
#include <string.h>

#include <interface/io_device_user.h>

#include <host/mach/device.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <kit/device.h>
#include <kit/driver.h>
#include <kit/irq.h>
#include <kit/log.h>
#include <kit/regs.h>

#include "messages.h"

/* PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual (317453), 13.4.17 to
 * 13.4.21. */
enum { CAUSE_READ = 0xc0, CAUSE_SET = 0xc8, MASK_SET = 0xd0, WINDOW = 0x1000 };
enum { CAUSE_LINK = 1 << 2 };

#define RAISE_PERIOD (5 * CLOCK_MILLISECOND)
#define STORM_START  (1500 * CLOCK_MILLISECOND)
#define STORM_LENGTH (4 * CLOCK_SECOND)

static struct regs regs;
static struct clock_timer timer;
static unsigned handled;

static void device_raise(void *context)
{
    (void)context;
    regs_write32(&regs, CAUSE_SET, CAUSE_LINK);
    clock_timer_start(&timer, RAISE_PERIOD, device_raise, NULL);
}

static bool honest_interrupt(void *context)
{
    (void)context;
    if (!(regs_read32(&regs, CAUSE_READ) & CAUSE_LINK)) /* reading takes it back */
        return false;
    if (++handled % 50 == 0)
        log_info("%u interrupts", handled);
    return true;
}

static bool lying_interrupt(void *context)
{
    (void)context;
    return false;
}

static void storm_end(void *context)
{
    (void)context;
    regs_read32(&regs, CAUSE_READ);
}

static void storm_begin(void *context)
{
    (void)context;
    regs_write32(&regs, CAUSE_SET, CAUSE_LINK);
    clock_timer_start(&timer, STORM_LENGTH, storm_end, NULL);
}

static mach_port_t line;

static void line_give(void *context, mach_msg_header_t *asked)
{
    struct given_line message = {
        .header = {.msgh_bits =
                       MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0) | MACH_MSGH_BITS_COMPLEX,
                   .msgh_size = sizeof(message),
                   .msgh_remote_port = asked->msgh_remote_port},
        .type = {.msgt_name = MACH_MSG_TYPE_MOVE_RECEIVE,
                 .msgt_size = 64,
                 .msgt_number = 1,
                 .msgt_inline = TRUE},
        .right = {.name = line},
    };

    (void)context;
    mach_msg_return_t code = mach_msg(&message.header, MACH_SEND_MSG, sizeof(message), 0,
                                      MACH_PORT_NULL, 0, MACH_PORT_NULL);
    log_info("gave the line away: %x", code);
}

/* Takes the line's messages, and acknowledges none. */
static int line_sit_on(struct device *device)
{
    static const struct port_type giving = {.name = "giving", .message = line_give};
    mach_port_t port;
    unsigned together;

    if (io_device_interrupt_attach(device_io_port(device), 0, &line, &together) != 0 ||
        together != 1)
        return -1;
    if (!device_setting(device, "give", 0))
        return 0;
    int error = port_create(&giving, NULL, &port);
    return error ? error : startup_offer("line", "test", port);
}

static int attach(struct device *device)
{
    const char *name = device_name(device);
    int error = device_window_open(device, 0, WINDOW, &regs);

    if (error == 0)
        error = device_enable(device);
    regs_write32(&regs, MASK_SET, CAUSE_LINK);
    switch (atoi(name + strcspn(name, "0123456789"))) {
    case 0:
        if (error == 0)
            error = irq_attach(device, 0, honest_interrupt, NULL);
        clock_timer_start(&timer, RAISE_PERIOD, device_raise, NULL);
        return error;
    case 1:
        return error == 0 ? line_sit_on(device) : error;
    default:
        if (error == 0)
            error = irq_attach(device, 0, lying_interrupt, NULL);
        clock_timer_start(&timer, STORM_START, storm_begin, NULL);
        return error;
    }
}

static void detach(void)
{
}

const struct driver driver = {.name = "sharer", .attach = attach, .detach = detach};
