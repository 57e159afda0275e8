/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <kit/log.h>
#include <kit/net_client_core.h>

bool net_info_is_possible(const struct net_info *info)
{
    return info->max_frame > NET_HEADER_SIZE && info->max_frame <= NET_FRAME_MOST &&
           info->receive_size >= info->max_frame && info->receive_size <= NET_FRAME_MOST &&
           !(info->address[0] & 1);
}

void net_client_init(struct net_client *client, const struct net_info *info,
                     struct net_client_link *link)
{
    memset(client, 0, sizeof(*client));
    client->info = *info;
    client->info.model[sizeof(info->model) - 1] = '\0';
    client->link = link;
    for (unsigned i = 0; i < NET_SLOTS; i++)
        client->free_slot[client->free_count++] = (uint16_t)(NET_SLOTS - 1 - i);
}

const struct net_info *net_client_info(const struct net_client *client)
{
    return &client->info;
}

struct net_client_counts net_client_counts(const struct net_client *client)
{
    return client->counts;
}

void net_client_note_buffer(struct net_client *client, uint32_t buffer, uint64_t size)
{
    if (buffer < NET_BUFFERS)
        client->size[buffer] = size;
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

static void request_end(struct net_client *client, uint16_t slot, enum net_completion_status status,
                        uint32_t length, uint8_t flags)
{
    struct net_client_request *request = &client->table[slot];

    request->in_flight = false;
    client->free_slot[client->free_count++] = slot;
    client->in_flight--;
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
    for (unsigned i = 0; i < count; i++)
        client->table[client->batch[i].slot].sent = true;
    net_client_link_send(client->link, client->batch, count);
}

static void request_send(struct net_client *client, uint16_t slot)
{
    struct net_client_request *request = &client->table[slot];

    request->submission.generation++;
    request->sent = false;
    client->batch[client->batched++] = request->submission;
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
    client->in_flight++;
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

/* A completion counts only if its slot is in flight and it answers what was asked there last. */
static void completion_take(struct net_client *client, const struct net_completion *completion)
{
    uint16_t slot = completion->slot;

    if (client->life != NET_CLIENT_RUNNING || slot >= NET_SLOTS || !client->table[slot].in_flight ||
        !client->table[slot].sent ||
        client->table[slot].submission.generation != completion->generation) {
        client->counts.rejected++;
        return;
    }
    enum net_completion_status status = (enum net_completion_status)completion->status;
    uint32_t length = completion->length;
    if (status > NET_STATUS_GONE ||
        (status == NET_STATUS_OK &&
         (length > client->table[slot].submission.length || length < NET_FRAME_LEAST))) {
        client->counts.rejected++;
        status = NET_STATUS_DROPPED;
    }
    request_end(client, slot, status, status == NET_STATUS_OK ? length : 0, completion->flags);
}

void net_client_take(struct net_client *client, const struct net_completion *completions,
                     unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        completion_take(client, &completions[i]);
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

static void fail(struct net_client *client)
{
    client->life = NET_CLIENT_GONE;
    client->batched = 0;
    requests_end(client, true, NET_STATUS_GONE);
    state_changed(client);
}

void net_client_lost(struct net_client *client)
{
    if (client->life != NET_CLIENT_RUNNING)
        return;
    client->life = NET_CLIENT_LOST;
    client->batched = 0;
    statistics_add(&client->before, &client->state.statistics);
    client->state = (struct net_state){.link = 0};
    requests_end(client, false, NET_STATUS_DROPPED);
    state_changed(client);
}

/* A device of the same name that is another one is as good if frames fit as they did. */
static bool is_usable(const struct net_client *client, const struct net_info *info)
{
    return info->max_frame >= client->info.max_frame &&
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
