/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The network class's core: devices, the session, buffers, requests. Between the driver above
 * (kit/net.h) and a transport below that carries submissions in and completions out. Portable; no
 * memory is allocated per frame.
 *
 *   submission -> checked -> waiting, frames and buffers apart -> with the driver -> done
 *              -> completion -> delivered, at the end of the event loop's turn
 */
#ifndef KIT_CORE_NET_H
#define KIT_CORE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kit/core/moderation.h>
#include <kit/net.h>

struct net_transport {
    /* Put completions, for which there is room, before the client, and the device's state; wake it
     * if it sleeps and either is new. False: the client has made no place for them yet. */
    bool (*deliver)(void *link, struct net_completion *completions, unsigned count,
                    const struct net_state *state);

    /* The device no longer uses anything of the session's: let go of its buffers. The session is
     * freed afterwards. */
    void (*ended)(void *link, struct net_session *session);
};

struct net_line {
    struct net_request *first, **end;
    bool is_full; /* the driver refused the first, and nothing was done since */
};

struct net_session {
    struct net_device *device;
    const struct net_transport *transport;
    void *link;     /* the transport's */
    unsigned owned; /* requests that the driver has */
    struct net_buffer {
        uint64_t address; /* where the device sees it */
        uint64_t size;    /* 0: this id is free */
    } buffer[NET_BUFFERS];
    struct net_line send, receive;
    bool is_within; /* a frame goes on in the next buffer, if the device merges them */
    unsigned completion_count;
    struct net_completion completion[NET_SLOTS];
    bool busy[NET_SLOTS]; /* from submission until the completion is delivered */
    struct net_request request[NET_SLOTS];
};

struct net_device {
    struct net_info info;
    const struct net_device_ops *ops;
    void *context;
    struct net_state state;
    struct net_filter filter;
    struct net_session *session; /* null: nobody has it */
    bool recalling;              /* it has ended, and the driver still has what was its */
    uint32_t told;               /* of state.changes */
    struct net_device *next;
};

/* net_device_publish in what is the host's: make the port, or whatever clients find. */
int net_host_publish(struct device *device, const char *suffix, const struct net_info *info,
                     const struct net_device_ops *ops, void *context, struct net_device **result);

/* EINVAL: impossible; ENOMEM. */
int net_device_create(const struct net_info *info, const struct net_device_ops *ops, void *context,
                      struct net_device **device);

/* With its session, if it has one that was not recalled: for who tests drivers. */
void net_device_destroy(struct net_device *device);

/* EBUSY: somebody has it; ENOMEM. */
int net_session_create(struct net_device *device, const struct net_transport *transport, void *link,
                       struct net_session **session);

/* ENOSPC: all ids are taken. */
int net_session_attach(struct net_session *session, uint64_t address, uint64_t size,
                       uint32_t *buffer);

/* EINVAL: it cannot be. */
int net_session_filter(struct net_session *session, const struct net_filter *filter);

/* Take a submission, already copied. A bad one gets a completion that says so; EPROTO if the client
 * broke the protocol (a slot out of range, or in flight already): end the session. */
int net_session_submit(struct net_session *session, const struct net_submission *submission);

/* Nothing more is started or delivered; the session goes when the driver has given back what it
 * has, which may be now. */
void net_session_end(struct net_session *session);

/* Give waiting frames and buffers to the drivers, ring doorbells, deliver completions. */
void net_turn(void);

#endif
