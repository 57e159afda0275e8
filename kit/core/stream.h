/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The stream class's core: devices, sessions, requests. Between the driver above (kit/stream.h) and
 * a transport below that carries submissions in and completions out. Portable; no memory is
 * allocated per request.
 */
#ifndef KIT_CORE_STREAM_H
#define KIT_CORE_STREAM_H

#include <kit/stream.h>

enum {
    STREAM_SESSIONS_MAX = 8, /* of a shared device */
    STREAM_BACKLOG = 4096,   /* bytes that came and were not read yet; a power of two */
};

struct stream_transport {
    /* Put completions, for which there is room, before the client; wake it if it sleeps. False: the
     * client has made no place for them yet. */
    bool (*deliver)(void *link, struct stream_completion *completions, unsigned count);
};

struct stream_line {
    struct stream_request *first, **end;
};

struct stream_session {
    struct stream_device *device;
    const struct stream_transport *transport;
    void *link;                       /* the transport's */
    struct stream_request *pending;   /* a control that the driver has; null: none */
    struct stream_line doing, reads;  /* writes and controls; reads */
    bool is_stuck;                    /* the device has no room for the first of `doing` */
    bool is_broken;                   /* a write failed: those that continue it fail too */
    bool has_ended;                   /* and waits for the driver to be done with `pending` */
    bool is_full, has_lost;           /* the sender was told to stop; bytes did not fit */
    uint32_t put, taken;              /* bytes into and out of the backlog */
    uint16_t backlog[STREAM_BACKLOG]; /* a byte, its flags above it */
    unsigned completion_count;
    struct stream_completion completion[STREAM_SLOTS];
    bool busy[STREAM_SLOTS]; /* from submission until the completion is delivered */
    struct stream_request request[STREAM_SLOTS];
    struct stream_session *next;
};

struct stream_device {
    struct stream_info info;
    const struct stream_device_ops *ops;
    void *context;
    unsigned session_count; /* that have not ended */
    struct stream_session *sessions;
    struct stream_device *next;
};

int stream_device_create(const struct stream_info *info, const struct stream_device_ops *ops,
                         void *context, struct stream_device **device);
/* With its sessions: for who tests drivers. */
void stream_device_destroy(struct stream_device *device);

/* EBUSY: as many as can be have it; ENOMEM. */
int stream_session_create(struct stream_device *device, const struct stream_transport *transport,
                          void *link, struct stream_session **session);

/* Take a submission, already copied. A bad one gets a completion that says so; EPROTO if the client
 * broke the protocol (a slot out of range, or in flight already): end the session. */
int stream_session_submit(struct stream_session *session,
                          const struct stream_submission *submission);

/* Nothing is delivered any more; the link is not used again. What the device was given it keeps. */
void stream_session_end(struct stream_session *session);

/* Carry out what waits, as far as devices have room; deliver completions. */
void stream_turn(void);

#endif
