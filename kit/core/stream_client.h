/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A stream client's core, above a transport that carries submissions out and completions in and
 * tells of the driver's death. Portable.
 */
#ifndef KIT_CORE_STREAM_CLIENT_H
#define KIT_CORE_STREAM_CLIENT_H

#include <kit/client/stream.h>

/* Slots: reads, writes, and the last one for a control. */
enum {
    STREAM_CLIENT_READS = 31,
    STREAM_CLIENT_WRITES = 32,
    STREAM_CLIENT_CONTROL = STREAM_SLOTS - 1,
    STREAM_CLIENT_KEPT = 4,
    STREAM_CLIENT_READ_ROOM = STREAM_SLOTS * STREAM_DATA, /* a power of two is not needed */
};

struct stream_client_link; /* the transport's */

struct stream_client {
    struct stream_client_link *link;
    struct stream_info info;
    bool is_gone;        /* there is no driver, nor will there be */
    unsigned recoveries; /* drivers that died */
    unsigned called;     /* completions taken, ever, but for those of what is kept */
    bool is_repeating;   /* what is kept, for a new driver */
    unsigned rejected;   /* that made no sense */

    struct {
        bool in_flight;
        uint32_t generation;
        uint16_t length; /* what may be answered at most */
    } slot[STREAM_SLOTS];

    /* Writes: what became of those since stream_client_write began. */
    unsigned writes_in_flight;
    size_t written;
    int write_error;

    uint64_t due; /* when the driver is complained of that owes an answer; 0: it owes none */

    bool control_done;
    int control_error;
    uint16_t control_length;
    uint8_t control_data[STREAM_DATA];

    bool read_lost; /* a driver died, which is to be told */
    size_t read_first, read_count;
    uint16_t read[STREAM_CLIENT_READ_ROOM]; /* a byte, its flags above it */

    struct {
        uint16_t code, length; /* code 0: free */
        uint8_t data[STREAM_DATA];
    } kept[STREAM_CLIENT_KEPT];
};

/* The session is open, for the first time or again (`client` is zeroed, or stream_client_lost was
 * called): post reads, repeat what was kept. */
void stream_client_begin(struct stream_client *client, const struct stream_info *info);

/* The driver is dead: nothing of what is in flight will be answered. */
void stream_client_lost(struct stream_client *client);

/* A completion, already copied, of this session. */
void stream_client_take(struct stream_client *client, const struct stream_completion *completion);

/* The transport's: put a submission into the queue, and make what was put visible. */
void stream_client_link_put(struct stream_client_link *link,
                            const struct stream_submission *submission);
void stream_client_link_publish(struct stream_client_link *link);

/* The driver is to be replaced, if we are believed. */
void stream_client_link_complain(struct stream_client_link *link, const char *reason);

/* Take what completions there are; if there are none, sleep at most so long until there are some or
 * a driver died. ENODEV: the device is gone for good. */
int stream_client_link_wait(struct stream_client_link *link, unsigned milliseconds);

#endif
