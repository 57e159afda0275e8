/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The client's side of a network session: the private table of what is in flight. Portable; the
 * host carries the messages.
 */
#ifndef KIT_CORE_NET_CLIENT_H
#define KIT_CORE_NET_CLIENT_H

#include <stdbool.h>

#include <kit/client/net.h>

struct net_client_link; /* the host's */

enum { NET_CLIENT_BATCH = 64 };

enum net_client_state_of {
    NET_CLIENT_RUNNING = 0,
    NET_CLIENT_LOST, /* the driver is gone: net_client_resume */
    NET_CLIENT_GONE, /* for good */
};

struct net_client {
    struct net_info info;
    struct net_client_link *link;
    enum net_client_state_of life;
    bool merges;     /* NET_INFO_MERGES */
    unsigned called; /* back, so far; wraps */
    unsigned batched;
    uint16_t batch[NET_CLIENT_BATCH]; /* slots */
    unsigned free_count;
    uint16_t free_slot[NET_SLOTS];
    struct net_client_request {
        bool in_flight;
        bool sent; /* an answer may come: it is not in the batch, nor a piece of a frame */
        struct net_submission submission; /* a copy of what was asked */
        net_client_done done;
        void *context;
    } table[NET_SLOTS];
    uint64_t size[NET_BUFFERS]; /* of the buffers; 0: none of that number */
    const unsigned char *memory[NET_BUFFERS];

    /* The frame whose pieces are coming, or which is being called back. */
    struct {
        unsigned awaited; /* pieces; 0: the next one begins a frame */
        bool is_bad;      /* what is still to come of it is not taken */
        uint32_t length;
        unsigned count; /* pieces that are here; their slots are in flight, to be posted again */
        uint16_t slot[NET_PIECES_MOST];
        struct net_piece piece[NET_PIECES_MOST];
    } frame;
    uint64_t frames, frame_bytes, frame_errors; /* received from a device that merges */

    bool filtered;
    struct net_filter filter;
    struct net_state state;       /* as last seen of this driver */
    struct net_statistics before; /* of the drivers before it */
    uint32_t changes;             /* of the state, seen over all drivers */
    void (*changed)(void *context);
    void *changed_context;
    struct net_client_counts counts;
    struct {
        bool is_set;
        uint16_t slot;
        uint32_t generation, changes;
    } looked_at; /* a frame that was being sent when that was last looked at */
};

void net_client_init(struct net_client *client, const struct net_info *info,
                     struct net_client_link *link);

/* Whether a driver's description of its device can be true. */
bool net_info_is_possible(const struct net_info *info);

/* The host attached a buffer. */
void net_client_note_buffer(struct net_client *client, uint32_t buffer, const void *memory,
                            uint64_t size);

/* For the host: put what was submitted into the queue; take completions where the driver put them,
 * of which those of another epoch do not count; take its word on how things are (a copy). */
void net_client_flush(struct net_client *client);
void net_client_take(struct net_client *client, const volatile struct net_completion *completions,
                     unsigned count, uint32_t epoch);
void net_client_note_state(struct net_client *client, const struct net_state *state);

/* Whether frames leave, looked at now and then: the link was up, and one that was being sent the
 * last time is being sent still. Of frames that do not come nothing can be told. */
enum net_client_sending {
    NET_CLIENT_SENDS_NOTHING,
    NET_CLIENT_SENDS,
    NET_CLIENT_STUCK,
};
enum net_client_sending net_client_look(struct net_client *client);

/* The driver is gone, or nothing that it says counts any more: drop what was being sent. */
void net_client_lost(struct net_client *client);

/* Go on with the driver that has taken its place. 0: it is running, or has failed for good; EAGAIN:
 * there is none yet, and the host will be woken when that changes. */
int net_client_resume(struct net_client *client);

/* By the host: put a submission into the queue; let the driver see those that were. */
void net_client_link_put(struct net_client_link *link, const struct net_submission *submission);
void net_client_link_publish(struct net_client_link *link);
/* Take the filter to the driver. ENODEV: it is gone. */
int net_client_link_filter(struct net_client_link *link, const struct net_filter *filter);
/* A new session with what the name stands for now, and every buffer attached under its old id. 0;
 * EAGAIN: nothing yet, a wakeup is asked for; ENODEV and others: never again. */
int net_client_link_reopen(struct net_client_link *link, struct net_info *info);
const char *net_client_link_name(const struct net_client_link *link);

#endif
