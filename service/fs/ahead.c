/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ahead.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <kit/client/block.h>

enum {
    SEGMENTS = 16,
    SEGMENT_SIZE = 256 << 10, /* bytes at most, and one request */
    STREAMS = 8,
    WINDOW_LEAST = 64 << 10, /* bytes ahead of a reader: at first, */
    WINDOW_MOST = 1 << 20,   /* and at most */
    GAP_MOST = 64 << 10,     /* what a reader may skip, or go back, and still be the same */
};

enum segment_state {
    SEGMENT_EMPTY = 0,
    SEGMENT_COMING, /* its request is in flight */
    SEGMENT_STALE,  /* likewise, but the blocks have been written since */
    SEGMENT_THERE,
};

/* Neighbouring blocks of the device in memory. */
struct segment {
    struct ahead *ahead;
    enum segment_state state;
    uint64_t first, count;
    uint64_t used;   /* when; 0: read to its end */
    uint64_t wanted; /* by the read of this number, which its failure concerns; 0: by none yet */
};

/* A reader in ascending order. */
struct stream {
    uint64_t next;   /* the block after those it read last */
    uint64_t end;    /* the block after those that have been asked for */
    uint64_t window; /* blocks that were ahead of it last, half of the next time's; 0: none yet */
    uint64_t used;
};

struct ahead {
    struct block_client *client;
    uint32_t unit;       /* the device's block size */
    uint64_t blocks;     /* the device's */
    uint64_t most;       /* blocks of a segment */
    unsigned char *data; /* SEGMENTS times that */
    uint32_t buffer;
    uint64_t reads; /* so far: the time by which things are old */
    int error;      /* of the read that is under way */
    struct segment segment[SEGMENTS];
    struct stream stream[STREAMS];
};

int ahead_create(struct block_client *client, struct ahead **result)
{
    const struct block_info *info = block_client_info(client);
    uint32_t size = info->max_transfer < SEGMENT_SIZE ? info->max_transfer : SEGMENT_SIZE;
    struct ahead *ahead = calloc(1, sizeof(*ahead));
    void *memory;

    if (!ahead)
        return ENOMEM;
    ahead->client = client;
    ahead->unit = info->block_size;
    ahead->blocks = info->blocks;
    ahead->most = size / info->block_size;
    int error =
        block_client_buffer(client, SEGMENTS * ahead->most * ahead->unit, &memory, &ahead->buffer);
    if (error != 0) {
        free(ahead);
        return error;
    }
    ahead->data = memory;
    for (unsigned i = 0; i < SEGMENTS; i++)
        ahead->segment[i].ahead = ahead;
    *result = ahead;
    return 0;
}

static bool segment_is_in_flight(const struct segment *segment)
{
    return segment->state == SEGMENT_COMING || segment->state == SEGMENT_STALE;
}

void ahead_destroy(struct ahead *ahead)
{
    for (unsigned i = 0; ahead && i < SEGMENTS; i++) {
        while (segment_is_in_flight(&ahead->segment[i]))
            block_client_wait(ahead->client, false);
    }
    free(ahead);
}

static uint64_t segment_offset(const struct segment *segment)
{
    const struct ahead *ahead = segment->ahead;

    return (uint64_t)(segment - ahead->segment) * ahead->most * ahead->unit;
}

static struct segment *segment_lookup(struct ahead *ahead, uint64_t block)
{
    for (unsigned i = 0; i < SEGMENTS; i++) {
        struct segment *segment = &ahead->segment[i];
        if ((segment->state == SEGMENT_COMING || segment->state == SEGMENT_THERE) &&
            block >= segment->first && block - segment->first < segment->count)
            return segment;
    }
    return NULL;
}

/* Where the next segment begins that lies behind a block, but before `end`; or `end`. */
static uint64_t segment_next(const struct ahead *ahead, uint64_t block, uint64_t end)
{
    for (unsigned i = 0; i < SEGMENTS; i++) {
        const struct segment *segment = &ahead->segment[i];
        if ((segment->state == SEGMENT_COMING || segment->state == SEGMENT_THERE) &&
            segment->first > block && segment->first < end)
            end = segment->first;
    }
    return end;
}

/* One that is free, or the one that was not used for the longest time; NULL: all are in flight. */
static struct segment *segment_take(struct ahead *ahead)
{
    struct segment *oldest = NULL;

    for (unsigned i = 0; i < SEGMENTS; i++) {
        struct segment *segment = &ahead->segment[i];
        if (segment->state == SEGMENT_EMPTY)
            return segment;
        if (segment->state == SEGMENT_THERE && (!oldest || segment->used < oldest->used))
            oldest = segment;
    }
    return oldest;
}

/* What could not be read ahead nobody hears of: it is as if it had not been tried. */
static void segment_done(void *context, enum block_status status)
{
    struct segment *segment = context;
    struct ahead *ahead = segment->ahead;
    bool good = segment->state == SEGMENT_COMING && status == BLOCK_STATUS_OK;

    segment->state = good ? SEGMENT_THERE : SEGMENT_EMPTY;
    if (status != BLOCK_STATUS_OK && segment->wanted == ahead->reads && ahead->error == 0)
        ahead->error = block_status_error(status);
}

/* Have what is not there of these blocks read, as far as there are segments for it; where that
 * ended. `wanted`: by the read under way. */
static uint64_t blocks_request(struct ahead *ahead, uint64_t block, uint64_t end, bool wanted)
{
    while (block < end) {
        struct segment *segment = segment_lookup(ahead, block);
        if (segment) {
            block = segment->first + segment->count;
            continue;
        }
        segment = segment_take(ahead);
        if (!segment)
            break;
        uint64_t stop = segment_next(ahead, block, end);
        *segment = (struct segment){
            .ahead = ahead,
            .state = SEGMENT_COMING,
            .first = block,
            .count = stop - block < ahead->most ? stop - block : ahead->most,
            .used = ahead->reads,
            .wanted = wanted ? ahead->reads : 0,
        };
        int error =
            block_client_submit(ahead->client, BLOCK_READ, segment->first, (uint32_t)segment->count,
                                ahead->buffer, segment_offset(segment), segment_done, segment);
        if (error != 0) {
            segment->state = SEGMENT_EMPTY;
            if (wanted && error != EAGAIN)
                ahead->error = error;
            break;
        }
        block += segment->count;
    }
    return block < end ? block : end;
}

static struct stream *stream_lookup(struct ahead *ahead, uint64_t first)
{
    for (unsigned i = 0; i < STREAMS; i++) {
        struct stream *stream = &ahead->stream[i];
        uint64_t skipped = first > stream->next ? first - stream->next : stream->next - first;
        if (stream->used != 0 && skipped <= GAP_MOST / ahead->unit)
            return stream;
    }
    return NULL;
}

/* Whose these blocks are: a reader's that is known, or one's that takes the place of the oldest. */
static struct stream *stream_find(struct ahead *ahead, uint64_t first, uint64_t count)
{
    struct stream *stream = stream_lookup(ahead, first);

    if (!stream) {
        stream = &ahead->stream[0];
        for (unsigned i = 1; i < STREAMS; i++) {
            if (ahead->stream[i].used < stream->used)
                stream = &ahead->stream[i];
        }
        *stream = (struct stream){0};
    } else if (stream->window == 0) {
        uint64_t least = WINDOW_LEAST / ahead->unit;

        stream->window = ((count > least ? count : least) + 1) / 2;
    } else if (first < stream->end && !segment_lookup(ahead, first)) {
        /* Others took the memory, or it cannot be read: less is more. */
        stream->window = stream->window > 4 ? stream->window / 4 : 1;
        stream->end = first;
    }
    /* One that went back: what is there behind it is not asked for twice. */
    if (stream->end < first + count || first < stream->next)
        stream->end = first + count;
    stream->next = first + count;
    stream->used = ahead->reads;
    return stream;
}

/* Read on when half of what was ahead has been used, and twice as far: in few requests, and before
 * it is all used. */
static void stream_advance(struct ahead *ahead, struct stream *stream)
{
    uint64_t most = WINDOW_MOST / ahead->unit, left = ahead->blocks - stream->next;

    if (stream->window == 0 || stream->end - stream->next > stream->window / 2)
        return;
    stream->window = stream->window < most / 2 ? stream->window * 2 : most;
    uint64_t stop = stream->next + (left < stream->window ? left : stream->window);
    if (stop <= stream->end)
        return;
    stream->end = blocks_request(ahead, stream->end, stop, false);
    block_client_poll(ahead->client); /* the device goes on while we copy */
}

/* The segment with that block, read if it has to be. */
static int segment_get(struct ahead *ahead, uint64_t block, uint64_t end, struct stream *stream,
                       struct segment **result)
{
    for (;;) {
        *result = segment_lookup(ahead, block);
        if (*result && (*result)->state == SEGMENT_THERE)
            return 0;
        if (!*result) {
            if (ahead->error != 0)
                return ahead->error;
            blocks_request(ahead, block, end, true);
            if (ahead->error != 0)
                return ahead->error;
            stream_advance(ahead, stream);
        }
        block_client_wait(ahead->client, false); /* if it is gone, `done` has told */
    }
}

int ahead_read(struct ahead *ahead, uint64_t offset, uint64_t length, void *data)
{
    unsigned char *to = data;

    if (length == 0)
        return 0;
    uint64_t first = offset / ahead->unit, end = (offset + length - 1) / ahead->unit + 1;
    ahead->reads++;
    ahead->error = 0;
    struct stream *stream = stream_find(ahead, first, end - first);
    struct segment *here = segment_lookup(ahead, first);
    if (here) {
        here->used = ahead->reads; /* not to be taken for what is ahead */
        stream_advance(ahead, stream);
    }
    while (length > 0) {
        struct segment *segment;
        int error = segment_get(ahead, offset / ahead->unit, end, stream, &segment);
        if (error != 0)
            return error;
        uint64_t into = offset - segment->first * ahead->unit;
        uint64_t there = segment->count * ahead->unit - into;
        uint64_t part = length < there ? length : there;
        memcpy(to, ahead->data + segment_offset(segment) + into, part);
        segment->used = part == there ? 0 : ahead->reads;
        to += part;
        offset += part;
        length -= part;
    }
    return 0;
}

void ahead_forget(struct ahead *ahead, uint64_t block, uint64_t count)
{
    for (unsigned i = 0; i < SEGMENTS; i++) {
        struct segment *segment = &ahead->segment[i];
        bool apart = block >= segment->first ? block - segment->first >= segment->count
                                             : segment->first - block >= count;
        if (apart)
            continue;
        if (segment->state == SEGMENT_THERE)
            segment->state = SEGMENT_EMPTY;
        else if (segment->state == SEGMENT_COMING)
            segment->state = SEGMENT_STALE;
    }
    /* A reader that comes by here again has nothing ahead. */
    for (unsigned i = 0; i < STREAMS; i++) {
        struct stream *stream = &ahead->stream[i];
        if (block < stream->end && block >= stream->next)
            stream->end = block;
    }
}
