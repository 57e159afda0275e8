/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/unit/slow_client.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <test/fuzz/fuzz.h>

enum { REQUESTS = 20, BUFFERS = 4 }; /* few: that there is no free slot shall happen */

struct request {
    enum block_operation operation;
    uint64_t block, count, offset;
    uint32_t buffer;
    block_client_done done;
    void *context;
    bool carried_out;
    enum block_status status;
};

struct block_client {
    struct block_info info;
    unsigned buffers;
    unsigned char *memory[BUFFERS];
    size_t size[BUFFERS];
    struct request request[REQUESTS];
};

struct slow_client_device slow_client_device;

static struct slow_client_device *const device = &slow_client_device;

int block_client_open(const char *name, bool write, struct block_client **result)
{
    (void)name, (void)write;
    *result = calloc(1, sizeof(**result));
    fuzz_require(*result);
    (*result)->info = (struct block_info){
        .blocks = device->size / device->unit,
        .block_size = device->unit,
        .max_transfer = device->max_transfer,
    };
    return 0;
}

void block_client_close(struct block_client *client)
{
    fuzz_require(device->in_flight == 0);
    for (unsigned i = 0; i < client->buffers; i++)
        free(client->memory[i]);
    free(client);
}

const struct block_info *block_client_info(const struct block_client *client)
{
    return &client->info;
}

int block_client_buffer(struct block_client *client, size_t size, void **memory, uint32_t *buffer)
{
    fuzz_require(client->buffers < BUFFERS);
    *memory = client->memory[client->buffers] = calloc(1, size);
    fuzz_require(*memory);
    client->size[client->buffers] = size;
    *buffer = client->buffers++;
    return 0;
}

/* The end of what two requests in flight may not both have: one of them writes it. */
static void overlap_check(const struct block_client *client, const struct request *request)
{
    for (unsigned i = 0; i < device->in_flight; i++) {
        const struct request *other = &client->request[i];
        if (other->operation == BLOCK_FLUSH || request->operation == BLOCK_FLUSH)
            continue;
        fuzz_require(request->buffer != other->buffer ||
                     request->offset >= other->offset + other->count * device->unit ||
                     other->offset >= request->offset + request->count * device->unit);
        bool apart = request->block >= other->block + other->count ||
                     other->block >= request->block + request->count;
        /* A write may overtake a read that nobody wants any more, but nothing a write. */
        fuzz_require(apart || other->operation == BLOCK_READ);
    }
}

int block_client_submit(struct block_client *client, enum block_operation operation, uint64_t block,
                        uint32_t count, uint32_t buffer, uint64_t offset, block_client_done done,
                        void *context)
{
    struct request request = {operation, block, count, offset, buffer, done, context, false, 0};
    uint64_t length = (uint64_t)count * device->unit;

    if (device->gone)
        return ENODEV;
    if (device->in_flight == REQUESTS)
        return EAGAIN;
    if (operation != BLOCK_FLUSH)
        fuzz_require(count > 0 && length <= device->max_transfer && block <= client->info.blocks &&
                     count <= client->info.blocks - block && buffer < client->buffers &&
                     offset % 4 == 0 && offset <= client->size[buffer] &&
                     length <= client->size[buffer] - offset);
    else
        for (unsigned i = 0; i < device->in_flight; i++)
            fuzz_require(client->request[i].operation == BLOCK_READ); /* it would not cover it */
    overlap_check(client, &request);
    client->request[device->in_flight++] = request;
    if (device->in_flight > device->most_in_flight)
        device->most_in_flight = device->in_flight;
    return 0;
}

static void carry_out(struct block_client *client, struct request *request)
{
    const bool *fails = request->operation == BLOCK_READ ? device->read_fails : device->write_fails;
    size_t length = request->count * device->unit;

    if (request->carried_out)
        return;
    request->carried_out = true;
    device->reads += request->operation == BLOCK_READ;
    device->writes += request->operation == BLOCK_WRITE;
    device->flushes += request->operation == BLOCK_FLUSH;
    for (uint64_t i = 0; i < request->count; i++) {
        if (fails[request->block + i])
            request->status = BLOCK_STATUS_MEDIUM;
    }
    if (request->operation == BLOCK_FLUSH || request->status != BLOCK_STATUS_OK)
        return;
    unsigned char *memory = client->memory[request->buffer] + request->offset;
    unsigned char *data = device->data + request->block * device->unit;
    if (request->operation == BLOCK_READ)
        memcpy(memory, data, length);
    else
        memcpy(data, memory, length);
}

static void finish(struct block_client *client)
{
    unsigned which = device->choose(device->context, device->in_flight);
    struct request request = client->request[which];

    if (device->gone)
        request.status = BLOCK_STATUS_GONE;
    else
        carry_out(client, &request);
    /* A read's memory is the client's again; what it held is no business of the device's. */
    client->request[which] = client->request[--device->in_flight];
    request.done(request.context, request.status);
}

/* Some are carried out, which nobody hears of yet. */
static void time_pass(struct block_client *client)
{
    for (unsigned i = 0; i < device->in_flight; i++) {
        if (!device->gone && device->choose(device->context, 3) == 0)
            carry_out(client, &client->request[i]);
    }
}

int block_client_wait(struct block_client *client, bool all)
{
    do {
        time_pass(client);
        if (device->in_flight > 0)
            finish(client);
    } while (device->in_flight > 0 && (all || device->gone));
    return device->gone ? ENODEV : 0;
}

int block_client_poll(struct block_client *client)
{
    time_pass(client);
    if (device->in_flight > 0 && device->choose(device->context, 2) == 0)
        finish(client);
    return device->gone ? ENODEV : 0;
}

int block_status_error(enum block_status status)
{
    return status == BLOCK_STATUS_OK ? 0 : status == BLOCK_STATUS_GONE ? ENODEV : EIO;
}

static void transfer_done(void *context, enum block_status status)
{
    *(int *)context = block_status_error(status);
}

int block_client_transfer(struct block_client *client, enum block_operation operation,
                          uint64_t block, uint64_t count, uint32_t buffer, uint64_t offset)
{
    int result = 0, error;

    fuzz_require(operation == BLOCK_FLUSH);
    while ((error = block_client_submit(client, operation, block, (uint32_t)count, buffer, offset,
                                        transfer_done, &result)) == EAGAIN)
        block_client_wait(client, false);
    block_client_wait(client, true);
    return error ? error : result;
}
