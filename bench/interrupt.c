/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an interrupt costs: a driver that makes its device raise it, again and again. Run it with
 * `obvm --count`, where the time stamp counter counts instructions (bench/run does, in an image of
 * its own). QEMU's `edu` device has a message, its 82540EM (`e1000`) a line.
 */
#include <stdlib.h>

#include <kit/clock.h>
#include <kit/device.h>
#include <kit/driver.h>
#include <kit/irq.h>
#include <kit/log.h>
#include <kit/regs.h>

enum { ROUNDS = 2000 };

/* How the device raises its interrupt, and takes it back. edu: docs/specs/edu.txt; 82540EM:
 * 317453, 13.4.17 to 13.4.21 (reading the cause takes it back). */
struct kind {
    const char *name;
    unsigned raise, value, status, acknowledge;
};
static const struct kind message_kind = {"message", 0x60, 1, 0x24, 0x64};
static const struct kind line_kind = {"line", 0xc8, 4, 0xc0, 0};

static const struct kind *kind;
static struct regs regs;
static uint64_t raised, before;
static unsigned rounds;
static uint64_t to_handler[ROUNDS], cycle[ROUNDS];

static uint64_t instructions(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static void device_raise(void)
{
    raised = instructions();
    regs_write32(&regs, kind->raise, kind->value);
}

static bool device_take_back(void)
{
    uint32_t status = regs_read32(&regs, kind->status);

    if (kind->acknowledge)
        regs_write32(&regs, kind->acknowledge, status);
    return status != 0;
}

static void polling_measure(void)
{
    uint64_t begin = instructions();

    for (unsigned i = 0; i < ROUNDS; i++) {
        device_raise();
        while (!device_take_back())
            ;
    }
    log_info("%s polled: cycle %llu", kind->name,
             (unsigned long long)(instructions() - begin) / ROUNDS);
}

static int smaller(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

/* Clock ticks and whoever else runs fall into a few of the rounds: the median leaves them out. */
static unsigned long long median(uint64_t *values)
{
    qsort(values, ROUNDS, sizeof(values[0]), smaller);
    return values[ROUNDS / 2];
}

/* Each round: the device raises, the kernel tells us, we take it back, the kit acknowledges, and we
 * sleep. */
static bool interrupt(void *context)
{
    uint64_t now = instructions();

    (void)context;
    bool mine = device_take_back();
    if (rounds >= ROUNDS)
        return mine;
    to_handler[rounds] = now - raised;
    cycle[rounds] = now - before;
    before = now;
    rounds++;
    if (rounds < ROUNDS)
        device_raise();
    else
        log_info("%s interrupt: to the handler %llu, cycle %llu", kind->name, median(to_handler),
                 median(cycle));
    return mine;
}

static void begin(void *context)
{
    (void)context;
    device_raise();
}

static int attach(struct device *device)
{
    static struct clock_timer timer;
    int error = device_window_open(device, 0, 0x1000, &regs);

    kind = device_identity(device)->vendor == 0x1234 ? &message_kind : &line_kind;
    if (error == 0)
        error = device_enable(device);
    if (error != 0)
        return error;
    if (kind == &line_kind) { /* the other one cannot keep quiet while it is polled */
        polling_measure();
        regs_write32(&regs, 0xd0, kind->value); /* 13.4.20: interrupt mask set */
    }
    error = irq_attach(device, 0, interrupt, NULL);
    clock_timer_start(&timer, CLOCK_SECOND, begin, NULL);
    return error;
}

static void detach(void)
{
}

const struct driver driver = {.name = "interrupt-bench", .attach = attach, .detach = detach};
