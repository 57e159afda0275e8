/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a client does when its driver is gone:
 *
 *   RUNNING --- the driver dies, or says what it cannot ---> LOST
 *   LOST    --- another driver has the same device --------> KEPT
 *           --- another has another device: replaced ------> LOST, twice
 *           --- it will not come back, or is another's ----> GONE: all fails
 *   KEPT    --- what was done and not flushed is written --> ALONE
 *   ALONE   --- what drivers died over is done or given up -> RUNNING: all else is sent again
 *
 * and from each of KEPT, ALONE and RUNNING back to LOST. Kept writes go first, as what is in flight
 * may overlap them and is newer; those that overlap each other go one after the other. The order of
 * what is in flight is that of submission.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <kit/core/block_client.h>
#include <kit/log.h>

/* A request over which a driver died may have killed it, or not: many were in flight. From the
 * second time on it is tried alone. One that was alone so often in a row with one that died is
 * poison, and so is one that was there too often. */
enum { SUSPECT_DEATHS = 2, POISON_ALONE = 4, POISON_DEATHS = 40 };

/* A driver that offers another disk may be damaged: so many in a row are replaced for it, whichever
 * of its clients asks for that. Were it for each of them, one disk could cost the driver all that
 * it may die in a row, and so the disks that are as they were. */
enum { STRANGERS_MOST = 2 };

/* Over kept writes; from the lesser on each batch is flushed, and is kept no more. */
enum { FLUSH_DEATHS = 2, KEPT_DEATHS = 40, KEPT_ROUNDS = 8 };

static void poison_end(struct block_client *client, uint16_t slot)
{
    const struct block_submission *submission = &client->table[slot].submission;

    client->counts.poisoned++;
    log_error(
        "%s: %u drivers died over a request (operation %u, %u blocks at %llu): it is given up",
        block_client_link_name(client->link), client->table[slot].deaths, submission->operation,
        submission->count, (unsigned long long)submission->block);
    block_client_request_end(client, slot, BLOCK_STATUS_DEVICE);
}

void block_client_lost(struct block_client *client)
{
    if (client->state == BLOCK_CLIENT_GONE || client->state == BLOCK_CLIENT_LOST)
        return;
    bool in_replay = client->state == BLOCK_CLIENT_KEPT;
    client->replay.deaths = in_replay ? client->replay.deaths + 1 : 0;
    client->replay.alone = client->state == BLOCK_CLIENT_ALONE;
    block_client_state_set(client, BLOCK_CLIENT_LOST);
    client->put = client->sent;
    for (unsigned slot = 0; slot < BLOCK_SLOTS; slot++) {
        struct block_client_request *request = &client->table[slot];
        if (request->stage == BLOCK_CLIENT_FREE)
            continue;
        request->lost = block_client_is_sent(client, request);
        request->stage = BLOCK_CLIENT_HELD;
        request->answer = block_client_unanswered((uint16_t)slot);
        request->flushing = false;
    }
}

/* The driver that is gone died by itself: of those that it had, each may be why. */
static void deaths_count(struct block_client *client)
{
    for (unsigned slot = 0; slot < BLOCK_SLOTS; slot++) {
        struct block_client_request *request = &client->table[slot];
        if (request->stage == BLOCK_CLIENT_FREE || !request->lost)
            continue;
        request->deaths++;
        request->alone = client->replay.alone ? (uint8_t)(request->alone + 1) : 0;
        if (request->alone >= POISON_ALONE || request->deaths >= POISON_DEATHS)
            poison_end(client, (uint16_t)slot);
    }
}

/* Whether it is the disk that was there before. A shorter longest transfer would not do for what is
 * in flight. */
static bool is_same(const struct block_info *before, const struct block_info *now)
{
    return memcmp(before->serial, now->serial, sizeof(now->serial)) == 0 &&
           memcmp(before->model, now->model, sizeof(now->model)) == 0 &&
           before->blocks == now->blocks && before->first == now->first &&
           before->block_size == now->block_size && before->max_transfer <= now->max_transfer &&
           before->flags == now->flags;
}

/* Whether another one is to be waited for. If the disk may have been taken out, or an operator had
 * the driver replaced, what is there now is believed. */
static bool stranger_is_refused(struct block_client *client, enum block_client_end end,
                                uint32_t drivers)
{
    if (end != BLOCK_CLIENT_DIED || drivers > STRANGERS_MOST - client->strangers)
        return false;
    client->strangers += drivers;
    block_client_link_refuse(client->link, "it offers another disk than before");
    return true;
}

int block_client_resume(struct block_client *client)
{
    const char *name = block_client_link_name(client->link);
    struct block_info info;
    enum block_client_end end = BLOCK_CLIENT_DIED;
    uint32_t drivers = 1;

    if (client->state != BLOCK_CLIENT_LOST)
        return 0;
    client->sessions++;
    int error = block_client_link_reopen(client->link, &info, &end, &drivers);
    if (error == EAGAIN)
        return error;
    if (error != 0)
        log_error("%s: its driver does not come back: %s", name, strerror(error));
    info.serial[sizeof(info.serial) - 1] = info.model[sizeof(info.model) - 1] = '\0';
    bool same = error == 0 && is_same(&client->info, &info);
    if (error == 0 && !same && stranger_is_refused(client, end, drivers))
        return EAGAIN;
    if (error == 0 && !same) {
        log_error("%s: another disk is in its place (serial %s, was %s): nothing is written to it",
                  name, info.serial, client->info.serial);
        error = ENODEV;
    }
    if (same && client->replay.deaths >= KEPT_DEATHS) {
        log_error("%s: %u drivers died over what had been written before: given up", name,
                  client->replay.deaths);
        error = ENODEV;
    }
    if (error != 0) {
        block_client_fail(client);
        return 0;
    }
    client->strangers = 0;
    client->counts.recoveries++;
    if (end != BLOCK_CLIENT_EXCUSED)
        deaths_count(client);
    block_client_state_set(client, BLOCK_CLIENT_KEPT);
    client->replay.end = client->keep.first;
    client->replay.reading = client->replay.flushing = false;
    client->replay.left = 0;
    client->replay.under_way = 0;
    block_client_replay_step(client);
    return 0;
}

/* Where a kept write of the batch is read back to. */
static size_t doubt_offset(const struct block_client *client, unsigned slot)
{
    size_t offset = 0;

    for (unsigned i = 0; i < slot; i++)
        offset += block_keep_get(&client->keep, client->replay.first + i)->length;
    return offset;
}

/* What is left of the batch: written, or read back. */
static void kept_send(struct block_client *client)
{
    bool reading = client->replay.reading;
    unsigned count = 0;

    client->replay.generation++;
    client->replay.flushing = false;
    for (uint32_t number = client->replay.first; number != client->replay.end; number++) {
        const struct block_kept *kept = block_keep_get(&client->keep, number);
        unsigned slot = number - client->replay.first;
        if (!(client->replay.left & 1u << slot))
            continue;
        size_t offset = reading ? doubt_offset(client, slot) : kept->offset;
        if (reading) /* what is not read shall not look as if it were there */
            memset(client->doubt + offset, ~client->keep.memory[kept->offset], kept->length);
        *block_client_put(client) = (struct block_submission){
            .operation = reading ? BLOCK_READ : BLOCK_WRITE,
            .slot = (uint16_t)slot,
            .generation = client->replay.generation,
            .block = kept->block,
            .count = kept->count,
            .buffer = reading ? client->doubt_buffer : client->keep.buffer,
            .offset = offset,
        };
        count++;
    }
    client->counts.rewritten += reading ? 0 : count;
    client->replay.under_way = count;
    client->replay.pending = client->replay.left;
    block_client_send(client);
}

/* The next batch: none of its writes overlaps another, so they go together. False: that was all. */
static bool kept_begin(struct block_client *client)
{
    uint32_t first = client->replay.end;
    uint32_t end = block_keep_batch(&client->keep, first, BLOCK_CLIENT_BATCH,
                                    client->doubt ? BLOCK_DOUBT_SIZE : BLOCK_KEEP_SIZE);

    client->replay.first = first;
    client->replay.end = end;
    client->replay.left = end - first == 32 ? UINT32_MAX : (1u << (end - first)) - 1;
    client->replay.reading = false;
    client->replay.rounds = 1;
    return first != end;
}

static void kept_failed(struct block_client *client, const char *why)
{
    if (!client->lost_writes)
        log_error("%s: what had been written before cannot be written again (%s): the next flush "
                  "fails",
                  block_client_link_name(client->link), why);
    client->lost_writes = true;
}

/* Drivers that die soon, one after the other, do not get through all that is kept: then each may
 * have less to do than the one before. */
static bool is_to_be_flushed(const struct block_client *client)
{
    bool is_there = !client->doubt || client->replay.left == 0;

    return client->replay.deaths >= FLUSH_DEATHS && is_there && !client->replay.flushing &&
           client->replay.end != client->keep.first;
}

static void kept_flush(struct block_client *client)
{
    *block_client_put(client) = (struct block_submission){
        .operation = BLOCK_FLUSH, .generation = ++client->replay.generation};
    client->replay.flushing = true;
    client->replay.pending = 1;
    client->replay.under_way = 1;
    block_client_send(client);
}

static void kept_flushed(struct block_client *client, enum block_status status)
{
    if (status != BLOCK_STATUS_OK)
        return; /* it is kept as before */
    block_keep_release(&client->keep, client->replay.end);
    client->replay.deaths = FLUSH_DEATHS;
}

/* Whether a step of the batch follows the one that is over. */
static bool kept_go_on(struct block_client *client)
{
    if (client->doubt && !client->replay.reading && client->replay.left != 0) {
        client->replay.reading = true;
        return true;
    }
    if (!client->replay.reading || client->replay.left == 0)
        return kept_begin(client);
    log_warning("%s: %d writes that are said to have been repeated are not there",
                block_client_link_name(client->link), __builtin_popcount(client->replay.left));
    if (client->replay.rounds == KEPT_ROUNDS) {
        kept_failed(client, "it is not there");
        return kept_begin(client);
    }
    client->replay.rounds++;
    client->replay.reading = false;
    return true;
}

/* Whether a kept write that was read back is there. */
static bool kept_is_there(const struct block_client *client, unsigned slot)
{
    const struct block_kept *kept = block_keep_get(&client->keep, client->replay.first + slot);

    return memcmp(client->doubt + doubt_offset(client, slot), client->keep.memory + kept->offset,
                  kept->length) == 0;
}

bool block_client_replay_take(struct block_client *client,
                              const struct block_completion *completion)
{
    unsigned slot = completion->slot;

    if (slot >= BLOCK_CLIENT_BATCH || !(client->replay.pending & 1u << slot) ||
        completion->generation != client->replay.generation) {
        client->rejected++;
        return true;
    }
    const struct block_kept *kept = block_keep_get(&client->keep, client->replay.first + slot);
    if (!block_completion_is_possible(completion, client->replay.flushing ? 0 : kept->length))
        return false;
    if (block_status_is_refusal(completion->status) && !client->replay.flushing &&
        !client->replay.reading && !client->replay.refused) {
        client->replay.refused = true; /* it was right when it was done, and is again */
        return false;
    }
    client->replay.pending &= ~(1u << slot);
    client->replay.under_way--;
    if (client->replay.flushing) {
        kept_flushed(client, completion->status);
    } else if (client->replay.reading) {
        if (kept_is_there(client, slot))
            client->replay.left &= ~(1u << slot);
    } else if (completion->status != BLOCK_STATUS_OK) {
        char why[32];
        snprintf(why, sizeof(why), "status %u", completion->status);
        kept_failed(client, why);
        client->replay.left &= ~(1u << slot);
    }
    return true;
}

/* The oldest request that is not sent and over which at least so many drivers died; BLOCK_SLOTS. */
static uint16_t oldest_find(const struct block_client *client, unsigned deaths)
{
    uint16_t oldest = BLOCK_SLOTS;

    for (uint16_t slot = 0; slot < BLOCK_SLOTS; slot++) {
        const struct block_client_request *request = &client->table[slot];
        if (request->stage != BLOCK_CLIENT_FREE && !block_client_is_sent(client, request) &&
            request->deaths >= deaths &&
            (oldest == BLOCK_SLOTS || request->order < client->table[oldest].order))
            oldest = slot;
    }
    return oldest;
}

static void rest_send(struct block_client *client)
{
    uint16_t order[BLOCK_SLOTS] = {0};
    unsigned count = 0;

    for (uint16_t slot = 0; slot < BLOCK_SLOTS; slot++) {
        if (client->table[slot].stage == BLOCK_CLIENT_FREE)
            continue;
        unsigned at = count++;
        for (; at > 0 && client->table[order[at - 1]].order > client->table[slot].order; at--)
            order[at] = order[at - 1];
        order[at] = slot;
    }
    block_client_state_set(client, BLOCK_CLIENT_RUNNING);
    for (unsigned i = 0; i < count && client->state == BLOCK_CLIENT_RUNNING; i++) {
        client->counts.replayed += client->table[order[i]].lost;
        block_client_request_send(client, order[i]);
    }
    struct block_client_counts counts = block_client_counts(client);
    block_client_link_tell(client->link, &counts);
}

void block_client_replay_step(struct block_client *client)
{
    if (client->state == BLOCK_CLIENT_KEPT && client->replay.under_way == 0) {
        if (is_to_be_flushed(client)) {
            kept_flush(client);
            return;
        }
        if (kept_go_on(client)) {
            kept_send(client);
            return;
        }
        client->replay.deaths = 0;
        client->replay.refused = false;
        block_client_state_set(client, BLOCK_CLIENT_ALONE);
    }
    if (client->state != BLOCK_CLIENT_ALONE || client->replay.under_way > 0)
        return;
    uint16_t suspect = oldest_find(client, SUSPECT_DEATHS);
    if (suspect == BLOCK_SLOTS) {
        rest_send(client);
        return;
    }
    client->replay.under_way = 1;
    client->counts.replayed++;
    block_client_request_send(client, suspect);
    block_client_send(client);
}
