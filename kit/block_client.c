/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <kit/block_client_core.h>

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
    for (unsigned i = 0; i < BLOCK_SLOTS; i++)
        client->free_slot[client->free_count++] = (uint16_t)(BLOCK_SLOTS - 1 - i);
}

const struct block_info *block_client_info(const struct block_client *client)
{
    return &client->info;
}

void block_client_flags(struct block_client *client, uint8_t flags)
{
    client->flags = flags;
}

bool block_client_is_gone(const struct block_client *client)
{
    return client->gone;
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

static void slot_finish(struct block_client *client, uint16_t slot, enum block_status status)
{
    client->table[slot].in_flight = false;
    client->free_slot[client->free_count++] = slot;
    client->in_flight--;
    client->finished++;
    if (client->table[slot].done)
        client->table[slot].done(client->table[slot].context, status);
}

void block_client_fail(struct block_client *client)
{
    client->gone = true;
    client->batched = 0;
    for (unsigned slot = 0; slot < BLOCK_SLOTS; slot++) {
        if (client->table[slot].in_flight)
            slot_finish(client, (uint16_t)slot, BLOCK_STATUS_GONE);
    }
}

int block_client_send(struct block_client *client)
{
    unsigned count = client->batched;

    if (count == 0)
        return 0;
    client->batched = 0;
    for (unsigned i = 0; i < count; i++)
        client->table[client->batch[i].slot].sent = true;
    int error = block_client_link_send(client->link, client->batch, count);
    if (error != 0)
        block_client_fail(client);
    return error;
}

int block_client_submit(struct block_client *client, enum block_operation operation, uint64_t block,
                        uint32_t count, uint32_t buffer, uint64_t offset, block_client_done done,
                        void *context)
{
    if (client->gone)
        return ENODEV;
    if (client->free_count == 0)
        return EAGAIN;

    uint16_t slot = client->free_slot[--client->free_count];
    struct block_submission submission = {
        .operation = (uint8_t)operation,
        .flags = client->flags,
        .slot = slot,
        .generation = ++client->table[slot].generation,
        .block = block,
        .count = count,
        .buffer = buffer,
        .offset = offset,
    };
    client->table[slot].in_flight = true;
    client->table[slot].sent = false;
    client->table[slot].submission = submission;
    client->table[slot].done = done;
    client->table[slot].context = context;
    client->in_flight++;
    client->batch[client->batched++] = submission;
    if (client->batched == BLOCK_CLIENT_BATCH)
        block_client_send(client); /* a failure reaches `done` */
    return 0;
}

/* A completion counts only if its slot is in flight and it answers what was asked there last. What
 * is still in the batch cannot have been answered: its slot would be free while it is sent. */
static void completion_take(struct block_client *client, const struct block_completion *completion)
{
    uint16_t slot = completion->slot;

    if (slot >= BLOCK_SLOTS || !client->table[slot].in_flight || !client->table[slot].sent ||
        client->table[slot].generation != completion->generation) {
        client->rejected++;
        return;
    }
    enum block_status status = (enum block_status)completion->status;
    const struct block_submission *submission = &client->table[slot].submission;
    uint64_t length = (uint64_t)submission->count * client->info.block_size;
    if (status == BLOCK_STATUS_OK && completion->length != length)
        status = BLOCK_STATUS_DEVICE;
    slot_finish(client, slot, status);
}

void block_client_take(struct block_client *client, const struct block_completion *completions,
                       unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        completion_take(client, &completions[i]);
}

int block_client_wait(struct block_client *client, bool all)
{
    struct block_completion completions[BLOCK_SLOTS];

    do {
        unsigned before = client->finished, count = 0;
        if (block_client_send(client) != 0 || client->gone)
            return ENODEV;
        if (client->in_flight == 0)
            return 0;
        if (block_client_link_receive(client->link, completions, BLOCK_SLOTS, &count) != 0) {
            block_client_fail(client);
            return ENODEV;
        }
        block_client_take(client, completions, count);
        if (!all && client->finished != before) /* `done` may have submitted others */
            return 0;
    } while (client->in_flight > 0 || client->batched > 0);
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
    uint64_t most = client->info.max_transfer / client->info.block_size;
    int result = 0;

    if (operation == BLOCK_FLUSH) {
        int error = block_client_submit(client, operation, 0, 0, 0, 0, part_done, &result);
        if (error == 0)
            block_client_wait(client, true);
        return error ? error : result;
    }
    if (block > client->info.blocks || count > client->info.blocks - block)
        return ERANGE;
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
        offset += (uint64_t)part * client->info.block_size;
    }
    block_client_wait(client, true);
    return result;
}
