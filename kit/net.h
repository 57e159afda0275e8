/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The network class, as a driver sees it.
 *
 * The kit serves the client: it checks every submission, translates buffers to device addresses and
 * keeps what the device has no room for. The driver gives frames and buffers to its device, says
 * what became of them, and says how the link is. No memory is allocated per frame, and nothing is
 * copied: the device moves frames from and to the client's memory, which the driver does not see.
 */
#ifndef KIT_NET_H
#define KIT_NET_H

#include <stdbool.h>
#include <stdint.h>

#include <interface/net.h>

struct device;
struct net_device;
struct net_session;

/* A frame to send or a buffer for one, checked. The driver owns it from `send` or `receive` until
 * net_request_done. */
struct net_request {
    enum net_operation operation;
    uint8_t flags; /* enum net_submission_flags; those that the device has */
    uint16_t flow; /* frames of one flow stay in their order; for a device with several queues */
    uint16_t checksum_start, checksum_offset; /* NET_CHECKSUM: two bytes there are in the frame */
    uint64_t address;                         /* device address: contiguous */
    uint32_t length;                          /* bytes: frame, or buffer of at least receive_size */

    /* The kit's. */
    struct net_session *session;
    uint16_t slot;
    uint32_t generation;
    struct net_request *next;
};

struct net_device_ops {
    /* Give it to the device and return true, or return false if there is no room now: the kit then
     * keeps it, and offers it again after the next one that is done. */
    bool (*send)(void *context, struct net_request *request);
    bool (*receive)(void *context, struct net_request *request);

    /* Called once after a batch of either: ring the doorbells. */
    void (*kick)(void *context);

    /* For a device that can gather frames into one interrupt: for so many, or when the first of
     * them has waited so long; 1 and 0: one for each. Null: it cannot. Called when the device is
     * published, with `gather_us` if the operator said nothing. 0 or an errno value. */
    int (*gather)(void *context, unsigned count, unsigned microseconds);
    unsigned gather_us;

    /* Which frames to receive; the filter is checked and stays where it is. */
    void (*filter)(void *context, const struct net_filter *filter);

    /* The client has gone: take everything back from the device (net_request_done for each request)
     * and when it does not touch any of it any more, now or later, call net_device_recalled. Until
     * then nothing is given. */
    void (*recall)(void *context);
};

struct net_link {
    bool up;
    bool full_duplex;
    uint32_t speed; /* megabits a second, 0: not known */
};

/* Offer a device to clients as "<device name><suffix>". Fields of `info` as in interface/net.h; it
 * is copied. 0 or an errno value with a line in the log: EINVAL for what cannot be, EEXIST, ENOMEM.
 */
int net_device_publish(struct device *device, const char *suffix, const struct net_info *info,
                       const struct net_device_ops *ops, void *context, struct net_device **result);

/* The link has changed, or is known for the first time. */
void net_device_link(struct net_device *device, const struct net_link *link);

/* What `recall` asked for has happened. */
void net_device_recalled(struct net_device *device);

/* Frames that were lost without a request: damaged ones, and those that found no buffer. */
void net_device_lost(struct net_device *device, uint64_t damaged, uint64_t missed);

/* A frame was sent (its length), or received (how much of the buffer it fills); or not (any status
 * but NET_STATUS_OK). Call once for each request; with NET_INFO_MERGES, for a frame's buffers one
 * after the other, none of another frame in between. */
void net_request_done(struct net_request *request, enum net_completion_status status,
                      uint32_t length, uint8_t flags);

#endif
