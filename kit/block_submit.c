/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What clients submit, checked: from the client's ring, where it may change at any moment, to
 * requests that the driver can be given.
 */
#include <errno.h>

#include <kit/block_core.h>
#include <kit/queue.h>

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

static inline void request_queue(struct block_session *session, struct block_request *request)
{
    request->next = NULL;
    *session->waiting_end = request;
    session->waiting_end = &request->next;
}

static inline void queued_add(struct block_session *session, unsigned count)
{
    session->queued += count;
    session->device->queued += count;
}

/* What is no plain read or write, or cannot be carried out. False: it was answered at once. */
static __attribute__((noinline)) bool
rare_submit(struct block_session *session, struct block_request *request,
            const volatile struct block_submission *submission, uint32_t buffer, uint64_t offset)
{
    enum block_status status;

    if (request->flags & BLOCK_SCATTER) {
        status = block_scatter_check(session, request, submission);
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
    return false;
}

/* Whether it is a read or write that can be carried out, in one comparison each: which of them
 * fails, and what it means, is request_check's. Where its data is goes into the request. */
static inline bool is_plain(const struct block_session *session, uint64_t word, uint64_t block,
                            uint32_t count, uint32_t buffer, uint64_t offset,
                            struct block_request *request)
{
    uint64_t length = (uint64_t)count * session->block_size;
    uint8_t operation = (uint8_t)word;

    request->length = length;
    return (uint16_t)word >> 8 <= BLOCK_INTERRUPT && (uint8_t)(operation - 1) <= session->last &&
           block <= session->range.count && (uint64_t)count - 1 < session->range.count - block &&
           length <= session->max_transfer &&
           block_session_place_at(session, buffer, offset, length, &request->address);
}

/* `queued`: one more, if it is to be started. */
static inline int submission_take(struct block_session *session,
                                  const volatile struct block_submission *submission,
                                  unsigned *queued)
{
    uint64_t word = submission->word[0];
    uint16_t slot = (uint16_t)(word >> 16);

    if (slot >= BLOCK_SLOTS)
        return EPROTO;
    struct block_request *request = &session->requests[slot];
    if (request->busy != 0)
        return EPROTO;
    uint64_t block = submission->word[1], third = submission->word[2];
    uint64_t offset = submission->word[3];
    uint32_t count = (uint32_t)third, buffer = (uint32_t)(third >> 32);

    request->busy = 1;
    request->word = word;
    request->count = count;
    request->segments = NULL;
    if (__builtin_expect(is_plain(session, word, block, count, buffer, offset, request), true)) {
        request->block = session->range.first + block;
    } else {
        request->block = block;
        if (!rare_submit(session, request, submission, buffer, offset))
            return 0;
    }
    request_queue(session, request);
    (*queued)++;
    return 0;
}

int block_session_submit(struct block_session *session,
                         const volatile struct block_submission *submission)
{
    unsigned queued = 0;
    int error = submission_take(session, submission, &queued);

    queued_add(session, queued);
    return error;
}

/* As many as lie one behind the other. */
static int run_take(struct block_session *session, const volatile struct block_submission *run,
                    unsigned count)
{
    const volatile struct block_submission *end = run + count;
    unsigned queued = 0;
    int error = 0;

    for (; run != end && error == 0; run++)
        error = submission_take(session, run, &queued);
    queued_add(session, queued);
    return error;
}

/* What is published while this looks waits for the next turn: a client cannot keep us here. */
int block_session_take(struct block_session *session, struct queue *queue, const char **problem)
{
    const volatile void *entries;
    unsigned count;

    do {
        *problem = "more submissions than there is room for";
        if (queue_take_run(queue, &entries, sizeof(struct block_submission), &count) != 0)
            return EPROTO;
        *problem = "a slot that is out of range or in flight already";
        if (run_take(session, entries, count) != 0)
            return EPROTO;
        /* Is there more where the ring begins? */
    } while (queue->taken != queue->seen && queue->taken % BLOCK_SLOTS == 0);
    return 0;
}
