/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The stream class, as a driver sees it.
 *
 * The kit serves the clients: it checks every submission, keeps what the device has no room for,
 * and keeps what comes until somebody reads it. The driver moves bytes. No memory is allocated per
 * request.
 */
#ifndef KIT_STREAM_H
#define KIT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <interface/stream.h>

struct device;
struct stream_device;
struct stream_session;

/* A control, checked as far as the class knows it. Its reply is empty, unless the driver makes one
 * (stream_request_reply). */
struct stream_request {
    uint16_t code;
    uint16_t length;
    uint8_t data[STREAM_DATA];

    /* The kit's. */
    struct stream_session *session;
    uint8_t operation, flags;
    uint16_t slot, done; /* of a control: the reply's length */
    uint32_t generation;
    struct stream_request *next;
};

enum { STREAM_PENDING = 255 }; /* in the place of a status */

/* So many bytes at a time are never lost from a device that heeds stream_device_received. */
enum { STREAM_ROOM = 1024 };

/* Any of these may be null: what a client asks for then is not supported, and what the kit tells
 * the driver does not matter to it. */
struct stream_device_ops {
    /* Give the device bytes, as many as it has room for now: `*taken`. STREAM_PENDING: when it has
     * room again the driver calls stream_device_room; STREAM_STATUS_OK: it took all; else why it
     * takes no more, with which the write ends. */
    unsigned (*write)(void *context, const uint8_t *data, size_t length, size_t *taken);

    /* Carry out a control: a status, or STREAM_PENDING if the driver will call stream_request_done
     * (even if its client has gone by then: it need not know). */
    unsigned (*control)(void *context, struct stream_request *request);

    /* There is room again for STREAM_ROOM bytes, after stream_device_received had returned false.
     */
    void (*read_on)(void *context);

    /* Somebody has opened it, or nobody has it any more: then `read_on` is not called either. */
    void (*in_use)(void *context, bool used);
};

/* Offer a device to clients as "<device name><suffix>", of the class that the driver's manifest
 * names
 * ("serial"). `info` is copied. 0 or an errno value. */
int stream_device_publish(struct device *device, const char *suffix, const char *class,
                          const struct stream_info *info, const struct stream_device_ops *ops,
                          void *context, struct stream_device **result);

/* There is room for more to write, or an error to tell of what waits. */
void stream_device_room(struct stream_device *device);

/* These bytes came, with `flags` (enum stream_completion_flags) for the last of them; they stay
 * together, or are all lost. False: whoever sends should stop, until `read_on` or `in_use`. What
 * comes while nobody has the device is nobody's, and the answer true. */
bool stream_device_received(struct stream_device *device, const void *data, size_t length,
                            unsigned flags);

/* A control that was pending. */
void stream_request_done(struct stream_request *request, enum stream_status status);

/* Room for this control's reply, of at most STREAM_DATA bytes: zeroed, in the place of what was
 * asked. */
void *stream_request_reply(struct stream_request *request, size_t length);

#endif
