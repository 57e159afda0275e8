/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The block class's transport where client and driver are in one process: submissions go straight
 * into the core, completions into a queue that the client empties.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/core/block.h>
#include <kit/core/block_client.h>
#include <kit/dma.h>

#include "internal.h"

/* How long a client waits for a device that was withdrawn. */
#define AWAY_LIMIT (10 * CLOCK_SECOND)

/* Longer than any driver may take to give an answer. */
#define PATIENCE (300 * CLOCK_SECOND)

struct offer {
    char name[64];
    struct device *device;
    struct block_device *block;
    struct offer *next;
};

static struct offer *offers;
static struct block_client_link *links; /* that are open */

struct block_client_link {
    char name[64];
    bool write;
    uint64_t away_until; /* its device was withdrawn */
    struct device *device;
    struct block_device *block;
    struct block_client_link *next;
    struct block_session *session; /* null once it has ended */
    unsigned sessions;             /* that and those that are ending */
    bool closed;                   /* by the client: frees itself when they have ended */
    struct dma_buffer buffer[BLOCK_BUFFERS];
    unsigned buffer_count;
    struct block_completion completion[BLOCK_SLOTS]; /* a ring */
    unsigned delivered, taken;
};

void model_block_begin(void)
{
    offers = NULL;
    links = NULL;
}

void model_block_end(void)
{
    while (offers) {
        struct offer *offer = offers;
        offers = offer->next;
        block_device_end(offer->block);
        free(offer);
    }
    block_turn();
}

int block_host_publish(struct device *device, const char *suffix,
                       const struct block_device_limits *limits, const struct block_device_ops *ops,
                       void *context, struct block_device **result)
{
    char name[sizeof(offers->name)];

    snprintf(name, sizeof(name), "%s%s", device_name(device), suffix);
    for (const struct offer *other = offers; other; other = other->next) {
        if (strcmp(other->name, name) == 0)
            return EEXIST;
    }
    struct offer *offer = calloc(1, sizeof(*offer));
    int error = offer ? block_device_create(limits, ops, context, &offer->block) : ENOMEM;
    if (error != 0) {
        free(offer);
        return error;
    }
    memcpy(offer->name, name, sizeof(name));
    offer->device = device;
    offer->next = offers;
    offers = offer;
    *result = offer->block;
    return 0;
}

static void link_free(struct block_client_link *link)
{
    for (unsigned i = 0; i < link->buffer_count; i++)
        dma_buffer_destroy(link->device, &link->buffer[i]);
    free(link);
}

static unsigned link_deliver(void *context, struct block_completion *completions, unsigned count)
{
    struct block_client_link *link = context;
    unsigned room = BLOCK_SLOTS - (link->delivered - link->taken);

    if (count > room)
        count = room;
    for (unsigned i = 0; i < count; i++)
        link->completion[link->delivered++ % BLOCK_SLOTS] = completions[i];
    return count;
}

static void link_ended(void *context, struct block_session *session)
{
    struct block_client_link *link = context;

    if (link->session == session)
        link->session = NULL;
    link->sessions--;
    if (link->closed && link->sessions == 0)
        link_free(link);
}

static const struct block_transport transport = {link_deliver, link_ended};

void block_device_withdraw(struct block_device *device)
{
    struct offer **at = &offers;

    while ((*at)->block != device)
        at = &(*at)->next;
    struct offer *offer = *at;
    *at = offer->next;
    free(offer);
    for (struct block_client_link *link = links; link; link = link->next) {
        if (link->block != device || !link->session)
            continue;
        struct block_session *session = link->session;
        link->session = NULL;
        link->away_until = model_time() + AWAY_LIMIT;
        link->taken = link->delivered;
        block_session_end(session);
    }
    block_device_end(device);
}

static int session_open(struct block_client_link *link, struct block_info *info)
{
    const struct offer *offer = offers;

    while (offer && strcmp(offer->name, link->name) != 0)
        offer = offer->next;
    if (!offer)
        return ENOENT;
    struct block_range range = block_device_range(offer->block);
    int error =
        block_session_create(offer->block, &range, link->write, &transport, link, &link->session);
    if (error != 0)
        return error;
    link->sessions++;
    link->device = offer->device;
    link->block = offer->block;
    link->away_until = 0;
    block_session_info(link->session, info);
    return 0;
}

int block_client_open(const char *name, bool write, struct block_client **result)
{
    struct block_info info;
    struct block_client *client = calloc(1, sizeof(*client));
    struct block_client_link *link = calloc(1, sizeof(*link));
    int error = ENOMEM;

    if (client && link) {
        snprintf(link->name, sizeof(link->name), "%s", name);
        link->write = write;
        error = session_open(link, &info);
    }
    if (error != 0) {
        free(client);
        free(link);
        return error;
    }
    link->next = links;
    links = link;
    block_client_init(client, &info, link);
    *result = client;
    return 0;
}

void block_client_close(struct block_client *client)
{
    struct block_client_link *link = client->link, **at = &links;

    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    link->closed = true;
    if (link->session)
        block_session_end(link->session); /* frees the link, now or later */
    else if (link->sessions == 0)
        link_free(link);
    free(client);
}

int block_client_buffer(struct block_client *client, size_t size, void **memory, uint32_t *buffer)
{
    struct block_client_link *link = client->link;

    if (link->buffer_count == BLOCK_BUFFERS)
        return ENOSPC;
    struct dma_buffer *made = &link->buffer[link->buffer_count];
    int error = dma_buffer_create(link->device, size, made);
    if (error == 0)
        error = block_session_attach(link->session, made->address, made->size, buffer);
    if (error != 0) {
        if (made->memory)
            dma_buffer_destroy(link->device, made);
        return error;
    }
    link->buffer_count++;
    *memory = made->memory;
    return 0;
}

int block_client_link_send(struct block_client_link *link,
                           const struct block_submission *submissions, unsigned count,
                           bool scattered)
{
    (void)scattered; /* they are passed on whole */
    if (!link->session)
        return ENODEV;
    for (unsigned i = 0; i < count; i++) {
        if (block_session_submit(link->session, &submissions[i]) != 0) {
            block_session_end(link->session); /* it broke the protocol */
            return ENODEV;
        }
    }
    return 0;
}

void block_client_link_tell(struct block_client_link *link,
                            const struct block_client_counts *counts)
{
    (void)link, (void)counts;
}

int block_client_link_poll(struct block_client_link *link,
                           const volatile struct block_completion **completions, unsigned *count)
{
    *count = 0;
    if (link->taken == link->delivered)
        return link->session ? 0 : ENODEV;
    return block_client_link_receive(link, completions, count);
}

int block_client_link_receive(struct block_client_link *link,
                              const volatile struct block_completion **completions, unsigned *count)
{
    uint64_t start = model_time();

    while (link->taken == link->delivered) {
        if (!link->session)
            return ENODEV;
        if (model_time() - start > PATIENCE) {
            model_violation("a request is never completed");
            return ENODEV;
        }
        model_turn();
    }
    unsigned first = link->taken % BLOCK_SLOTS, ready = link->delivered - link->taken;
    *count = ready < BLOCK_SLOTS - first ? ready : BLOCK_SLOTS - first;
    *completions = link->completion + first;
    link->taken += *count;
    return 0;
}

/* No other driver takes the place of this one, but its device may come back. */
int block_client_link_reopen(struct block_client_link *link, struct block_info *info,
                             enum block_client_end *end, uint32_t *drivers)
{
    *end = BLOCK_CLIENT_LIVES;
    *drivers = 0;
    int error = link->away_until == 0 ? ENODEV : session_open(link, info);

    for (unsigned i = 0; i < link->buffer_count && error == 0; i++) {
        uint32_t id;
        error =
            block_session_attach(link->session, link->buffer[i].address, link->buffer[i].size, &id);
    }
    if (error == ENOENT)
        error = model_time() < link->away_until ? EAGAIN : ENODEV;
    return error;
}

void block_client_link_refuse(struct block_client_link *link, const char *reason)
{
    (void)link;
    model_violation(reason);
}

void block_client_link_await(struct block_client_link *link)
{
    (void)link;
    model_turn();
}

const char *block_client_link_name(const struct block_client_link *link)
{
    (void)link;
    return "disk";
}
