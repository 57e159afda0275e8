/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What clients submit, checked: from the client's ring, where it may change at any moment, to
 * requests that the driver can be given.
 */
#include <errno.h>

#include <kit/core/block.h>
#include <kit/core/queue.h>

int block_session_attach(struct block_session *session, uint64_t address, uint64_t size,
                         uint32_t *buffer)
{
    for (uint32_t id = 0; id < BLOCK_BUFFERS; id++) {
        if (session->buffer[id].size == 0) {
            session->buffer[id] = (struct block_buffer){address, size};
            *buffer = id;
            return 0;
        }
    }
    return ENOSPC;
}

static enum block_status flush_check(const struct block_request *request, uint32_t buffer,
                                     uint64_t offset)
{
    return (request->block | request->count | offset | buffer) == 0 ? BLOCK_STATUS_OK
                                                                    : BLOCK_STATUS_INVALID;
}

static enum block_status zeroing_check(const struct block_session *session,
                                       const struct block_request *request, uint32_t buffer,
                                       uint64_t offset)
{
    const struct block_device_limits *limits = &session->device->limits;
    unsigned needed =
        request->operation == BLOCK_DISCARD ? BLOCK_INFO_DISCARD : BLOCK_INFO_WRITE_ZEROES;

    if (!(limits->flags & needed) || request->count > limits->max_blocks || (buffer | offset) != 0)
        return BLOCK_STATUS_INVALID;
    return session->write ? BLOCK_STATUS_OK : BLOCK_STATUS_READ_ONLY;
}

static inline enum block_status data_check(const struct block_session *session,
                                           struct block_request *request, uint32_t id,
                                           uint64_t offset)
{
    const struct block_device_limits *limits = &session->device->limits;
    uint64_t length = (uint64_t)request->count * limits->block_size;

    if (request->operation == BLOCK_WRITE && !session->write)
        return BLOCK_STATUS_READ_ONLY;
    if (length > limits->max_transfer ||
        !block_session_place_at(session, id, offset, length, &request->address))
        return BLOCK_STATUS_INVALID;
    request->length = length;
    return BLOCK_STATUS_OK;
}

/* Blocks become those of the device. */
static inline enum block_status range_check(const struct block_session *session,
                                            struct block_request *request)
{
    if (request->count == 0)
        return BLOCK_STATUS_INVALID;
    if (request->block > session->range.count ||
        request->count > session->range.count - request->block)
        return BLOCK_STATUS_RANGE;
    request->block += session->range.first;
    return BLOCK_STATUS_OK;
}

/* What keeps a request from being carried out, or OK. */
static inline enum block_status request_check(const struct block_session *session,
                                              struct block_request *request, uint32_t buffer,
                                              uint64_t offset)
{
    unsigned operation = request->operation;
    enum block_status status;

    if (request->flags > BLOCK_INTERRUPT) /* both, or one that is unknown */
        return BLOCK_STATUS_INVALID;
    if (operation == BLOCK_READ || operation == BLOCK_WRITE) {
        status = data_check(session, request, buffer, offset);
    } else {
        request->address = request->length = 0;
        if (operation == BLOCK_FLUSH)
            return flush_check(request, buffer, offset);
        if (operation != BLOCK_DISCARD && operation != BLOCK_WRITE_ZEROES)
            return BLOCK_STATUS_INVALID;
        status = zeroing_check(session, request, buffer, offset);
    }
    return status == BLOCK_STATUS_OK ? range_check(session, request) : status;
}

static inline void came_tell(struct block_session *session, uint32_t came)
{
    session->device->queued += came - session->came;
    session->came = came;
}

/* What is no plain read or write, or cannot be carried out. False: it was answered at once. */
static __attribute__((noinline)) bool
rare_submit(struct block_session *session, struct block_request *request,
            const volatile struct block_submission *submission, uint32_t buffer, uint64_t offset)
{
    enum block_status status;

    if (request->flags & BLOCK_SCATTER) {
        status = block_scatter_check(session, request, buffer, offset, submission->part);
        if (status == BLOCK_STATUS_OK)
            status = range_check(session, request);
    } else {
        status = request_check(session, request, buffer, offset);
    }
    /* Without a cache what is completed is durable. */
    bool is_cached = session->device->limits.flags & BLOCK_INFO_VOLATILE_CACHE;
    if (status == BLOCK_STATUS_OK && (request->operation != BLOCK_FLUSH || is_cached))
        return true;
    completion_add(session, request, status);
    session->withheld = true;
    return false;
}

/* Whether it is a read or write that can be carried out; others like it are from then on. */
static __attribute__((noinline)) bool is_plain(struct block_session *session, uint16_t kind,
                                               uint64_t block, uint64_t extent, uint64_t offset)
{
    uint32_t count = (uint32_t)extent, buffer = (uint32_t)(extent >> 32);
    uint64_t length = (uint64_t)count * session->device->limits.block_size, address;
    uint8_t operation = (uint8_t)kind;

    if (kind >> 8 > BLOCK_INTERRUPT ||
        !(operation == BLOCK_READ || (operation == BLOCK_WRITE && session->write)) || count == 0 ||
        block > session->range.count || count > session->range.count - block ||
        length > session->device->limits.max_transfer ||
        !block_session_place_at(session, buffer, offset, length, &address))
        return false;
    session->like.kind = kind;
    session->like.extent = extent;
    session->like.blocks = session->range.count - count + 1;
    session->like.offset = session->buffer[buffer].size - length;
    session->like.address = session->buffer[buffer].address;
    session->like.length = length;
    return true;
}

/* Likewise, for what is like the last one: a comparison each. */
static inline bool is_like(const struct block_session *session, uint16_t kind, uint64_t block,
                           uint64_t extent, uint64_t offset)
{
    return kind == session->like.kind && extent == session->like.extent &&
           block < session->like.blocks && offset <= session->like.offset && offset % 4 == 0;
}

/* `came`: one more, if it is to be started. */
static inline int submission_take(struct block_session *session,
                                  const volatile struct block_submission *submission,
                                  uint32_t *came)
{
    uint64_t word = submission->word[0];
    uint16_t slot = (uint16_t)word, kind = (uint16_t)(word >> 16);

    if (slot >= BLOCK_SLOTS)
        return EPROTO;
    struct block_request *request = &session->requests[slot];
    if (request->busy != 0)
        return EPROTO;
    uint64_t block = submission->word[1], extent = submission->word[2];
    uint64_t offset = submission->word[3];

    request->busy = 1;
    block_request_name(request, word);
    request->count = (uint32_t)extent;
    request->segments = NULL;
    if (__builtin_expect(is_like(session, kind, block, extent, offset), true) ||
        is_plain(session, kind, block, extent, offset)) {
        request->block = session->range.first + block;
        request->address = session->like.address + offset;
        request->length = session->like.length;
    } else {
        request->block = block;
        if (!rare_submit(session, request, submission, (uint32_t)(extent >> 32), offset))
            return 0;
    }
    session->waiting[(*came)++ % BLOCK_SLOTS] = request;
    return 0;
}

int block_session_submit(struct block_session *session,
                         const volatile struct block_submission *submission)
{
    uint32_t came = session->came;

    block_session_withhold(session);
    int error = submission_take(session, submission, &came);

    came_tell(session, came);
    return error;
}

/* As many as lie one behind the other. */
static int run_take(struct block_session *session, const volatile struct block_submission *run,
                    unsigned count)
{
    const volatile struct block_submission *end = run + count;
    uint32_t came = session->came;
    int error = 0;

    for (; run != end && error == 0; run++)
        error = submission_take(session, run, &came);
    came_tell(session, came);
    return error;
}

/* What is published while this looks waits for the next turn: a client cannot keep us here. */
int block_session_take(struct block_session *session, struct queue *queue, const char **problem)
{
    const volatile void *entries;
    unsigned count;

    block_session_withhold(session);
    do {
        if (queue_take_run(queue, &entries, sizeof(struct block_submission), &count) != 0) {
            *problem = "more submissions than there is room for";
            return EPROTO;
        }
        if (run_take(session, entries, count) != 0) {
            *problem = "a slot that is out of range or in flight already";
            return EPROTO;
        }
        /* Is there more where the ring begins? */
    } while (queue->taken != queue->seen && queue->taken % BLOCK_SLOTS == 0);
    return 0;
}
