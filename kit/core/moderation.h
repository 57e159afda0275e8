/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How a class learns what its device has completed: by looking for itself, or by interrupts, which
 * the device may gather. The same for every class: *_device_moderate, and a driver's `gather`.
 */
#ifndef KIT_CORE_MODERATION_H
#define KIT_CORE_MODERATION_H

#include <kit/device.h>

struct moderation {
    unsigned poll_from; /* with so many requests or more the kit polls; 0: it never does */
    unsigned poll_few;  /* below that it polls a device that is quick, so many looks at a time */
    unsigned gather;    /* otherwise the device interrupts once for so many completions ... */
    unsigned gather_us; /* ... or when the first of them has waited so long; 1 and 0: for each */
};

/* How it is from the start. */
#define MODERATION_DEFAULT ((struct moderation){.poll_from = 4, .gather = 1})

/* That, or another choice of the driver's, but for what the operator set. */
static inline struct moderation moderation_setting(const struct device *device,
                                                   struct moderation otherwise)
{
    return (struct moderation){
        .poll_from = device_setting(device, "poll-from", otherwise.poll_from),
        .poll_few = device_setting(device, "poll-few", otherwise.poll_few),
        .gather = device_setting(device, "gather", otherwise.gather),
        .gather_us = device_setting(device, "gather-us", otherwise.gather_us),
    };
}

#endif
