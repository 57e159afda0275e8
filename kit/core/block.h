/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The block class's core: devices, sessions, buffers, requests. Between the driver above
 * (kit/block.h) and a transport below that carries submissions in and completions out. Portable; no
 * memory is allocated per request.
 *
 *   submission -> checked -> waiting, per session -> started, one session after the other -> done
 *              -> completion, per session -> delivered, at the end of the event loop's turn
 */
#ifndef KIT_CORE_BLOCK_H
#define KIT_CORE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kit/block.h>
#include <kit/clock.h>
#include <kit/core/moderation.h>

struct queue;

/* Of a request: its first word is a submission's. `busy` is 1 from submission until it is done, and
 * one more for each time that the watch found it with the driver. It is found by a shift. */
static_assert(offsetof(struct block_request, operation) == 2 &&
                  offsetof(struct block_request, flags) == 3 &&
                  offsetof(struct block_request, generation) == 4,
              "as in struct block_submission");
static_assert(sizeof(struct block_request) == 128, "found by a shift");

static inline void block_request_name(struct block_request *request, uint64_t word)
{
    __builtin_memcpy(request, &word, sizeof(word));
}

struct block_transport {
    /* Send completions without ever waiting; how many were taken. They lie in the session's ring.
     */
    unsigned (*deliver)(void *link, struct block_completion *completions, unsigned count);

    /* The device no longer uses anything of the session's: let go of its buffers. The session is
     * freed afterwards. */
    void (*ended)(void *link, struct block_session *session);
};

struct block_buffer {
    uint64_t address; /* where the device sees it */
    uint64_t size;    /* 0: this id is free */
};

/* What of a device somebody may see, and whether it may be written. */
struct block_range {
    uint64_t first, count; /* in the device's blocks: the session's 0 to count - 1 */
    bool write;
};

struct block_session {
    struct block_device *device;
    struct block_range range;
    const struct block_transport *transport;
    void *link;   /* the transport's */
    void *server; /* whoever's it is that serves it without a device of its own */
    bool write;
    bool ending;
    unsigned number;     /* of its requests, for the driver */
    uint64_t refused_at; /* how many requests were done when the driver refused one; 0: never */
    unsigned owned;      /* requests that the driver has */
    unsigned depth;      /* the most of these and of those that it has not, lately */
    uint64_t active;     /* the device's turn when it last had any */
    struct block_buffer buffer[BLOCK_BUFFERS];
    /* What the last read or write was found to be. One that differs from it only in where it
     * begins, on the device and in the buffer, has nothing else to be looked at. */
    struct {
        uint16_t kind;    /* operation and flags, as they are in the first word */
        uint64_t extent;  /* count and buffer: the third word */
        uint64_t blocks;  /* so many it may begin at, of the session's; 0: there is no last one */
        uint64_t offset;  /* the last that it may begin at in the buffer, ... */
        uint64_t address; /* ... which is there for the device */
        uint64_t length;
    } like;
    /* Requests that the driver has not, in a ring; how many came, and how many of them it was
     * given; both wrap. There is room: each has a slot. */
    struct block_request *waiting[BLOCK_SLOTS];
    uint32_t came, started;
    /* Completions, put into the ring, and those of them that were delivered; both wrap. */
    struct block_completion *ring;
    uint32_t completed, delivered;
    bool withheld;  /* some that are not delivered have busy requests: block_session_withhold */
    uint64_t epoch; /* of completions, where it is in their second word */
    struct block_completion completion[BLOCK_SLOTS]; /* the ring, if the transport has none */
    struct block_request request[BLOCK_SLOTS];
    struct block_request *requests; /* the same, for who would have the address computed once */
    struct block_segment segments[BLOCK_SLOTS][BLOCK_PARTS]; /* of those that are scattered */
    struct block_session *next;
};

struct block_device {
    char label[64]; /* in front of lines of the log */
    struct block_device_limits limits;
    const struct block_device_ops *ops;
    void *context;
    unsigned failures;                               /* requests that the device failed */
    unsigned poll_from, poll_few, gather, gather_us; /* its moderation */
    bool apart; /* all is polled, whatever poll_from says, and by whoever calls block_turn */
    struct block_session *sessions; /* the first is the next to be served */
    unsigned queued;                /* requests that the driver has not, over all sessions */
    unsigned silent;    /* of those that it has: those that nobody but `poll` will see */
    unsigned fruitless; /* polls in a row that found nothing */
    bool few;           /* requests: it is polled if it is quick */
    unsigned misses;    /* how often in a row it was not */
    unsigned slow;      /* for so many turns more it is taken to be slow */
    uint64_t turns;
    unsigned share;           /* how many requests of one session the driver may have now */
    struct clock_timer watch; /* runs while the driver has requests */
    bool stopped;             /* nothing is started any more */
    bool withdrawn;           /* freed at the end of a turn, when its sessions are */
    struct block_device *next;
};

/* block_device_publish in what is the host's: make the port, or whatever clients find. */
int block_host_publish(struct device *device, const char *suffix,
                       const struct block_device_limits *limits, const struct block_device_ops *ops,
                       void *context, struct block_device **result);

/* EINVAL: impossible limits; ENOMEM. */
int block_device_create(const struct block_device_limits *limits,
                        const struct block_device_ops *ops, void *context,
                        struct block_device **device);

/* How completions are noticed, MODERATION_DEFAULT until then. 0; ENOTSUP: the device cannot gather,
 * the rest holds; or what the driver said. */
int block_device_moderate(struct block_device *device, const struct moderation *moderation);

/* No session begins any more; the transport has ended those that there are. */
void block_device_end(struct block_device *device);

/* How many requests the driver has now, over all sessions. */
unsigned block_device_pending(const struct block_device *device);

/* All of the device. */
struct block_range block_device_range(const struct block_device *device);

/* A part of a range, counted from its start. EINVAL: no blocks; ERANGE: it reaches past the end;
 * EROFS: it is to be written and the whole may not. */
int block_range_bound(const struct block_range *whole, uint64_t first, uint64_t count, bool write,
                      struct block_range *part);

/* The range is block_device_range's or a part of it. EROFS, ENOMEM. */
int block_session_create(struct block_device *device, const struct block_range *range, bool write,
                         const struct block_transport *transport, void *link,
                         struct block_session **session);
void block_session_info(const struct block_session *session, struct block_info *info);

/* Completions are put right into this ring of BLOCK_SLOTS entries, from its beginning, and have
 * this epoch. Without it they are put into a ring of the session's own, and the epoch is 0. */
void block_session_place(struct block_session *session, struct block_completion *ring,
                         uint32_t epoch);

/* ENOSPC: all ids are taken. */
int block_session_attach(struct block_session *session, uint64_t address, uint64_t size,
                         uint32_t *buffer);

/* Take a submission, which may lie where the client can change it: each field is read once, and
 * what was read is checked. A bad one gets a completion that says so; EPROTO if the client broke
 * the protocol (a slot out of range, or in flight already): end the session. */
int block_session_submit(struct block_session *session,
                         const volatile struct block_submission *submission);

static inline unsigned block_session_waiting(const struct block_session *session)
{
    return session->came - session->started;
}

/* A slot is not the client's again before its completion is delivered: as that is almost always at
 * once, requests are marked only if somebody looks before. */
static inline void block_session_withhold(struct block_session *session)
{
    for (uint32_t at = session->delivered; at != session->completed; at++) {
        session->request[session->ring[at % BLOCK_SLOTS].slot].busy = 1;
        session->withheld = true;
    }
}

/* All that its client has published, likewise. EPROTO; `problem` says how. */
int block_session_take(struct block_session *session, struct queue *queue, const char **problem);

/* Between the core's files. There is room: a slot is not taken again before its completion is
 * delivered. */
static inline void completion_add(struct block_session *session,
                                  const struct block_request *request, enum block_status status)
{
    struct block_completion *completion = &session->ring[session->completed++ % BLOCK_SLOTS];

    if (status == BLOCK_STATUS_OK) {
        completion->word[0] = block_word_pair(request->slot, request->generation);
        completion->word[1] = session->epoch | (uint32_t)request->length;
    } else {
        completion->word[0] =
            block_word_pair(request->slot | (uint32_t)status << 16, request->generation);
        completion->word[1] = session->epoch;
    }
}

/* Where a piece of a client's buffer is for the device; false: it is not
 * in the buffer. */
static inline bool block_session_place_at(const struct block_session *session, uint32_t id,
                                          uint64_t offset, uint64_t length, uint64_t *address)
{
    if (id >= BLOCK_BUFFERS)
        return false;
    const struct block_buffer *buffer = &session->buffer[id];
    *address = buffer->address + offset;
    return offset % 4 == 0 && offset <= buffer->size && length <= buffer->size - offset;
}

/* Likewise: check a read or write whose data is in several places, and find them: the first one,
 * and those behind it, which may change at any moment. */
enum block_status block_scatter_check(struct block_session *session, struct block_request *request,
                                      uint32_t buffer, uint64_t offset,
                                      const volatile uint64_t *more);

/* Nothing more is started or delivered; the session goes when the driver has given back what it
 * has. */
void block_session_end(struct block_session *session);

/* Start what waits, ring doorbells, poll, deliver completions, over all devices. In how many
 * nanoseconds to call it again, if nothing else happens: 0 while a busy device is polled,
 * BLOCK_TURN_NEVER if nothing is to be polled and everything was delivered. */
#define BLOCK_TURN_NEVER UINT64_MAX
uint64_t block_turn(void);

/* Whether requests have been started since the last call that are polled: their clients have more,
 * most likely, as soon as they are done. */
bool block_was_polled(void);

/* Others want the processor: for a while nothing is polled for few requests. */
void block_poll_less(void);

/* Whether a device that is polled has completed something. */
bool block_is_ready(void);

#endif
