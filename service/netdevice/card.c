/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "card.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 64, MEMORY_MOST = 2 << 20 };

static struct card *cards;

/* For a frame that came in several pieces, while it is handed on. */
static unsigned char whole[NET_FRAME_MOST];

struct card *cards_first(void)
{
    return cards;
}

static void frame_received(void *context, enum net_completion_status status, uint32_t length,
                           uint8_t flags)
{
    struct card_frame *frame = context;
    struct card *card = frame->card;

    if (status == NET_STATUS_GONE) {
        card->is_gone = true;
        return;
    }
    if (status == NET_STATUS_OK)
        listeners_tell(&card->listeners,
                       net_client_frame(card->client, frame->memory, flags, whole), length, false);
    net_client_receive(card->client, &frame->place, frame_received, frame);
}

static void frame_free(struct card_frame *frame)
{
    frame->next = frame->card->free;
    frame->card->free = frame;
}

static void frame_sent(void *context, enum net_completion_status status, uint32_t length,
                       uint8_t flags)
{
    (void)status, (void)length, (void)flags;
    frame_free(context);
}

bool card_send(struct card *card, const void *data, uint32_t length)
{
    struct card_frame *frame = card->free;

    if (!frame)
        return false;
    card->free = frame->next;
    memcpy(frame->memory, data, length);
    frame->place.length = length;
    listeners_tell(&card->listeners, frame->memory, length, true);
    if (net_client_send(card->client, &frame->place, frame_sent, frame) != 0)
        frame_free(frame);
    return true;
}

/* As many as there is memory for. */
static int frames_make(struct card *card, struct card_frame *frames, uint32_t room, unsigned *count)
{
    uint32_t size = (room + LINE - 1) & ~(uint32_t)(LINE - 1), buffer;
    void *memory;

    *count = MEMORY_MOST / size < CARD_FRAMES ? MEMORY_MOST / size : CARD_FRAMES;
    int error = net_client_buffer(card->client, (size_t)size * *count, &memory, &buffer);
    for (unsigned i = 0; i < *count && error == 0; i++) {
        frames[i] = (struct card_frame){
            .card = card,
            .memory = (unsigned char *)memory + (size_t)i * size,
            .place = {buffer, room, (uint64_t)i * size},
        };
    }
    return error;
}

static int session_open(struct card *card)
{
    int error = net_client_open(card->name, &card->client);

    if (error != 0)
        return error;
    const struct net_info *info = net_client_info(card->client);
    unsigned sends = 0, receives = 0;
    error = frames_make(card, card->send, info->max_frame, &sends);
    if (error == 0)
        error = frames_make(card, card->receive, info->receive_size, &receives);
    for (unsigned i = 0; i < sends && error == 0; i++)
        frame_free(&card->send[i]);
    for (unsigned i = 0; i < receives && error == 0; i++) {
        struct card_frame *frame = &card->receive[i];
        error = net_client_receive(card->client, &frame->place, frame_received, frame);
    }
    return error == 0 ? net_client_join_loop(card->client) : error;
}

static void card_free(struct card *card)
{
    if (card->client)
        net_client_close(card->client);
    free(card);
}

int card_open(const char *name, struct card **result)
{
    for (struct card *card = cards; card; card = card->next) {
        if (strcmp(card->name, name) == 0 && !card->is_gone) {
            card->users++;
            *result = card;
            return 0;
        }
    }
    struct card *card = strlen(name) < sizeof(card->name) ? calloc(1, sizeof(*card)) : NULL;
    if (!card)
        return strlen(name) < sizeof(card->name) ? ENOMEM : ENOENT;
    strcpy(card->name, name);
    int error = session_open(card);
    if (error != 0) {
        card_free(card);
        return error;
    }
    card->users = 1;
    card->next = cards;
    cards = card;
    *result = card;
    return 0;
}

void card_release(struct card *card)
{
    card->users--;
}

void cards_tidy(void)
{
    for (struct card **at = &cards; *at;) {
        struct card *card = *at;
        if (card->users > 0) {
            at = &card->next;
            continue;
        }
        *at = card->next;
        card_free(card);
    }
}
