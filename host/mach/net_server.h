/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The network class served by a task that has no device of its own (NET_INFO_COPIES): what its
 * client lends is given to it. Requests go to net_device_ops (kit/net.h).
 */
#ifndef HOST_MACH_NET_SERVER_H
#define HOST_MACH_NET_SERVER_H

#include <stdint.h>

#include <mach/port.h>

#include <kit/net.h>

struct net_server {
    /* A lease of a client's buffer, which the caller releases. `address` and offsets into the
     * buffer make a request's address. 0 or an errno value. */
    int (*attach)(void *context, mach_port_t lease, uint64_t *address, uint64_t *size);

    /* The session is over, and none of its requests is under way. */
    void (*close)(void *context);
};

/* As net_device_publish; `context` is that of `ops`, too. */
int net_server_publish(const struct net_server *server, const char *suffix,
                       const struct net_info *info, const struct net_device_ops *ops, void *context,
                       struct net_device **result);

#endif
