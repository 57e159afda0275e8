/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <kit/core/block_client.h>

bool block_info_is_possible(const struct block_info *info)
{
    return info->block_size >= 512 && info->block_size <= 65536 &&
           (info->block_size & (info->block_size - 1)) == 0 &&
           info->max_transfer >= info->block_size && info->max_transfer % info->block_size == 0 &&
           info->blocks <= UINT64_MAX / info->block_size;
}

void block_client_init(struct block_client *client, const struct block_info *info,
                       struct block_client_link *link)
{
    memset(client, 0, sizeof(*client));
    client->info = *info;
    client->info.serial[sizeof(info->serial) - 1] = '\0';
    client->info.model[sizeof(info->model) - 1] = '\0';
    client->link = link;
    client->most = UINT32_MAX / info->block_size;
    block_client_state_set(client, BLOCK_CLIENT_RUNNING);
    block_client_flags(client, 0);
    block_client_place(client, client->batch, 0);
    for (unsigned i = 0; i < BLOCK_SLOTS; i++) {
        client->free_slot[client->free_count++] = (uint16_t)(BLOCK_SLOTS - 1 - i);
        client->table[i].answer = block_client_unanswered((uint16_t)i);
    }
}

void block_client_place(struct block_client *client, struct block_submission *ring, uint32_t epoch)
{
    client->ring = ring;
    client->put = client->sent = 0;
    client->full = BLOCK_CLIENT_BATCH;
    client->epoch = (uint64_t)epoch << 32;
}

const struct block_info *block_client_info(const struct block_client *client)
{
    return &client->info;
}

void block_client_flags(struct block_client *client, uint8_t flags)
{
    client->flags = flags;
    client->read_word = block_word_make(BLOCK_READ, flags, 0, 0);
}

bool block_client_is_gone(const struct block_client *client)
{
    return client->state == BLOCK_CLIENT_GONE;
}

struct block_client_counts block_client_counts(const struct block_client *client)
{
    struct block_client_counts counts = client->counts;

    counts.rejected = client->rejected;
    return counts;
}

void block_client_note_buffer(struct block_client *client, uint32_t buffer, void *memory,
                              size_t size)
{
    if (buffer >= BLOCK_BUFFERS)
        return;
    client->memory[buffer] = memory;
    client->size[buffer] = size;
}

bool block_client_must_keep(const struct block_client *client)
{
    const uint32_t looked_at = BLOCK_INFO_VOLATILE_CACHE | BLOCK_INFO_READ_ONLY | BLOCK_INFO_KEPT;

    return (client->info.flags & looked_at) == BLOCK_INFO_VOLATILE_CACHE;
}

bool block_client_is_at_rest(const struct block_client *client)
{
    return client->state == BLOCK_CLIENT_RUNNING && block_client_in_flight(client) == 0 &&
           client->keep.first == client->keep.end && !client->lost_writes && client->rejected == 0;
}

void block_client_keep(struct block_client *client, uint32_t buffer)
{
    client->keep.memory = client->memory[buffer];
    client->keep.size = BLOCK_KEEP_SIZE;
    client->keep.buffer = buffer;
}

void block_client_doubt(struct block_client *client, uint32_t buffer)
{
    client->doubt = client->memory[buffer];
    client->doubt_buffer = buffer;
}

int block_status_error(enum block_status status)
{
    switch (status) {
    case BLOCK_STATUS_OK:
        return 0;
    case BLOCK_STATUS_INVALID:
        return EINVAL;
    case BLOCK_STATUS_RANGE:
        return ERANGE;
    case BLOCK_STATUS_READ_ONLY:
        return EROFS;
    case BLOCK_STATUS_TIMEOUT:
        return ETIMEDOUT;
    case BLOCK_STATUS_GONE:
        return ENODEV;
    case BLOCK_STATUS_MEDIUM:
    case BLOCK_STATUS_DEVICE:
        break;
    }
    return EIO; /* a status that we do not know is no success */
}

static inline void request_end(struct block_client *client, struct block_client_request *request,
                               uint16_t slot, enum block_status status)
{
    request->stage = BLOCK_CLIENT_FREE;
    request->answer = block_client_unanswered(slot);
    client->free_slot[client->free_count++] = slot;
    request->done(request->context, status);
}

void block_client_request_end(struct block_client *client, uint16_t slot, enum block_status status)
{
    request_end(client, &client->table[slot], slot, status);
}

void block_client_fail(struct block_client *client)
{
    block_client_state_set(client, BLOCK_CLIENT_GONE);
    client->put = client->sent;
    for (unsigned slot = 0; slot < BLOCK_SLOTS; slot++) {
        if (client->table[slot].stage != BLOCK_CLIENT_FREE)
            block_client_request_end(client, (uint16_t)slot, BLOCK_STATUS_GONE);
    }
}

static int piece_send(struct block_client *client, uint32_t count, bool scattered)
{
    const struct block_submission *first = &client->ring[client->sent % BLOCK_SLOTS];

    client->sent += count;
    client->full = client->sent + BLOCK_CLIENT_BATCH;
    int error = block_client_link_send(client->link, first, count, scattered);
    if (error != 0)
        block_client_lost(client);
    return error;
}

/* In one piece, or two where the ring ends. */
int block_client_send(struct block_client *client)
{
    uint32_t count = client->put - client->sent, room = BLOCK_SLOTS - client->sent % BLOCK_SLOTS;
    bool scattered = client->scattered;
    int error = 0;

    client->scattered = false;
    if (count == 0)
        return 0;
    if (count > room) {
        error = piece_send(client, room, scattered);
        count -= room;
    }
    return error == 0 ? piece_send(client, count, scattered) : error;
}

/* A failure reaches `done`, or is recovered from. 0, so that it is the last that its callers do. */
static __attribute__((noinline)) int batch_send(struct block_client *client)
{
    block_client_send(client);
    return 0;
}

/* The driver is told once for so many, or when somebody waits. */
static inline int batch_send_if_full(struct block_client *client)
{
    return client->put == client->full ? batch_send(client) : 0;
}

/* Put a request into the ring, all but its parts, as these words; the first one's generation is the
 * place that it gets. */
static void request_put(struct block_client *client, struct block_client_request *request,
                        uint32_t first, uint64_t block, uint64_t third, uint64_t offset)
{
    uint32_t place = client->put;
    struct block_submission *submission = block_client_put(client);

    request->submission.generation = place;
    request->stage = BLOCK_CLIENT_PUT;
    submission->word[0] = block_word_pair(first, place);
    submission->word[1] = block;
    submission->word[2] = third;
    submission->word[3] = offset;
}

void block_client_request_send(struct block_client *client, uint16_t slot)
{
    struct block_client_request *request = &client->table[slot];
    const struct block_submission *asked = &request->submission;
    struct block_submission *submission = &client->ring[client->put % BLOCK_SLOTS];

    if (request->flushing || asked->operation == BLOCK_FLUSH)
        request->flushed = client->keep.end;
    if (request->flushing) {
        unsigned flags = asked->flags & ~(unsigned)BLOCK_SCATTER;
        uint32_t first = (uint32_t)block_word_make(BLOCK_FLUSH, flags, slot, 0);
        request_put(client, request, first, 0, 0, 0);
    } else {
        request_put(client, request, (uint32_t)asked->word[0], asked->word[1], asked->word[2],
                    asked->word[3]);
        if (asked->flags & BLOCK_SCATTER) {
            memcpy(submission->part, asked->part, sizeof(submission->part));
            client->scattered = true;
        }
    }
    batch_send_if_full(client);
}

/* A request for the next free slot, of which there is one. */
static struct block_client_request *request_begin(struct block_client *client,
                                                  enum block_operation operation, unsigned flags,
                                                  block_client_done done, void *context)
{
    uint16_t slot = client->free_slot[--client->free_count];
    struct block_client_request *request = &client->table[slot];

    request->submission.word[0] = block_word_make(operation, flags, slot, 0);
    request->done = done;
    request->context = context;
    request->order = client->orders++;
    request->progress = BLOCK_CLIENT_HELD;
    return request;
}

/* block_client_submit of what is no read, or while there is no driver. */
static __attribute__((noinline)) int rare_submit(struct block_client *client,
                                                 enum block_operation operation, uint64_t block,
                                                 uint32_t count, uint32_t buffer, uint64_t offset,
                                                 block_client_done done, void *context)
{
    if (client->state == BLOCK_CLIENT_GONE)
        return ENODEV;
    if (client->free_count == 0)
        return EAGAIN;
    struct block_client_request *request =
        request_begin(client, operation, client->flags, done, context);
    request->submission.block = block;
    request->submission.count = count;
    request->submission.buffer = buffer;
    request->submission.offset = offset;
    if (client->state == BLOCK_CLIENT_RUNNING)
        block_client_request_send(client, request->submission.slot);
    return 0;
}

/* Each word is written to the table and to the ring at once, and what will be the answer noted. */
int block_client_submit(struct block_client *client, enum block_operation operation, uint64_t block,
                        uint32_t count, uint32_t buffer, uint64_t offset, block_client_done done,
                        void *context)
{
    unsigned left;

    if (operation != BLOCK_READ || count - 1 >= client->ready ||
        __builtin_sub_overflow(client->free_count, 1u, &left))
        return rare_submit(client, operation, block, count, buffer, offset, done, context);
    client->free_count = left;
    uint64_t slot = client->free_slot[left];
    struct block_client_request *request = &client->table[slot];
    request->done = done;
    request->context = context;
    request->order = client->orders++;
    request->progress = BLOCK_CLIENT_PUT;
    request->answer_rest = client->epoch | count * client->info.block_size;

    uint32_t place = client->put;
    uint64_t generation = (uint64_t)place << 32;
    struct block_submission *submission = block_client_put(client);
    request->submission.word[1] = submission->word[1] = block;
    request->submission.word[3] = submission->word[3] = offset;
    uint64_t word = block_word_pair(count, buffer);
    request->submission.word[2] = submission->word[2] = word;
    request->answer = slot | generation; /* the same slot and generation, and success */
    request->submission.word[0] = submission->word[0] = client->read_word | request->answer;
    return place + 1 == client->full ? batch_send(client) : 0;
}

/* Whether a request can name them: block_part_fits, and their sum too. */
static bool parts_fit(const struct block_client_part *parts, unsigned count)
{
    uint64_t blocks = 0;

    for (unsigned i = 0; i < count; i++) {
        blocks += parts[i].blocks;
        if (parts[i].buffer >= BLOCK_BUFFERS ||
            !block_part_fits(parts[i].buffer, parts[i].blocks, parts[i].offset))
            return false;
    }
    return count > 0 && count <= BLOCK_PARTS && blocks <= UINT32_MAX;
}

int block_client_submit_parts(struct block_client *client, enum block_operation operation,
                              uint64_t block, const struct block_client_part *parts, unsigned count,
                              block_client_done done, void *context)
{
    uint32_t blocks = 0;

    if ((operation != BLOCK_READ && operation != BLOCK_WRITE) || !parts_fit(parts, count))
        return EINVAL;
    if (count > 1 && !(client->info.flags & BLOCK_INFO_SCATTER))
        return EOPNOTSUPP;
    for (unsigned i = 0; i < count; i++)
        blocks += parts[i].blocks;
    if (client->state == BLOCK_CLIENT_GONE)
        return ENODEV;
    if (client->free_count == 0)
        return EAGAIN;
    struct block_client_request *request = request_begin(
        client, operation, client->flags | (count > 1 ? BLOCK_SCATTER : 0), done, context);
    struct block_submission *submission = &request->submission;
    submission->block = block;
    submission->count = blocks;
    submission->buffer = parts[0].buffer;
    submission->offset = parts[0].offset;
    memset(submission->part, 0, sizeof(submission->part));
    for (unsigned i = 1; i < count; i++)
        submission->part[i - 1] =
            block_part_make(parts[i].buffer, parts[i].blocks, parts[i].offset);
    if (client->state == BLOCK_CLIENT_RUNNING)
        block_client_request_send(client, submission->slot);
    return 0;
}

/* What a write wrote, from the places that it is in. */
static void data_copy(const struct block_client *client, const struct block_submission *submission,
                      unsigned char *to)
{
    bool scattered = submission->flags & BLOCK_SCATTER;
    uint32_t blocks = submission->count, buffer = submission->buffer;
    uint64_t offset = submission->offset;

    for (unsigned i = 0; scattered && i < BLOCK_PARTS - 1; i++)
        blocks -= block_part_blocks(submission->part[i]);
    for (unsigned i = 0; blocks > 0; i++) {
        size_t length = (size_t)blocks * client->info.block_size;
        memcpy(to, (const unsigned char *)client->memory[buffer] + offset, length);
        if (!scattered || i == BLOCK_PARTS - 1)
            return;
        to += length;
        blocks = block_part_blocks(submission->part[i]);
        buffer = block_part_buffer(submission->part[i]);
        offset = block_part_offset(submission->part[i]);
    }
}

/* A write is done for the client when it is kept, or durable; what has no data is not kept. */
static bool write_is_safe(struct block_client *client, uint16_t slot)
{
    struct block_client_request *request = &client->table[slot];
    const struct block_submission *submission = &request->submission;

    if (!client->keep.memory || submission->buffer >= BLOCK_BUFFERS)
        return true;
    unsigned char *copy = submission->operation == BLOCK_WRITE
                              ? block_keep_add(&client->keep, submission->block, submission->count,
                                               (size_t)submission->count * client->info.block_size)
                              : NULL;
    if (copy) {
        data_copy(client, submission, copy);
        return true;
    }
    request->flushing = true;
    block_client_request_send(client, slot);
    return false;
}

static enum block_status flush_status(struct block_client *client, uint16_t slot,
                                      enum block_status status)
{
    if (status != BLOCK_STATUS_OK)
        return status;
    block_keep_release(&client->keep, client->table[slot].flushed);
    if (!client->lost_writes || client->table[slot].flushing)
        return status;
    client->lost_writes = false;
    return BLOCK_STATUS_DEVICE;
}

/* One that is no read, or failed, or is replayed: what follows from it. False: not over yet. */
static bool rest_take(struct block_client *client, uint16_t slot, enum block_status *status)
{
    const struct block_client_request *request = &client->table[slot];
    unsigned operation = request->submission.operation;

    if (request->flushing || operation == BLOCK_FLUSH)
        *status = flush_status(client, slot, *status);
    else if (*status == BLOCK_STATUS_OK && operation != BLOCK_READ && !write_is_safe(client, slot))
        return false;
    if (client->state == BLOCK_CLIENT_ALONE)
        client->replay.under_way--;
    return true;
}

static bool moves_data(const struct block_client_request *request)
{
    unsigned operation = request->submission.operation;

    return operation == BLOCK_READ || (operation == BLOCK_WRITE && !request->flushing);
}

/* Whether a read or write is as it must be, so that nobody can say that it is not. */
static bool is_right(const struct block_client *client, const struct block_submission *asked)
{
    uint64_t length = (uint64_t)asked->count * client->info.block_size;
    uint64_t size = asked->buffer < BLOCK_BUFFERS ? client->size[asked->buffer] : 0;

    return (asked->operation == BLOCK_READ || asked->operation == BLOCK_WRITE) &&
           asked->flags <= BLOCK_INTERRUPT && length > 0 && length <= client->info.max_transfer &&
           asked->offset % 4 == 0 && asked->offset <= size && length <= size - asked->offset &&
           asked->block <= client->info.blocks &&
           asked->count <= client->info.blocks - asked->block;
}

/* A driver that says so is damaged; unless the next one says it too, as a device may. */
static bool is_refused_wrongly(const struct block_client *client,
                               struct block_client_request *request, unsigned status)
{
    bool before = request->refused;

    request->refused |= block_status_is_refusal(status) && !request->flushing &&
                        is_right(client, &request->submission);
    return request->refused && !before;
}

/* A completion counts only if its slot is in flight and it answers what was asked there last. What
 * the driver was not told of yet cannot have been answered: its place in the ring is still ours.
 * False: what it says cannot be. */
static __attribute__((noinline)) bool rare_take(struct block_client *client, uint64_t first,
                                                uint64_t second)
{
    const struct block_completion completion = {.word = {first, second}};
    uint16_t slot = completion.slot;
    struct block_client_request *request = &client->table[slot % BLOCK_SLOTS];

    if (completion.epoch != client->epoch >> 32) /* of a driver before this one */
        return true;
    if (client->state == BLOCK_CLIENT_KEPT)
        return block_client_replay_take(client, &completion);
    if (slot >= BLOCK_SLOTS || !block_client_is_sent(client, request) ||
        request->submission.generation != completion.generation) {
        client->rejected++;
        return true;
    }
    enum block_status status = (enum block_status)completion.status;
    uint64_t length =
        !moves_data(request) ? 0 : (uint64_t)request->submission.count * client->info.block_size;
    if (!block_completion_is_possible(&completion, length) ||
        is_refused_wrongly(client, request, status))
        return false;
    if (rest_take(client, slot, &status))
        request_end(client, request, slot, status);
    return true;
}

/* Each word is read once, and is as a rule the one that is waited for. `sent`: what the driver was
 * told of, as the generation behind it is in a first word; the difference says what
 * block_client_is_told does. */
static inline bool completion_take(struct block_client *client,
                                   const volatile struct block_completion *completion,
                                   uint64_t sent)
{
    uint64_t first = completion->word[0], second = completion->word[1];
    struct block_client_request *request = &client->table[first % BLOCK_SLOTS];

    if (first != request->answer || second != request->answer_rest || (int64_t)(sent - first) <= 0)
        return rare_take(client, first, second);
    request->stage = BLOCK_CLIENT_FREE;
    request->answer ^= 1; /* it names another slot: as good as block_client_unanswered */
    client->free_slot[client->free_count++] = (uint16_t)first;
    request->done(request->context, BLOCK_STATUS_OK);
    return true;
}

/* `done` may wait, and so end the session: the completions are not there any more then. */
void block_client_take(struct block_client *client,
                       const volatile struct block_completion *completions, unsigned count)
{
    const volatile struct block_completion *end = completions + count;
    uint32_t session = client->sessions;
    uint64_t sent = (uint64_t)client->sent << 32; /* what `done` sends is not answered here yet */

    for (; completions != end && client->sessions == session; completions++) {
        if (!completion_take(client, completions, sent)) {
            block_client_lost(client); /* nothing that this driver says counts any more */
            return;
        }
    }
    if (client->state == BLOCK_CLIENT_KEPT || client->state == BLOCK_CLIENT_ALONE)
        block_client_replay_step(client);
}

/* The next driver may die as well. */
int block_client_recover(struct block_client *client)
{
    while (client->state == BLOCK_CLIENT_LOST) {
        if (block_client_resume(client) == EAGAIN)
            block_client_link_await(client->link);
    }
    return client->state == BLOCK_CLIENT_GONE ? ENODEV : 0;
}

int block_client_wait(struct block_client *client, bool all)
{
    const volatile struct block_completion *completions;
    unsigned before = block_client_finished(client);

    do {
        unsigned count = 0;
        if (block_client_recover(client) != 0)
            return ENODEV;
        if (block_client_send(client) != 0)
            continue;
        if (block_client_in_flight(client) == 0 && client->state == BLOCK_CLIENT_RUNNING)
            return 0;
        if (block_client_link_receive(client->link, &completions, &count) != 0) {
            block_client_lost(client);
            continue;
        }
        block_client_take(client, completions, count);
        if (!all && block_client_finished(client) != before) /* `done` may have submitted others */
            return 0;
    } while (block_client_in_flight(client) > 0 || client->state != BLOCK_CLIENT_RUNNING);
    return 0;
}

int block_client_poll(struct block_client *client)
{
    const volatile struct block_completion *completions;
    unsigned count = 0;

    if (client->state == BLOCK_CLIENT_GONE)
        return ENODEV;
    if (client->state == BLOCK_CLIENT_LOST || block_client_send(client) != 0)
        return 0; /* who waits next recovers */
    if (block_client_link_poll(client->link, &completions, &count) != 0)
        block_client_lost(client);
    else if (count > 0)
        block_client_take(client, completions, count);
    return 0;
}

static void part_done(void *context, enum block_status status)
{
    int *error = context;

    if (*error == 0)
        *error = block_status_error(status);
}

int block_client_transfer(struct block_client *client, enum block_operation operation,
                          uint64_t block, uint64_t count, uint32_t buffer, uint64_t offset)
{
    bool moves = operation == BLOCK_READ || operation == BLOCK_WRITE;
    uint64_t most =
        moves ? client->info.max_transfer / client->info.block_size : client->info.max_blocks;
    int result = 0;

    if (operation == BLOCK_FLUSH) {
        int error = block_client_submit(client, operation, 0, 0, 0, 0, part_done, &result);
        if (error == 0)
            block_client_wait(client, true);
        return error ? error : result;
    }
    if (block > client->info.blocks || count > client->info.blocks - block)
        return ERANGE;
    if (most == 0)
        return EOPNOTSUPP;
    while (count > 0 && result == 0) {
        uint32_t part = (uint32_t)(count < most ? count : most);
        int error =
            block_client_submit(client, operation, block, part, buffer, offset, part_done, &result);
        if (error == EAGAIN) {
            block_client_wait(client, false);
            continue;
        }
        if (error != 0) {
            block_client_wait(client, true);
            return error;
        }
        block += part;
        count -= part;
        offset += moves ? (uint64_t)part * client->info.block_size : 0;
    }
    block_client_wait(client, true);
    return result;
}
