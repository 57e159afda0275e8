/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A block device that checks another one, or two that have the same data. Between the block class's
 * core above (kit/block.h) and its clients below (kit/client/block.h). Portable.
 *
 * A session of the filter has sessions of its own with the disks, and memory of its own, for each
 * disk another, into which the disk's device reads and from which it writes. Between that and its
 * client's buffers, which no device reaches, data is copied here, and the checksum is made of what
 * was copied: whatever a device does to its memory afterwards reaches nobody. While a request is
 * under way none that touches the same blocks is started, if one of the two writes.
 *
 *   read, all known or one disk   read -> finish; or settle (two disks), or accuse -> read again
 *   read, not all known, two      read both -> finish; or settle
 *   settle                        read both again, decide for each block -> repair -> read both
 *   write                         write both -> finish; one in so many: read back -> finish; or
 *                                 accuse -> write again
 */
#ifndef SERVICE_INTEGRITY_FILTER_H
#define SERVICE_INTEGRITY_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include <interface/block.h>
#include <kit/block.h>
#include <kit/client/block.h>

#include "ledger.h"
#include "pages.h"
#include "rotten.h"
#include "table.h"

enum {
    FILTER_DISKS = 2,
    FILTER_TRANSFER = PAGES_RUN * PAGES_SIZE, /* the longest request */
    FILTER_SUMS = FILTER_TRANSFER / 512,      /* checksums of a request, at most */
    FILTER_MEMORY = PAGES_COUNT * PAGES_SIZE, /* of a session, for each disk */
};

struct filter_options {
    unsigned sample;  /* one in so many writes is read back; 0: none */
    unsigned repeats; /* how often a request is repeated before it fails */
    unsigned prefer;  /* whose data it is if copies differ and nothing is known; FILTER_DISKS: of
                         neither: such a read fails */
};

struct filter_disk {
    char name[64];
    bool dropped; /* the other one has what was written since */
};

struct filter {
    struct filter_options options;
    struct table *table;
    struct ledger *ledger; /* or null: what is known is forgotten at the end */
    uint32_t block_size;
    unsigned disk_count;
    struct filter_disk disk[FILTER_DISKS];
    struct rotten rotten;                   /* of the last disk that there is */
    struct filter_work *under_way;          /* all sessions' */
    unsigned writing;                       /* of them: those that write */
    uint64_t started;                       /* requests so far */
    struct filter_work *later, **later_end; /* to go on in filter_turn */
    bool ended;                             /* a request, since the last filter_turn */
    bool submitted;                         /* a request to a disk; the host takes it back */
    uint32_t random;
};

struct filter_leg {
    struct filter_work *work;
    bool used;
    enum block_status status;
    unsigned recoveries; /* of its client when it was done: which driver it was */
};

/* A request under way. */
struct filter_work {
    struct block_request *request; /* null: none */
    struct filter_session *session;
    uint64_t number;                        /* from 1 on */
    void (*next)(struct filter_work *work); /* when no leg is pending */
    unsigned pending, repeats;
    unsigned accused;      /* disks, a bit each: their drivers are to be replaced first */
    unsigned wrong;        /* disks to be repaired */
    unsigned place, pages; /* of the session's memory; the latter 0: it needs none */
    struct filter_leg leg[FILTER_DISKS];
    struct filter_work **at, *following; /* in `under_way` */
    struct filter_work *queued;          /* behind it in `later` */
};

struct filter_session {
    struct filter *filter;
    struct block_client *client[FILTER_DISKS];
    unsigned char *memory[FILTER_DISKS]; /* FILTER_MEMORY bytes that the disk's device reaches */
    uint32_t memory_id[FILTER_DISKS];
    struct pages pages;
    struct filter_buffer { /* the client's */
        unsigned char *memory;
        uint64_t size;
    } buffer[BLOCK_BUFFERS];
    unsigned buffer_count;
    struct filter_work work[BLOCK_SLOTS];
    struct filter_session *next; /* for its host */
};

/* `filter` has its options, block size and disks. 0 or ENOMEM. */
int filter_init(struct filter *filter, unsigned table_pieces);

/* What the filter is for its clients, of what its disks are. EINVAL: they do not make a mirror. */
int filter_limits(const struct filter *filter, const struct block_info *info,
                  struct block_device_limits *limits);

/* `session` is zeroed; then it is given its clients and the memory for each. */
void filter_session_init(struct filter_session *session, struct filter *filter);

/* The address (in struct block_request) of a buffer of the session's. */
static inline uint64_t filter_buffer_address(unsigned buffer)
{
    return (uint64_t)(buffer + 1) << 32;
}

/* block_device_ops' start; the kit's session has a filter_session as its `server`. False, too,
 * while there is no room in its memory. */
bool filter_start(void *filter, struct block_request *request);

/* Whether a request that writes to these blocks is under way. */
bool filter_is_writing(void *filter, uint64_t first, uint64_t count);

/* The number of the oldest request under way; 0: there is none. */
uint64_t filter_oldest(const struct filter *filter);

/* After the disks' completions were taken: replace drivers and go on with what was wrong. Whether
 * any request ended: they are to be delivered, and others may be started. */
bool filter_turn(struct filter *filter);

/* By the host: have the disk's driver replaced; everything under way is submitted to the next. */
void block_client_accuse(struct block_client *client, const char *reason);

#endif
