/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A client's end of a network session: frames to send, buffers to receive into, and calls back.
 *
 * Memory is allocated here and attached once; the device moves frames from and to it directly. What
 * is in a received frame came from outside: nothing about it is certain but its length.
 *
 * The interface outlives its driver: when one dies, what was being sent is dropped, the link is
 * said to be down, and with the next driver it is up again, with the same buffers waiting for
 * frames and the same filter. Calls return 0 or an errno value.
 */
#ifndef KIT_CLIENT_NET_H
#define KIT_CLIENT_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <interface/net.h>

struct net_client;

/* Opens the device of that name ("virtio-net0"). ENOENT; EBUSY: somebody has it. */
int net_client_open(const char *name, struct net_client **result);

/* Not from a call back. */
void net_client_close(struct net_client *client);

/* Without a session: what the device is, how it is, whether somebody has it. ENOENT; EAGAIN: its
 * driver is being started again. */
int net_client_describe(const char *name, struct net_description *description);

const struct net_info *net_client_info(const struct net_client *client);

/* How the link is, and what was counted since the session was opened, over all drivers. `changes`
 * goes up whenever the rest but the statistics becomes another. */
void net_client_state(const struct net_client *client, struct net_state *state);

/* How often another driver took the place of one that died, and how many completions there were for
 * nothing that was asked. */
struct net_client_counts {
    unsigned recoveries, dropped, reposted, rejected;
};
struct net_client_counts net_client_counts(const struct net_client *client);

/* Zero-filled memory that the device can reach, at least `size` bytes, page-aligned. Freed with the
 * client. */
int net_client_buffer(struct net_client *client, size_t size, void **memory, uint32_t *buffer);

/* How many buffers of `length` bytes have to be with the device, or soon to be, for whoever
 * receives: with fewer, frames of one of its queues may wait for ever (struct net_frame_header). */
unsigned net_buffers_least(const struct net_info *info, uint32_t length);

/* Where in an attached buffer: bytes [offset, offset + length). */
struct net_place {
    uint32_t buffer, length;
    uint64_t offset;
};

/* What becomes of one submission; called from the calls that wait, or from the loop. A frame that
 * came begins at its place and is no longer than that, unless `flags` has NET_PIECES. */
typedef void (*net_client_done)(void *context, enum net_completion_status status, uint32_t length,
                                uint8_t flags);

/* Of `flags`: the device merges buffers, and the frame, of `length` bytes, is where
 * net_client_pieces says. The call back is that of the first piece's place; the other places'
 * follow, with NET_STATUS_PIECE. */
enum { NET_PIECES = 1u << 7 };
enum { NET_PIECES_MOST = 64 };

struct net_piece {
    const unsigned char *data; /* in its place */
    uint32_t length;           /* of the first at least NET_FRAME_LEAST, if there are others */
    void *context;             /* of its place */
};

/* From a call back with NET_PIECES: as many as there are. */
const struct net_piece *net_client_pieces(const struct net_client *client, unsigned *count);

/* From a call back of a frame: where it is in one piece, which is `room`, of at least
 * info->max_frame bytes, if it has to be copied for that; `place` is where its place is. */
const unsigned char *net_client_whole(const struct net_client *client, unsigned char *room);
static inline const unsigned char *net_client_frame(const struct net_client *client,
                                                    const unsigned char *place, uint8_t flags,
                                                    unsigned char *room)
{
    return flags & NET_PIECES ? net_client_whole(client, room) : place;
}

/* Send the frame there, which is the device's until `done`. EAGAIN: no free slot; ENETDOWN: there
 * is no driver at the moment, the frame is not sent; ENODEV: there will be none. */
int net_client_send(struct net_client *client, const struct net_place *place, net_client_done done,
                    void *context);

/* The same, where a device with several queues may send frames of other flows at the same time:
 * those of one flow stay in their order. That of net_client_send is 0. */
int net_client_send_flow(struct net_client *client, const struct net_place *place, uint16_t flow,
                         net_client_done done, void *context);

/* The same, the device completing a checksum (interface/net.h; NET_INFO_CHECKSUM_SEND). */
int net_client_send_checksum(struct net_client *client, const struct net_place *place,
                             uint16_t start, uint16_t offset, net_client_done done, void *context);

/* Room for one frame, of at least info->receive_size bytes, the device's until `done`; over the
 * death of drivers as well. EAGAIN: no free slot; ENODEV. */
int net_client_receive(struct net_client *client, const struct net_place *place,
                       net_client_done done, void *context);

/* Which frames to receive, with this driver and those to come. EINVAL. */
int net_client_filter(struct net_client *client, const struct net_filter *filter);

/* Called when the state has changed (net_client_state). Null: nobody cares. */
void net_client_watch(struct net_client *client, void (*changed)(void *context), void *context);

/* Send what was submitted; wait until something was called back, at most so many milliseconds (0:
 * as long as it takes). ETIMEDOUT; ENODEV: the driver is gone for good, and everything in flight
 * was called back with NET_STATUS_GONE. Not from a call back, as the next one neither. */
int net_client_wait(struct net_client *client, unsigned milliseconds);

/* Send what was submitted and call back what is done, without waiting. ENODEV. */
int net_client_poll(struct net_client *client);

/* For a server, which has others to listen to: from now on the event loop sends what was submitted
 * and calls back. The calls that wait are not for this client any more. */
int net_client_join_loop(struct net_client *client);

#endif
