/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include <kit/clock.h>
#include <kit/driver.h>
#include <kit/log.h>

#include "hostile.h"

struct device *hostile_device;
struct regs hostile_regs;

static const struct crime *const pci[] = {crimes_dma,   crimes_rights, crimes_kernel,
                                          crimes_flood, crimes_last,   NULL};
static const struct crime *const fixed[] = {crimes_fixed, NULL};
static const struct crime *const *tables = pci;
static unsigned table, next;
static struct clock_timer timer;

/* One crime at a time, so that the log and the others' work interleave. */
static void commit(void *context)
{
    const struct crime *crime = &tables[table][next++];

    (void)context;
    if (!crime->name) {
        table++;
        next = 0;
    } else {
        crime_commit(crime);
    }
    if (tables[table])
        clock_timer_start(&timer, 10 * CLOCK_MILLISECOND, commit, NULL);
    else
        log_info("crime: all attempted");
}

static int attach(struct device *device)
{
    hostile_device = device;
    table = device_setting(device, "from", 0); /* how many of the tables are left out */
    int error = device_window_open(device, 0, 0x1000, &hostile_regs);

    if (error == ENXIO) { /* it has no registers in memory */
        tables = fixed;
        error = 0;
    } else if (error == 0) {
        error = device_enable(device);
    }
    if (error == 0)
        clock_timer_start(&timer, 500 * CLOCK_MILLISECOND, commit, NULL);
    return error;
}

static void detach(void)
{
}

const struct driver driver = {.name = "hostile", .attach = attach, .detach = detach};
