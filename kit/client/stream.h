/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A client of the stream class (interface/stream.h).
 *
 * The driver may die and be started again under it. What was being written then is in doubt, and
 * the write says so; what was read and not handed on by the dead driver is lost; controls that were
 * to be kept are given to the next driver before anything else.
 */
#ifndef KIT_CLIENT_STREAM_H
#define KIT_CLIENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <interface/stream.h>

struct stream_client;

/* Open the device of that name. 0; EBUSY: somebody else has it; ENOENT; or another errno value. */
int stream_client_open(const char *name, struct stream_client **client);
void stream_client_close(struct stream_client *client);

const struct stream_info *stream_client_info(const struct stream_client *client);

/* How many drivers have died under it. */
unsigned stream_client_recoveries(const struct stream_client *client);

/* Write all of it, within so many milliseconds. `*written` bytes were given to the device for
 * certain. 0; ETIMEDOUT: of the rest nothing was; ECONNRESET: the driver died, and how much of the
 * rest has gone out nobody knows; ENODEV: there is no driver any more; ENOMEDIUM: no paper; ENXIO:
 * offline, or nothing connected; EIO, EINVAL. */
int stream_client_write(struct stream_client *client, const void *data, size_t length,
                        unsigned milliseconds, size_t *written);

/* What has come, at least a byte and at most `size`, within so many milliseconds; `*flags` (enum
 * stream_completion_flags) are about the last of them. ETIMEDOUT: nothing came; ECONNRESET: the
 * driver died, and what came then is lost (told once); ENODEV. */
int stream_client_read(struct stream_client *client, void *data, size_t size, unsigned milliseconds,
                       size_t *length, unsigned *flags);

/* Ask the driver for something: `data` has `*length` bytes of request, and then of reply, for which
 * it has STREAM_DATA bytes of room. `keep`: the same is asked of the next driver (the last of each
 * code). Not answered within 10 s, or that many milliseconds if they are more, the driver is
 * complained of, in this call or a later one: give it the time that what is asked takes. 0;
 * ETIMEDOUT; ECONNRESET: the driver died over it; ENOTSUP: the device cannot; EINVAL, EIO and so on
 * as for a write; EBUSY: the one before, which took too long, is not answered yet. */
int stream_client_control(struct stream_client *client, uint16_t code, unsigned flags, bool keep,
                          void *data, size_t *length, unsigned milliseconds);

#endif
