/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What every network driver does alike: offering a device, whose interrupts come as the operator
 * says.
 */
#include <errno.h>
#include <string.h>

#include <kit/core/moderation.h>
#include <kit/core/net.h>
#include <kit/log.h>

static int device_moderate(struct net_device *device, const struct moderation *moderation)
{
    if (device->ops->gather)
        return device->ops->gather(device->context, moderation->gather, moderation->gather_us);
    return moderation->gather > 1 || moderation->gather_us > 0 ? ENOTSUP : 0;
}

int net_device_publish(struct device *device, const char *suffix, const struct net_info *info,
                       const struct net_device_ops *ops, void *context, struct net_device **result)
{
    struct moderation usual = {.gather = 1, .gather_us = ops->gather_us};
    const struct moderation moderation = moderation_setting(device, usual);
    int error = net_host_publish(device, suffix, info, ops, context, result);

    if (error != 0) {
        log_error("%s%s is not offered: %s", device_name(device), suffix, strerror(error));
        return error;
    }
    /* A device that cannot gather works all the same. */
    error = device_moderate(*result, &moderation);
    if (error != 0)
        log_warning("interrupts are not gathered: %s", strerror(error));
    return 0;
}
