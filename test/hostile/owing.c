/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver whose 82574L raises an MSI-X vector as often as it likes (10.2.4.4), and that says at
 * once that half a million have come, so that the authority wants the line back. Instance 0 is
 * honest but for that. Instance 1 gives the line back late, and keeps a right to send there.
 * Instance 2 does not receive for a while. Instance 3 gives the line back with interrupts in it,
 * and attaches again. Instance 4 masks its vector for a while.
 */
#include <stdlib.h>
#include <string.h>

#include <driver/e1000e/registers.h>
#include <interface/io_device_user.h>
#include <interface/types.h>
#include <kernel/mach_port_user.h>

#include <host/mach/device.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <kit/device.h>
#include <kit/driver.h>
#include <kit/irq.h>
#include <kit/log.h>
#include <kit/regs.h>

#define TICK  (10 * CLOCK_MILLISECOND)
#define WHILE (17 * CLOCK_SECOND)
#define LATE  (3 * CLOCK_SECOND)
#define APART (160 * CLOCK_MILLISECOND / 1000) /* QEMU's device raises none sooner */

enum { TOGETHER = 256, LIES = (1 << 19) / TOGETHER + 8, RAISED = 4, OWED = 600, FLOOD = 30 };
enum { E1000E_ICS = 0xc8 }; /* 10.2.4.4: raises what is written */
enum { FLOOD_TICKS = 300 };

static struct regs regs;
static struct device *masker;
static mach_port_t io, line;
static uint64_t started;
static unsigned kind, ticks, raised, came, before;
static struct clock_timer ticker, late;

static void device_raise(unsigned times)
{
    raised += times;
    for (unsigned i = 0; i < times; i++) {
        regs_write32(&regs, E1000E_IMS, E1000E_CAUSE_RECEIVE_0); /* which it cleared itself: EIAC */
        regs_write32(&regs, E1000E_ICS, E1000E_CAUSE_RECEIVE_0);
        uint64_t next = clock_now() + APART;
        while (clock_now() < next)
            ;
    }
}

static bool interrupt(void *context)
{
    (void)context;
    came++;
    return true;
}

static void honest_tick(void *context)
{
    device_raise(RAISED);
    if (clock_now() - started < WHILE - LATE)
        before = came;
    if (clock_now() - started < WHILE)
        clock_timer_start(&ticker, TICK, honest_tick, context);
    else
        log_info("%u came, %u of them lately", came, came - before);
}

static void keep_tick(void *context)
{
    device_raise(RAISED);
    clock_timer_start(&ticker, TICK, keep_tick, context);
}

static void give_back(void *context)
{
    mach_port_t again;
    unsigned together;

    (void)context;
    clock_timer_cancel(&ticker);
    log_info("wanted back: %u before, %u since", before, came - before);
    port_make_send(line);
    port_destroy(line);
    log_info("attached again: %d", io_device_interrupt_attach(io, 0, &again, &together) == 0);
}

/* Those that are in it when it goes have rights to send there, as every message has. */
static void attach_again(void)
{
    unsigned together;

    port_disown(line);
    device_raise(RAISED);
    mach_port_mod_refs(mach_task_self(), line, MACH_PORT_RIGHT_RECEIVE, -1);
    log_info("full, attached again: %d", io_device_interrupt_attach(io, 0, &line, &together) == 0);
    clock_timer_cancel(&ticker);
    device_raise(RAISED); /* the kernel finds the dead port by it */
}

static void raw_message(void *context, mach_msg_header_t *message)
{
    (void)context;
    if (message->msgh_id == IO_LINE_RENEW && !late.running) {
        before = came;
        clock_timer_start(&late, LATE, give_back, NULL);
    }
    came += message->msgh_id != IO_LINE_RENEW && message->msgh_id != IO_LINE_ROOM;
    if (kind == 3 && came == OWED)
        attach_again();
}

static const struct port_type raw_type = {.name = "line", .message = raw_message};

static void later_tick(void *context)
{
    device_raise(RAISED);
    if (++ticks == FLOOD_TICKS / 2)
        log_info("%u came later", came - before);
    else
        clock_timer_start(&ticker, TICK, later_tick, context);
}

/* What is raised while it is masked comes afterwards. */
static void mask_tick(void *context)
{
    if (ticks == 0) {
        came = irq_mask(masker, 0, true) == 0 ? 0 : RAISED;
        device_raise(RAISED);
    } else if (ticks == 1) {
        before = came;
        irq_mask(masker, 0, false);
    } else {
        log_info("masked: %u of %u came, and %u afterwards", before, raised, came - before);
        return;
    }
    ticks++;
    clock_timer_start(&ticker, LATE, mask_tick, context);
}

static void received(void *context)
{
    (void)context;
    log_info("of %u that were raised %u were kept", raised, came);
    before = came;
    ticks = 0;
    later_tick(NULL);
}

static void flood_tick(void *context)
{
    device_raise(FLOOD);
    if (++ticks < FLOOD_TICKS) {
        clock_timer_start(&ticker, TICK, flood_tick, context);
        return;
    }
    port_adopt(&raw_type, NULL, line);
    clock_timer_start(&late, LATE, received, NULL);
}

static int line_attach(struct device *device)
{
    unsigned together;

    if (kind == 0 || kind == 4)
        return irq_attach(device, 0, interrupt, NULL);
    int error = io_device_interrupt_attach(io, 0, &line, &together);
    return error == 0 && kind != 2 ? port_adopt(&raw_type, NULL, line) : error;
}

static int attach(struct device *device)
{
    static void (*const tick[])(void *) = {honest_tick, keep_tick, flood_tick, keep_tick,
                                           mask_tick};
    const char *name = device_name(device);
    int error = device_window_open(device, 0, E1000E_WINDOW_SIZE, &regs);

    masker = device;
    io = device_io_port(device);
    kind = (unsigned)atoi(name + strcspn(name, "0123456789"));
    if (kind >= sizeof(tick) / sizeof(tick[0]))
        return -1;
    if (error == 0)
        error = device_enable(device);
    if (error == 0)
        error = line_attach(device);
    regs_write32(&regs, E1000E_IVAR, E1000E_IVAR_VALID << E1000E_IVAR_RECEIVE_0);
    regs_write32(&regs, E1000E_EIAC, E1000E_CAUSE_RECEIVE_0);
    for (unsigned i = 0; error == 0 && kind < 2 && i < LIES; i++)
        io_device_interrupt_acknowledge(io, 0, TOGETHER, TRUE);
    started = clock_now();
    clock_timer_start(&ticker, TICK, tick[kind], NULL);
    return error;
}

static void detach(void)
{
}

const struct driver driver = {.name = "owing", .attach = attach, .detach = detach};
