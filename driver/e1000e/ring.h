/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The two rings of legacy descriptors (7.1.4, 7.2.10.1). The device is done with
 * descriptors in the order in which it was given them.
 */
#ifndef DRIVER_E1000E_RING_H
#define DRIVER_E1000E_RING_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/dma.h>
#include <kit/net.h>

#include "mac.h"

enum { E1000E_ENTRIES = 256 }; /* of a ring; one stays empty, as head = tail means none */

struct e1000e_ring {
    const struct e1000e_mac *mac;
    size_t registers;         /* where they are */
    struct dma_buffer memory; /* the device may write all of it; nothing of it is read but a
                                 descriptor's status, once it is done */
    unsigned put, taken;      /* count freely */
    unsigned told;            /* of put, to the device */
    bool skipping;            /* within a frame that has more than one descriptor */
    unsigned errors;
    struct net_request *request[E1000E_ENTRIES];
};

struct e1000e_rings {
    struct e1000e_ring receive, send;
};

/* 0 or an errno value with a line in the log. */
int e1000e_rings_open(const struct e1000e_mac *mac, struct e1000e_rings *rings);

/* After a reset: tell the device where they are; they are empty. */
void e1000e_rings_begin(struct e1000e_rings *rings);

/* As in struct net_device_ops. */
bool e1000e_ring_send(struct e1000e_ring *ring, struct net_request *request);
bool e1000e_ring_receive(struct e1000e_ring *ring, struct net_request *request);
void e1000e_ring_kick(struct e1000e_ring *ring);

/* Take what the device is done with. Whether there was any. */
bool e1000e_ring_sent(struct e1000e_ring *ring);
bool e1000e_ring_received(struct e1000e_ring *ring);

static inline unsigned e1000e_ring_in_flight(const struct e1000e_ring *ring)
{
    return ring->put - ring->taken;
}

/* The device does not touch memory any more: everything goes back to the kit. */
void e1000e_ring_abandon(struct e1000e_ring *ring);

#endif
