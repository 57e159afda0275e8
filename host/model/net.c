/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The network class's transport where client and driver are in one process: submissions go straight
 * into the core, completions into a queue that the client empties.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/core/net.h>
#include <kit/core/net_client.h>
#include <kit/dma.h>

#include "internal.h"

/* A driver has one network device here. */
static struct {
    char name[64];
    struct device *device;
    struct net_device *net;
} offer;

struct net_client_link {
    struct net_session *session; /* null once it has ended */
    bool closed;                 /* by the client: frees itself when the session has ended */
    struct dma_buffer buffer[NET_BUFFERS];
    unsigned buffer_count;
    struct net_completion completion[NET_SLOTS];
    unsigned completion_count;
    struct net_state state;
};

int net_host_publish(struct device *device, const char *suffix, const struct net_info *info,
                     const struct net_device_ops *ops, void *context, struct net_device **result)
{
    int error = net_device_create(info, ops, context, result);

    if (error != 0)
        return error;
    snprintf(offer.name, sizeof(offer.name), "%s%s", device_name(device), suffix);
    offer.device = device;
    offer.net = *result;
    model_at_turn_end(net_turn);
    return 0;
}

void model_net_end(void)
{
    net_device_destroy(offer.net);
    memset(&offer, 0, sizeof(offer));
}

static void link_free(struct net_client_link *link)
{
    for (unsigned i = 0; i < link->buffer_count; i++)
        dma_buffer_destroy(offer.device, &link->buffer[i]);
    free(link);
}

static bool link_deliver(void *context, struct net_completion *completions, unsigned count,
                         const struct net_state *state)
{
    struct net_client_link *link = context;

    if (count > NET_SLOTS - link->completion_count) {
        model_violation("more completions than there is room for");
        return false;
    }
    memcpy(link->completion + link->completion_count, completions, count * sizeof(*completions));
    link->completion_count += count;
    link->state = *state;
    return true;
}

static void link_ended(void *context, struct net_session *session)
{
    struct net_client_link *link = context;

    (void)session;
    link->session = NULL;
    if (link->closed)
        link_free(link);
}

static const struct net_transport transport = {link_deliver, link_ended};

int net_client_open(const char *name, struct net_client **result)
{
    if (!offer.net || strcmp(offer.name, name) != 0)
        return ENOENT;
    struct net_client *client = calloc(1, sizeof(*client));
    struct net_client_link *link = calloc(1, sizeof(*link));
    int error = ENOMEM;
    if (client && link)
        error = net_session_create(offer.net, &transport, link, &link->session);
    if (error != 0) {
        free(client);
        free(link);
        return error;
    }
    net_client_init(client, &offer.net->info, link);
    *result = client;
    return 0;
}

void net_client_close(struct net_client *client)
{
    struct net_client_link *link = client->link;

    link->closed = true;
    if (link->session)
        net_session_end(link->session); /* frees the link, now or later */
    else
        link_free(link);
    free(client);
}

int net_client_buffer(struct net_client *client, size_t size, void **memory, uint32_t *buffer)
{
    struct net_client_link *link = client->link;

    if (link->buffer_count == NET_BUFFERS)
        return ENOSPC;
    struct dma_buffer *made = &link->buffer[link->buffer_count];
    int error = dma_buffer_create(offer.device, size, made);
    if (error == 0)
        error = net_session_attach(link->session, made->address, made->size, buffer);
    if (error != 0) {
        if (made->memory)
            dma_buffer_destroy(offer.device, made);
        return error;
    }
    link->buffer_count++;
    *memory = made->memory;
    net_client_note_buffer(client, *buffer, made->memory, made->size);
    return 0;
}

void net_client_link_put(struct net_client_link *link, const struct net_submission *submission)
{
    if (link->session && net_session_submit(link->session, submission) != 0)
        model_violation("a client that breaks the protocol");
}

void net_client_link_publish(struct net_client_link *link)
{
    (void)link;
}

int net_client_link_filter(struct net_client_link *link, const struct net_filter *filter)
{
    return link->session ? net_session_filter(link->session, filter) : ENODEV;
}

/* No other driver takes the place of this one. */
int net_client_link_reopen(struct net_client_link *link, struct net_info *info)
{
    (void)link, (void)info;
    return ENODEV;
}

const char *net_client_link_name(const struct net_client_link *link)
{
    (void)link;
    return "net";
}

int net_client_poll(struct net_client *client)
{
    struct net_client_link *link = client->link;
    struct net_completion completions[NET_SLOTS];
    unsigned count = link->completion_count;

    net_client_flush(client);
    net_client_note_state(client, &link->state);
    memcpy(completions, link->completion, count * sizeof(completions[0]));
    link->completion_count = 0;
    net_client_take(client, completions, count, 0);
    return client->life == NET_CLIENT_GONE ? ENODEV : 0;
}

int net_client_wait(struct net_client *client, unsigned milliseconds)
{
    uint64_t end = model_time() + milliseconds * CLOCK_MILLISECOND;
    unsigned before = client->called;

    do {
        int error = net_client_poll(client);
        if (error != 0 || client->called != before)
            return error;
        model_turn();
    } while (model_time() < end);
    return ETIMEDOUT;
}
