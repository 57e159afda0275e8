/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include <kit/driver.h>

#include "hostile.h"

struct regs hostile_regs;

static int attach(struct device *device)
{
    static const struct crime *const pci[] = {crimes_dma,   crimes_rights, crimes_kernel,
                                              crimes_flood, crimes_last,   NULL};
    static const struct crime *const fixed[] = {crimes_fixed, NULL};
    unsigned left_out = device_setting(device, "from", 0); /* of the tables */
    int error = device_window_open(device, 0, 0x1000, &hostile_regs);

    hostile_device = device;
    if (error == ENXIO) { /* it has no registers in memory */
        crimes_begin(fixed);
        return 0;
    }
    if (error == 0)
        error = device_enable(device);
    if (error == 0)
        crimes_begin(pci + left_out);
    return error;
}

static void detach(void)
{
}

const struct driver driver = {.name = "hostile", .attach = attach, .detach = detach};
