/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <kit/core/net_client.h>
#include <kit/log.h>

bool net_info_is_possible(const struct net_info *info)
{
    uint32_t least = info->flags & NET_INFO_MERGES ? NET_MERGE_LEAST : info->max_frame;

    return info->max_frame > NET_HEADER_SIZE && info->max_frame <= NET_FRAME_MOST &&
           info->receive_size >= least && info->receive_size <= NET_FRAME_MOST &&
           info->queues <= NET_QUEUES && !(info->address[0] & 1);
}

void net_client_init(struct net_client *client, const struct net_info *info,
                     struct net_client_link *link)
{
    memset(client, 0, sizeof(*client));
    client->info = *info;
    client->info.model[sizeof(info->model) - 1] = '\0';
    client->merges = info->flags & NET_INFO_MERGES;
    client->link = link;
    for (unsigned i = 0; i < NET_SLOTS; i++)
        client->free_slot[client->free_count++] = (uint16_t)(NET_SLOTS - 1 - i);
}

unsigned net_buffers_least(const struct net_info *info, uint32_t length)
{
    unsigned queues = info->queues > 0 ? info->queues : 1;
    uint32_t longest = sizeof(struct net_frame_header) + NET_FRAME_MOST;

    return queues * (info->flags & NET_INFO_MERGES ? (longest + length - 1) / length : 1);
}

const struct net_info *net_client_info(const struct net_client *client)
{
    return &client->info;
}

struct net_client_counts net_client_counts(const struct net_client *client)
{
    return client->counts;
}

void net_client_note_buffer(struct net_client *client, uint32_t buffer, const void *memory,
                            uint64_t size)
{
    if (buffer >= NET_BUFFERS)
        return;
    client->size[buffer] = size;
    client->memory[buffer] = memory;
}

void net_client_watch(struct net_client *client, void (*changed)(void *context), void *context)
{
    client->changed = changed;
    client->changed_context = context;
}

static void statistics_add(struct net_statistics *sum, const struct net_statistics *other)
{
    sum->sent_frames += other->sent_frames;
    sum->sent_bytes += other->sent_bytes;
    sum->received_frames += other->received_frames;
    sum->received_bytes += other->received_bytes;
    sum->send_errors += other->send_errors;
    sum->receive_errors += other->receive_errors;
    sum->missed += other->missed;
    sum->refused += other->refused;
}

void net_client_state(const struct net_client *client, struct net_state *state)
{
    *state = client->state;
    state->changes = client->changes;
    statistics_add(&state->statistics, &client->before);
    if (!client->merges)
        return;
    /* Here it is known where frames begin and end. */
    state->statistics.received_frames = client->frames;
    state->statistics.received_bytes = client->frame_bytes;
    state->statistics.receive_errors += client->frame_errors;
}

static void state_changed(struct net_client *client)
{
    client->changes++;
    client->called++;
    if (client->changed)
        client->changed(client->changed_context);
}

void net_client_note_state(struct net_client *client, const struct net_state *state)
{
    bool is_new = state->changes != client->state.changes;

    client->state = *state;
    client->state.link = state->link != 0;
    if (is_new)
        state_changed(client);
}

static inline void request_end(struct net_client *client, uint16_t slot,
                               enum net_completion_status status, uint32_t length, uint8_t flags)
{
    struct net_client_request *request = &client->table[slot];

    request->in_flight = false;
    client->free_slot[client->free_count++] = slot;
    client->called++;
    if (request->done)
        request->done(request->context, status, length, flags);
}

void net_client_flush(struct net_client *client)
{
    unsigned count = client->batched;

    if (count == 0)
        return;
    client->batched = 0;
    for (unsigned i = 0; i < count; i++) {
        struct net_client_request *request = &client->table[client->batch[i]];
        request->sent = true;
        net_client_link_put(client->link, &request->submission);
    }
    net_client_link_publish(client->link);
}

static void request_send(struct net_client *client, uint16_t slot)
{
    struct net_client_request *request = &client->table[slot];

    request->submission.generation++;
    request->sent = false;
    client->batch[client->batched++] = slot;
    if (client->batched == NET_CLIENT_BATCH)
        net_client_flush(client);
}

static int submit(struct net_client *client, struct net_submission *submission,
                  net_client_done done, void *context)
{
    uint32_t buffer = submission->buffer;

    if (client->life == NET_CLIENT_GONE)
        return ENODEV;
    if (buffer >= NET_BUFFERS || submission->offset > client->size[buffer] ||
        submission->length > client->size[buffer] - submission->offset)
        return EINVAL;
    if (client->free_count == 0)
        return EAGAIN;
    uint16_t slot = client->free_slot[--client->free_count];
    struct net_client_request *request = &client->table[slot];
    submission->slot = slot;
    submission->generation = request->submission.generation;
    request->submission = *submission;
    request->in_flight = true;
    request->sent = false;
    request->done = done;
    request->context = context;
    if (client->life == NET_CLIENT_RUNNING)
        request_send(client, slot);
    return 0;
}

static struct net_submission submission_make(enum net_operation operation,
                                             const struct net_place *place)
{
    return (struct net_submission){
        .operation = (uint8_t)operation,
        .buffer = place->buffer,
        .length = place->length,
        .offset = place->offset,
    };
}

int net_client_send(struct net_client *client, const struct net_place *place, net_client_done done,
                    void *context)
{
    struct net_submission submission = submission_make(NET_SEND, place);

    if (client->life == NET_CLIENT_LOST)
        return ENETDOWN;
    return submit(client, &submission, done, context);
}

int net_client_send_flow(struct net_client *client, const struct net_place *place, uint16_t flow,
                         net_client_done done, void *context)
{
    struct net_submission submission = submission_make(NET_SEND, place);

    if (client->life == NET_CLIENT_LOST)
        return ENETDOWN;
    submission.flow = flow;
    return submit(client, &submission, done, context);
}

int net_client_send_checksum(struct net_client *client, const struct net_place *place,
                             uint16_t start, uint16_t offset, net_client_done done, void *context)
{
    struct net_submission submission = submission_make(NET_SEND, place);

    if (client->life == NET_CLIENT_LOST)
        return ENETDOWN;
    submission.flags = NET_CHECKSUM;
    submission.checksum_start = start;
    submission.checksum_offset = offset;
    return submit(client, &submission, done, context);
}

int net_client_receive(struct net_client *client, const struct net_place *place,
                       net_client_done done, void *context)
{
    struct net_submission submission = submission_make(NET_RECEIVE, place);

    return submit(client, &submission, done, context);
}

int net_client_filter(struct net_client *client, const struct net_filter *filter)
{
    if (filter->count > NET_GROUPS || filter->own_count > NET_ADDRESSES)
        return EINVAL;
    client->filter = *filter;
    client->filtered = true;
    if (client->life != NET_CLIENT_RUNNING)
        return client->life == NET_CLIENT_GONE ? ENODEV : 0;
    int error = net_client_link_filter(client->link, filter);
    return error == ENODEV ? 0 : error; /* it died: the next one gets it */
}

const struct net_piece *net_client_pieces(const struct net_client *client, unsigned *count)
{
    *count = client->frame.count;
    return client->frame.piece;
}

static __attribute__((noinline)) const unsigned char *frame_join(const struct net_client *client,
                                                                 unsigned char *room)
{
    const struct net_piece *piece = client->frame.piece;
    uint32_t at = 0;

    for (unsigned i = 0; i < client->frame.count; i++, piece++) {
        memcpy(room + at, piece->data, piece->length);
        at += piece->length;
    }
    return room;
}

const unsigned char *net_client_whole(const struct net_client *client, unsigned char *room)
{
    return client->frame.count == 1 ? client->frame.piece[0].data : frame_join(client, room);
}

/* Call back the places of what is here of a frame: the first with the frame, if it is a good one.
 */
static void pieces_end(struct net_client *client, enum net_completion_status status)
{
    uint32_t length = status == NET_STATUS_OK ? client->frame.length : 0;

    for (unsigned i = 0; i < client->frame.count; i++) {
        request_end(client, client->frame.slot[i], status, length, length > 0 ? NET_PIECES : 0);
        status = status == NET_STATUS_OK ? NET_STATUS_PIECE : status;
        length = 0;
    }
    client->frame.count = 0;
}

/* What is here of the frame is dropped with this piece; so is the rest, if there is more to come.
 */
static void piece_refuse(struct net_client *client, uint16_t slot, unsigned awaited,
                         enum net_completion_status status)
{
    client->frame.awaited = awaited;
    client->frame_errors += !client->frame.is_bad;
    client->frame.is_bad = true;
    pieces_end(client, NET_STATUS_DROPPED);
    request_end(client, slot, status, 0, 0);
}

/* Whether so many buffers are in flight. Of those that are only a few are looked at. */
static bool are_out(const struct net_client *client, unsigned buffers)
{
    for (unsigned slot = 0; slot < NET_SLOTS && buffers > 0; slot++) {
        const struct net_client_request *request = &client->table[slot];
        buffers -= request->in_flight && request->submission.operation == NET_RECEIVE;
    }
    return buffers == 0;
}

/* No more pieces are awaited than buffers are out, and each answer is one: so whatever the device
 * says, all of them come back. */
static bool frame_begin(struct net_client *client, unsigned buffers)
{
    client->frame.length = 0;
    client->frame.is_bad = false;
    client->frame.awaited = buffers;
    return buffers > 0 && are_out(client, buffers);
}

/* The usual frame: it has one piece. */
static inline void frame_take(struct net_client *client, uint16_t slot, const unsigned char *data,
                              uint32_t length)
{
    client->frame.piece[0] = (struct net_piece){data, length, client->table[slot].context};
    client->frame.count = 1;
    client->frames++;
    client->frame_bytes += length;
    request_end(client, slot, NET_STATUS_OK, length, NET_PIECES);
    client->frame.count = 0;
}

/* The next piece of a frame, or the first of one that has `buffers`; 0: it cannot be. */
static __attribute__((noinline)) void piece_take(struct net_client *client, uint16_t slot,
                                                 const unsigned char *data, uint32_t length,
                                                 unsigned buffers)
{
    struct net_client_request *request = &client->table[slot];
    uint32_t header = client->frame.awaited == 0 ? sizeof(struct net_frame_header) : 0;

    if ((header > 0 && !frame_begin(client, buffers)) ||
        (--client->frame.awaited > 0 && length < request->submission.length)) {
        client->counts.rejected++;
        piece_refuse(client, slot, 0, NET_STATUS_DROPPED);
        return;
    }
    if (client->frame.is_bad || client->frame.count == NET_PIECES_MOST ||
        length - header > client->info.max_frame - client->frame.length) {
        piece_refuse(client, slot, client->frame.awaited, NET_STATUS_DROPPED);
        return;
    }
    client->frame.piece[client->frame.count] =
        (struct net_piece){data + header, length - header, request->context};
    client->frame.slot[client->frame.count++] = slot;
    client->frame.length += length - header;
    request->sent = false;
    if (client->frame.awaited > 0)
        return;
    client->frames++;
    client->frame_bytes += client->frame.length;
    pieces_end(client, NET_STATUS_OK);
}

/* A buffer of a device that merges them, with `length` bytes in it. The device may write the header
 * at any time: it is read once, where there can be one. */
static inline void buffer_take(struct net_client *client, uint16_t slot, uint32_t length)
{
    typedef uint16_t loose __attribute__((aligned(1), may_alias));
    enum { HEADER = sizeof(struct net_frame_header) };
    const struct net_submission *asked = &client->table[slot].submission;
    const unsigned char *data = client->memory[asked->buffer] + asked->offset;
    uint16_t buffers = 0;

    if (client->frame.awaited == 0 && length >= HEADER + NET_FRAME_LEAST)
        buffers = *(const volatile loose *)(data + offsetof(struct net_frame_header, buffers));
    if (buffers == 1 && length <= HEADER + client->info.max_frame)
        frame_take(client, slot, data + HEADER, length - HEADER);
    else
        piece_take(client, slot, data, length, buffers);
}

/* A buffer that comes back without anything, which the driver has counted. */
static void buffer_lost(struct net_client *client, uint16_t slot, enum net_completion_status status)
{
    client->frame.is_bad = true;
    piece_refuse(client, slot, 0, status);
}

/* A completion counts only if its slot is in flight and it answers what was asked there last. */
static inline void completion_take(struct net_client *client,
                                   const volatile struct net_completion *shared, uint32_t epoch,
                                   bool merges)
{
    const struct net_completion completion = *shared;
    uint16_t slot = completion.slot;

    if (completion.epoch != epoch)
        return;
    if (client->life != NET_CLIENT_RUNNING || slot >= NET_SLOTS || !client->table[slot].in_flight ||
        !client->table[slot].sent ||
        client->table[slot].submission.generation != completion.generation) {
        client->counts.rejected++;
        return;
    }
    enum net_completion_status status = (enum net_completion_status)completion.status;
    uint32_t length = completion.length;
    bool is_piece = merges && client->table[slot].submission.operation == NET_RECEIVE;
    if (status > NET_STATUS_GONE ||
        (status == NET_STATUS_OK && (length > client->table[slot].submission.length ||
                                     length < (is_piece ? 1 : NET_FRAME_LEAST)))) {
        client->counts.rejected++;
        status = NET_STATUS_DROPPED;
    }
    if (!is_piece)
        request_end(client, slot, status, status == NET_STATUS_OK ? length : 0,
                    completion.flags & (uint8_t)~NET_PIECES);
    else if (status == NET_STATUS_OK)
        buffer_take(client, slot, length);
    else
        buffer_lost(client, slot, status);
}

void net_client_take(struct net_client *client, const volatile struct net_completion *completions,
                     unsigned count, uint32_t epoch)
{
    if (client->merges) {
        for (unsigned i = 0; i < count; i++)
            completion_take(client, &completions[i], epoch, true);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        completion_take(client, &completions[i], epoch, false);
}

/* Looked at seldom, and so found by a search: who sends has nothing to note. */
enum net_client_sending net_client_look(struct net_client *client)
{
    const struct net_client_request *last = &client->table[client->looked_at.slot];
    bool is_there = client->looked_at.is_set && last->in_flight &&
                    last->submission.generation == client->looked_at.generation;

    if (client->life == NET_CLIENT_RUNNING && is_there && client->state.link &&
        client->changes == client->looked_at.changes)
        return NET_CLIENT_STUCK;
    client->looked_at.is_set = false;
    for (uint16_t slot = 0; slot < NET_SLOTS && !client->looked_at.is_set; slot++) {
        const struct net_client_request *request = &client->table[slot];
        if (!request->in_flight || request->submission.operation != NET_SEND)
            continue;
        client->looked_at.is_set = true;
        client->looked_at.slot = slot;
        client->looked_at.generation = request->submission.generation;
        client->looked_at.changes = client->changes;
    }
    return client->looked_at.is_set ? NET_CLIENT_SENDS : NET_CLIENT_SENDS_NOTHING;
}

/* End what is in flight: all of it, or what was being sent. */
static void requests_end(struct net_client *client, bool all, enum net_completion_status status)
{
    for (uint16_t slot = 0; slot < NET_SLOTS; slot++) {
        const struct net_client_request *request = &client->table[slot];
        if (!request->in_flight || !(all || request->submission.operation == NET_SEND))
            continue;
        client->counts.dropped += request->submission.operation == NET_SEND;
        request_end(client, slot, status, 0, 0);
    }
}

/* What is here of a frame is no more than buffers in flight. */
static void frame_forget(struct net_client *client)
{
    client->frame.awaited = client->frame.count = 0;
}

static void fail(struct net_client *client)
{
    client->life = NET_CLIENT_GONE;
    client->batched = 0;
    frame_forget(client);
    requests_end(client, true, NET_STATUS_GONE);
    state_changed(client);
}

void net_client_lost(struct net_client *client)
{
    if (client->life != NET_CLIENT_RUNNING)
        return;
    client->life = NET_CLIENT_LOST;
    client->batched = 0;
    frame_forget(client);
    statistics_add(&client->before, &client->state.statistics);
    client->state = (struct net_state){.link = 0};
    requests_end(client, false, NET_STATUS_DROPPED);
    state_changed(client);
}

/* A device of the same name that is another one is as good if frames fit as they did. */
static bool is_usable(const struct net_client *client, const struct net_info *info)
{
    return ((info->flags ^ client->info.flags) & NET_INFO_MERGES) == 0 &&
           info->max_frame >= client->info.max_frame &&
           info->receive_size <= client->info.receive_size &&
           (info->flags & client->info.flags) == client->info.flags;
}

int net_client_resume(struct net_client *client)
{
    struct net_info info;

    if (client->life != NET_CLIENT_LOST)
        return 0;
    int error = net_client_link_reopen(client->link, &info);
    if (error == EAGAIN)
        return EAGAIN;
    if (error != 0 || !is_usable(client, &info)) {
        log_error("%s is gone: %s", net_client_link_name(client->link),
                  error ? strerror(error) : "another device has its name");
        fail(client);
        return 0;
    }
    memcpy(client->info.address, info.address, sizeof(info.address));
    client->info.queues = info.queues;
    client->life = NET_CLIENT_RUNNING;
    client->counts.recoveries++;
    if (client->filtered)
        net_client_link_filter(client->link, &client->filter);
    for (uint16_t slot = 0; slot < NET_SLOTS; slot++) {
        if (!client->table[slot].in_flight)
            continue;
        client->counts.reposted++;
        request_send(client, slot);
    }
    net_client_flush(client);
    return 0;
}
