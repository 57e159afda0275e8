/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who wants a card's frames: filters, and the ports to which frames go as net_rcv_msg
 * (device/net_status.h). A port's queue is as long as its receiver made it, and what has no room
 * there is lost.
 */
#ifndef SERVICE_NETDEVICE_LISTENER_H
#define SERVICE_NETDEVICE_LISTENER_H

#include <mach/port.h>

#include "filter.h"

enum { LISTENERS_MAX = 32 };

struct listener {
    struct filter filter;
    int priority;
    mach_port_t port;  /* send right */
    const void *owner; /* whose it is */
    struct listener *next;
};

struct listeners {
    struct listener *first; /* highest priority first */
    unsigned count;
};

/* From now on to `port`, which is taken if this succeeds, instead of what went there before. 0;
 * EINVAL: there is no such filter; ENOSPC; ENOMEM. */
int listeners_set(struct listeners *listeners, const void *owner, mach_port_t port, int priority,
                  const filter_t *words, size_t count);

/* The owner has gone. */
void listeners_end(struct listeners *listeners, const void *owner);

/* A frame came, or went. Those whose ports are dead are dropped. */
void listeners_tell(struct listeners *listeners, const unsigned char *frame, uint32_t length,
                    bool went);

#endif
