/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The network class: what a client and a driver say to each other.
 *
 * These layouts cross task boundaries. All fields are in the machine's byte order (both ends run on
 * the same machine); reserved fields are zero. Whoever receives one copies it once and checks the
 * copy before use: nothing here may be trusted because of where it came from.
 *
 * Frames are Ethernet's, from the destination address to the end of the data, without the check
 * sequence. A frame to send and a buffer to receive one are submissions of one queue
 * (interface/queue.h), in any mixture; each is answered by a completion, frames that were sent
 * in the order in which they were submitted only as a rule.
 */
#ifndef INTERFACE_NET_H
#define INTERFACE_NET_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <interface/queue.h>

enum net_operation {
    NET_SEND = 1,    /* the frame in the buffer */
    NET_RECEIVE = 2, /* a frame into the buffer, whenever one comes */
};

enum net_submission_flags {
    /* The device completes a checksum (NET_INFO_CHECKSUM_SEND): the one's complement sum of what
     * begins at checksum_start goes to checksum_offset behind that, where the sum of the pseudo
     * header is already. */
    NET_CHECKSUM = 1u << 0,
};

enum net_completion_flags {
    NET_CHECKSUM_GOOD = 1u << 0, /* the device looked at the TCP or UDP checksum: it is right; not
                                  * with NET_INFO_MERGES */
};

/* What became of a submission. */
enum net_completion_status {
    NET_STATUS_OK = 0,
    NET_STATUS_INVALID = 1, /* malformed: unknown operation, bad buffer, too long, too short */
    NET_STATUS_DROPPED = 2, /* not sent; not received, and the buffer is free */
    NET_STATUS_GONE = 3,    /* the device or its driver is no longer there */
    NET_STATUS_PIECE = 4,   /* the client library's: the buffer had more of a frame called back */
};

/* The client chooses `slot` and `generation`; they come back in the completion. */
struct net_submission {
    uint8_t operation; /* enum net_operation */
    uint8_t flags;     /* enum net_submission_flags */
    uint16_t slot;     /* client's: below NET_SLOTS */
    uint32_t generation;
    uint32_t buffer; /* id of an attached buffer */
    uint32_t length; /* bytes: of the frame, or of the room for one */
    uint64_t offset; /* bytes into the buffer */
    uint16_t checksum_start, checksum_offset;
    uint16_t flow; /* NET_SEND: frames of one flow leave in their order, and may overtake others */
    uint16_t reserved;
};
static_assert(sizeof(struct net_submission) == 32, "two submissions to a cache line");

struct net_completion {
    uint16_t slot;
    uint8_t status; /* enum net_completion_status */
    uint8_t flags;  /* enum net_completion_flags */
    uint32_t generation;
    uint32_t length; /* of the frame that was sent or received; with NET_INFO_MERGES what was
                      * written into the buffer, of header and frame; else 0 */
    uint32_t epoch;  /* the session's, which its client chose: tells it from an older driver's */
};
static_assert(sizeof(struct net_completion) == 16, "four completions to a cache line");

#define NET_SLOTS        512 /* most submissions one session may have in flight */
#define NET_BUFFERS      16  /* most buffers one session may have attached */
#define NET_FRAME_LEAST  14  /* a header; the device fills up to Ethernet's 60 bytes */
#define NET_FRAME_MOST   65536
#define NET_HEADER_SIZE  14
#define NET_ADDRESS_SIZE 6

/* A device that merges buffers (NET_INFO_MERGES) writes this in front of every frame. What has no
 * room behind it goes on in the buffers that are completed next, from their first bytes on, each
 * but the last of them full. A device may keep a frame for which there are too few buffers, however
 * long it is, until there are more, and buffers are spread over its queues: who receives posts
 * buffers of one length, and has room for such a frame in each queue (net_buffers_least). */
struct net_frame_header {
    uint8_t device[10]; /* its own affair */
    uint16_t buffers;   /* that this frame is in, the first counted */
};
static_assert(sizeof(struct net_frame_header) == 12, "wire layout");
#define NET_MERGE_LEAST 1280 /* least `receive_size` of such a device */
#define NET_QUEUES      4    /* most queues over which a device may spread buffers */

enum net_info_flags {
    NET_INFO_CHECKSUM_SEND = 1u << 0,    /* NET_CHECKSUM may be used */
    NET_INFO_CHECKSUM_RECEIVE = 1u << 1, /* NET_CHECKSUM_GOOD may come */
    NET_INFO_COPIES = 1u << 2, /* no device, but a task moves frames: buffers are lent to be written
                                * to (interface/memory.defs) */
    NET_INFO_MERGES = 1u << 3, /* frames begin with a struct net_frame_header and may be in several
                                * buffers, which may be shorter than max_frame */
};

/* What a session sees of its device. */
struct net_info {
    uint8_t address[NET_ADDRESS_SIZE]; /* the device's own */
    uint16_t queues;                   /* over which the device spreads buffers; 0: as 1 */
    uint32_t max_frame;                /* bytes: the longest, with its header: MTU + 14 */
    uint32_t receive_size; /* least room that a receive buffer has to have, a header counted */
    uint32_t flags;        /* enum net_info_flags */
    char model[44];        /* NUL-terminated */
};
static_assert(sizeof(struct net_info) == 64, "wire layout");

/* Which frames come, besides those to the device's own address and to all. */
enum net_filter_flags {
    NET_FILTER_PROMISCUOUS = 1u << 0,   /* every frame */
    NET_FILTER_ALL_MULTICAST = 1u << 1, /* to every group */
};
#define NET_GROUPS    64
#define NET_ADDRESSES 15
struct net_filter {
    uint32_t flags;                               /* enum net_filter_flags */
    uint32_t count;                               /* groups; more frames may come than asked for */
    uint32_t own_count;                           /* addresses that are ours besides the device's */
    uint8_t group[NET_GROUPS][NET_ADDRESS_SIZE];  /* multicast addresses */
    uint8_t own[NET_ADDRESSES][NET_ADDRESS_SIZE]; /* unicast */
    uint16_t reserved;
};
static_assert(sizeof(struct net_filter) == 488, "wire layout");

struct net_statistics {
    uint64_t sent_frames, sent_bytes;
    uint64_t received_frames, received_bytes; /* NET_INFO_MERGES: without those that fill their
                                               * buffers to the last byte, whose end is not seen */
    uint64_t send_errors;                     /* frames that the device could not send */
    uint64_t receive_errors; /* frames that came damaged, too long or for a buffer too short */
    uint64_t missed;         /* frames for which there was no buffer, as far as the device says */
    uint64_t refused;        /* submissions that were malformed */
};

/* In the driver's side of the queue's memory, at NET_STATE_OFFSET: how things are. Whoever changes
 * it counts `changes` up afterwards and wakes the client if that sleeps, as for a completion
 * (kit/core/queue.h); statistics go on without that. */
struct net_state {
    uint32_t changes;
    uint32_t link;        /* 0: nothing is connected, 1: frames may flow */
    uint32_t speed;       /* megabits a second, 0: not known */
    uint32_t full_duplex; /* 1, or 0: not so, or not known */
    struct net_statistics statistics;
};
static_assert(sizeof(struct net_state) == 80, "wire layout");

/* What a device says to those who have no session. */
struct net_description {
    struct net_info info;
    struct net_state state;
    uint32_t in_use; /* 1: somebody has its session */
    uint32_t reserved;
};
static_assert(sizeof(struct net_description) == 152, "wire layout");

#define NET_STATE_OFFSET 2048u
static_assert(NET_STATE_OFFSET >= sizeof(struct queue_side) &&
                  NET_STATE_OFFSET + sizeof(struct net_state) <= QUEUE_ENTRIES_OFFSET,
              "between the counters and the entries");

#endif
