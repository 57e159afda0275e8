/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The block class served by a task that has no device of its own: it does what it is asked by
 * asking others. The requests go to block_device_ops (kit/block.h); what the sessions' buffers are
 * is here.
 */
#ifndef HOST_MACH_BLOCK_SERVER_H
#define HOST_MACH_BLOCK_SERVER_H

#include <stdint.h>

#include <mach/port.h>

#include <kit/block.h>

struct block_server {
    /* A session begins. `session` is what the others are called with, and the kit's session's
     * `server` (kit/core/block.h). 0 or an errno value for the client. */
    int (*open)(void *context, void **session);

    /* A lease of a client's buffer, which the caller releases. `address` and offsets into the
     * buffer make a request's address. 0 or an errno value. */
    int (*attach)(void *session, mach_port_t lease, uint64_t *address, uint64_t *size);

    /* It is over, and none of its requests is under way. */
    void (*close)(void *session);
};

/* As block_device_publish; `context` is that of `ops`, too. */
int block_server_publish(const struct block_server *server, const char *suffix,
                         const struct block_device_limits *limits,
                         const struct block_device_ops *ops, void *context);

#endif
