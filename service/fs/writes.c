/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "writes.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <kit/client/block.h>

enum { PIECES = 8, PIECE_SIZE = 256 << 10 /* bytes at most */ };

struct piece {
    struct writes *writes;
    bool in_flight;
    struct writes_told told;
};

struct writes {
    struct block_client *client;
    uint32_t size;         /* bytes of a piece */
    unsigned char *memory; /* PIECES times that */
    uint32_t buffer;
    unsigned next; /* the piece that is filled next */
    int error;
    struct piece piece[PIECES];
};

int writes_create(struct block_client *client, struct writes **result)
{
    const struct block_info *info = block_client_info(client);
    uint32_t size = info->max_transfer < PIECE_SIZE ? info->max_transfer : PIECE_SIZE;
    struct writes *writes = calloc(1, sizeof(*writes));
    void *memory;

    if (!writes)
        return ENOMEM;
    writes->client = client;
    writes->size = size / info->block_size * info->block_size;
    int error =
        block_client_buffer(client, (size_t)PIECES * writes->size, &memory, &writes->buffer);
    if (error != 0) {
        free(writes);
        return error;
    }
    writes->memory = memory;
    for (unsigned i = 0; i < PIECES; i++)
        writes->piece[i].writes = writes;
    *result = writes;
    return 0;
}

void writes_destroy(struct writes *writes)
{
    if (writes)
        writes_wait(writes);
    free(writes);
}

uint32_t writes_size(const struct writes *writes)
{
    return writes->size;
}

void *writes_room(struct writes *writes)
{
    while (writes->piece[writes->next].in_flight)
        block_client_wait(writes->client, false);
    return writes->memory + (size_t)writes->next * writes->size;
}

static void piece_end(struct piece *piece, int error)
{
    const struct writes_told *told = &piece->told;

    piece->in_flight = false;
    if (piece->writes->error == 0)
        piece->writes->error = error;
    if (told->done)
        told->done(told->context, told->from, told->count, error);
}

static void piece_done(void *context, enum block_status status)
{
    piece_end(context, block_status_error(status));
}

void writes_submit(struct writes *writes, uint64_t block, uint64_t count,
                   const struct writes_told *told)
{
    struct piece *piece = &writes->piece[writes->next];
    uint64_t offset = (uint64_t)writes->next * writes->size;
    int error;

    piece->told = *told;
    piece->in_flight = true;
    /* No free slot: what is read ahead may have them all. */
    while ((error = block_client_submit(writes->client, BLOCK_WRITE, block, (uint32_t)count,
                                        writes->buffer, offset, piece_done, piece)) == EAGAIN)
        block_client_wait(writes->client, false);
    if (error != 0)
        piece_end(piece, error);
    else
        block_client_poll(writes->client); /* the device begins while the next one is filled */
    writes->next = (writes->next + 1) % PIECES;
}

int writes_error(const struct writes *writes)
{
    return writes->error;
}

int writes_wait(struct writes *writes)
{
    for (unsigned i = 0; i < PIECES; i++) {
        while (writes->piece[i].in_flight)
            block_client_wait(writes->client, false);
    }
    int error = writes->error;
    writes->error = 0;
    return error;
}
