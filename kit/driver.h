/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver is this table and what it points to. The kit has `main`: it gets the device from the
 * supervisor, calls `attach`, runs the event loop, and calls `detach` when told to stop.
 */
#ifndef KIT_DRIVER_H
#define KIT_DRIVER_H

struct device;

struct driver {
    const char *name;

    /* Bring the device to life and publish what it offers (block_device_publish ...). 0 or an errno
     * value; on an error the kit logs it and the task exits, which takes everything back. */
    int (*attach)(struct device *device);

    /* Orderly stop: finish or fail what is in flight, flush, put the device to rest. */
    void (*detach)(void);
};

/* Each driver defines this. */
extern const struct driver driver;

#endif
