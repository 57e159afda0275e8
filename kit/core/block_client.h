/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The client's side of a block session: the private table of what is in flight. The truth about a
 * request is here, not with the driver. Portable; the host carries the messages.
 *
 * When the driver is gone and another one takes its place, everything that is not done is submitted
 * again (kit/core/block_recovery.c has the states).
 */
#ifndef KIT_CORE_BLOCK_CLIENT_H
#define KIT_CORE_BLOCK_CLIENT_H

#include <stdbool.h>

#include <kit/client/block.h>
#include <kit/core/block_keep.h>

struct block_client_link; /* the host's */

enum { BLOCK_CLIENT_BATCH = 32 };

enum block_client_stage {
    BLOCK_CLIENT_FREE = 0, /* the slot has no request */
    BLOCK_CLIENT_HELD,     /* there is no driver to put it to */
    BLOCK_CLIENT_PUT,      /* it is in the ring, under its generation */
};

enum block_client_state {
    BLOCK_CLIENT_RUNNING = 0,
    BLOCK_CLIENT_LOST,  /* the driver is gone: block_client_resume */
    BLOCK_CLIENT_KEPT,  /* what was written and not flushed is written again */
    BLOCK_CLIENT_ALONE, /* what may have killed drivers is tried, one at a time */
    BLOCK_CLIENT_GONE,  /* for good */
};

struct block_client {
    struct block_info info;
    struct block_client_link *link;
    enum block_client_state state;
    uint8_t flags;      /* of requests to come */
    uint64_t read_word; /* the first word of a read with them, without slot and generation */
    bool scattered;     /* one of the batch has parts */
    unsigned rejected;  /* completions for nothing that was asked */
    /* Where requests are put for the driver, and how many were and how many of them it was told of;
     * both wrap. What is between the two is the batch. */
    struct block_submission *ring;
    uint32_t put, sent, full; /* full: how many are put when the driver is told of them */
    uint64_t epoch;           /* that completions must have, where it is in their second word */
    uint32_t most;            /* blocks: requests for more are longer than a completion can say */
    uint32_t ready;     /* `most` while it runs, or 0: so many are read without another look */
    uint32_t sessions;  /* tried so far; wraps */
    uint32_t strangers; /* drivers since the disk was the same, of which the last offered another */
    struct block_submission batch[BLOCK_SLOTS]; /* the ring, if the host has none */
    unsigned free_count;
    uint16_t free_slot[BLOCK_SLOTS];
    uint64_t orders; /* requests so far */
    struct block_client_request {
        struct block_submission submission; /* a copy of what was asked, and its generation */
        /* What a completion has that can be believed without a further look: a success of a read,
         * while all is well. Or block_client_unanswered, and nothing. */
        uint64_t answer, answer_rest;
        block_client_done done;
        void *context;
        uint64_t order;
        union {
            struct {
                uint8_t stage;  /* enum block_client_stage */
                bool flushing;  /* a write that could not be kept: what is under way is its flush */
                bool lost;      /* the driver that is gone had it */
                bool refused;   /* one said that it cannot be, though it can: another is believed */
                uint8_t deaths; /* how many drivers died with it */
                uint8_t alone;  /* and in a row when it was the only one */
            };
            uint64_t progress; /* all of that: a stage, and nothing has gone wrong */
        };
        uint32_t flushed; /* a flush covers what was kept before this */
        uint32_t reserved[3];
    } table[BLOCK_SLOTS];
    void *memory[BLOCK_BUFFERS];  /* where the buffers are for us ... */
    uint64_t size[BLOCK_BUFFERS]; /* ... and their bytes, as far as they are noted */

    struct block_keep keep;
    unsigned char *doubt; /* a batch of kept writes, read back; or null */
    uint32_t doubt_buffer;
    struct {
        uint32_t first, end; /* the batch of kept writes */
        unsigned under_way;  /* requests */
        uint32_t pending;    /* kept writes under way, a bit each */
        uint32_t left;       /* kept writes of the batch that are not there yet, likewise */
        bool reading;        /* whether they are */
        unsigned rounds;     /* how often they were written */
        bool flushing;       /* what is under way is a flush of what was written again */
        bool refused; /* a driver said that one of them cannot be: the next one's word counts */
        bool alone;   /* the driver that is gone had one request that was tried alone */
        uint32_t generation; /* of kept writes */
        unsigned deaths;     /* drivers that died over kept writes */
    } replay;
    bool lost_writes; /* an acknowledged write could not be repeated: the next flush says so */
    struct block_client_counts counts;
};

static_assert(sizeof(struct block_client_request) == 128, "found by a shift");

/* A completion that has it is not compared with it, as it names another slot. */
static inline uint64_t block_client_unanswered(uint16_t slot)
{
    return slot ^ 1u;
}

static inline void block_client_state_set(struct block_client *client,
                                          enum block_client_state state)
{
    client->state = state;
    client->ready = state == BLOCK_CLIENT_RUNNING ? client->most : 0;
}

void block_client_init(struct block_client *client, const struct block_info *info,
                       struct block_client_link *link);

/* There is a new session, whose submissions are put right into this ring of BLOCK_SLOTS entries,
 * from its beginning, and whose completions have this epoch. Without it submissions are put into a
 * ring of the client's own, and the epoch is 0. */
void block_client_place(struct block_client *client, struct block_submission *ring, uint32_t epoch);

static inline unsigned block_client_in_flight(const struct block_client *client)
{
    return BLOCK_SLOTS - client->free_count;
}

/* Requests so far; wraps. */
static inline unsigned block_client_finished(const struct block_client *client)
{
    return (unsigned)client->orders - block_client_in_flight(client);
}

/* Whether the driver was told of what was put under that generation, which is its place in the
 * ring: before that there is nothing to complete. */
static inline bool block_client_is_told(const struct block_client *client, uint32_t generation)
{
    return (int32_t)(client->sent - generation) > 0;
}

static inline bool block_client_is_sent(const struct block_client *client,
                                        const struct block_client_request *request)
{
    return request->stage == BLOCK_CLIENT_PUT &&
           block_client_is_told(client, request->submission.generation);
}

/* The host attached a buffer. */
void block_client_note_buffer(struct block_client *client, uint32_t buffer, void *memory,
                              size_t size);

/* Keep what is written until it is flushed, in a buffer of BLOCK_KEEP_SIZE bytes. */
void block_client_keep(struct block_client *client, uint32_t buffer);

/* For one who does not believe its driver, and writes no more than BLOCK_DOUBT_SIZE bytes at once:
 * what is written again after a driver's death is read back, into a buffer of that size, and
 * written once more where it is not there. If that does not help the next flush fails. */
void block_client_doubt(struct block_client *client, uint32_t buffer);

/* Whether this session needs to keep anything. */
bool block_client_must_keep(const struct block_client *client);

/* Whether whoever uses the session next meets nothing of who did before: no request, nothing that
 * is kept or that could not be, and a driver that answered nothing but what it was asked. */
bool block_client_is_at_rest(const struct block_client *client);

/* Whether a driver's description of its device can be true. */
bool block_info_is_possible(const struct block_info *info);

/* For a host that delivers completions from its event loop: send what was submitted (ENODEV: it has
 * failed), take completions (each word is read once), and fail all that is in flight, for good. */
int block_client_send(struct block_client *client);
void block_client_take(struct block_client *client,
                       const volatile struct block_completion *completions, unsigned count);
void block_client_fail(struct block_client *client);

/* The driver is gone, or nothing that it says counts any more. */
void block_client_lost(struct block_client *client);

/* Go on with the driver that has taken its place. 0: it is running, or has failed for good; EAGAIN:
 * there is none yet, and the host will be woken when that changes. */
int block_client_resume(struct block_client *client);

/* For a caller that waits: until it is running. ENODEV: it has failed for good. */
int block_client_recover(struct block_client *client);

/* Between the core's files. Put a submission into the ring; hand a request to the driver; end one;
 * a completion in replay (false: it cannot be); whether one of a request for so many bytes can be.
 */
static inline struct block_submission *block_client_put(struct block_client *client)
{
    return &client->ring[client->put++ % BLOCK_SLOTS];
}
void block_client_request_send(struct block_client *client, uint16_t slot);
void block_client_request_end(struct block_client *client, uint16_t slot, enum block_status status);
bool block_client_replay_take(struct block_client *client,
                              const struct block_completion *completion);
void block_client_replay_step(struct block_client *client);
static inline bool block_status_is_refusal(unsigned status)
{
    return status == BLOCK_STATUS_INVALID || status == BLOCK_STATUS_RANGE;
}
static inline bool block_completion_is_possible(const struct block_completion *completion,
                                                uint64_t length)
{
    return completion->status <= BLOCK_STATUS_GONE &&
           (completion->status != BLOCK_STATUS_OK || completion->length == length);
}

/* By the host. They lie in the ring. Only if they are `scattered` their parts mean anything and
 * have to be sent. ENODEV: the driver is gone. */
int block_client_link_send(struct block_client_link *link,
                           const struct block_submission *submissions, unsigned count,
                           bool scattered);
/* Wait for completions: at least one, where they lie until the session ends: they may change at any
 * moment. ENODEV. */
int block_client_link_receive(struct block_client_link *link,
                              const volatile struct block_completion **completions,
                              unsigned *count);
/* Those that are there, if any, and wake the driver if it has to be. ENODEV. */
int block_client_link_poll(struct block_client_link *link,
                           const volatile struct block_completion **completions, unsigned *count);
/* What became of the driver that had our last session. */
enum block_client_end {
    BLOCK_CLIENT_DIED,
    BLOCK_CLIENT_EXCUSED, /* ended for nothing that it did, by an operator or with its device */
    BLOCK_CLIENT_LIVES,   /* it only took its disk back for a while */
};
/* A new session with what the name stands for now, and every buffer attached under its old id. 0;
 * EAGAIN: nothing yet, a wakeup is asked for; ENODEV and others: never again. `drivers`: how many
 * there were since that one, this one counted. */
int block_client_link_reopen(struct block_client_link *link, struct block_info *info,
                             enum block_client_end *end, uint32_t *drivers);
/* Have the driver replaced with which a session was just opened, and ask for a wakeup as when there
 * is none. */
void block_client_link_refuse(struct block_client_link *link, const char *reason);
/* What became of drivers so far, for who counts it over all sessions. */
void block_client_link_tell(struct block_client_link *link,
                            const struct block_client_counts *counts);
/* Wait for that wakeup. */
void block_client_link_await(struct block_client_link *link);
const char *block_client_link_name(const struct block_client_link *link);

#endif
