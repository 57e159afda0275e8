/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver for QEMU's `edu` device that makes a serial port of nothing. It takes what is written
 * and whatever it is to be set to, and never answers a break, though it listens. When it is told to
 * stop after one it dies.
 */
#include <stdlib.h>

#include <interface/serial.h>
#include <kit/driver.h>
#include <kit/stream.h>

static bool has_break;

static unsigned bytes_write(void *context, const uint8_t *data, size_t length, size_t *taken)
{
    (void)context, (void)data;
    *taken = length;
    return STREAM_STATUS_OK;
}

static unsigned control(void *context, struct stream_request *request)
{
    (void)context;
    if (request->code != SERIAL_CODE_BREAK)
        return STREAM_STATUS_OK;
    has_break = true;
    return STREAM_PENDING;
}

static int attach(struct device *device)
{
    static const struct stream_device_ops ops = {.write = bytes_write, .control = control};
    static const struct stream_info info = {.model = "edu"};
    struct stream_device *port;

    return stream_device_publish(device, "", "serial", &info, &ops, NULL, &port);
}

static void detach(void)
{
    if (has_break)
        abort();
}

const struct driver driver = {.name = "stubborn", .attach = attach, .detach = detach};
