/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The stream class's transport where client and driver are in one process: submissions go straight
 * into the core, completions straight to the client.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/core/stream.h>
#include <kit/core/stream_client.h>

#include "internal.h"

enum { OFFERS_MAX = 4 };

static struct {
    char name[64];
    struct stream_device *stream;
} offers[OFFERS_MAX];
static unsigned offer_count;

struct stream_client_link {
    struct stream_session *session;
    struct stream_client *client;
};

int stream_device_publish(struct device *device, const char *suffix, const char *class,
                          const struct stream_info *info, const struct stream_device_ops *ops,
                          void *context, struct stream_device **result)
{
    int error =
        offer_count < OFFERS_MAX ? stream_device_create(info, ops, context, result) : ENOSPC;

    (void)class;
    if (error != 0)
        return error;
    snprintf(offers[offer_count].name, sizeof(offers[0].name), "%s%s", device_name(device), suffix);
    offers[offer_count++].stream = *result;
    model_at_turn_end(stream_turn);
    return 0;
}

void model_stream_end(void)
{
    while (offer_count > 0)
        stream_device_destroy(offers[--offer_count].stream);
}

static bool link_deliver(void *context, struct stream_completion *completions, unsigned count)
{
    struct stream_client_link *link = context;

    for (unsigned i = 0; i < count; i++)
        stream_client_take(link->client, &completions[i]);
    return true;
}

static const struct stream_transport transport = {link_deliver};

int stream_client_open(const char *name, struct stream_client **result)
{
    unsigned i = 0;

    while (i < offer_count && strcmp(offers[i].name, name) != 0)
        i++;
    if (i == offer_count)
        return ENOENT;
    struct stream_client *client = calloc(1, sizeof(*client));
    struct stream_client_link *link = calloc(1, sizeof(*link));
    int error = ENOMEM;
    if (client && link)
        error = stream_session_create(offers[i].stream, &transport, link, &link->session);
    if (error != 0) {
        free(client);
        free(link);
        return error;
    }
    link->client = client;
    client->link = link;
    stream_client_begin(client, &offers[i].stream->info);
    *result = client;
    return 0;
}

void stream_client_close(struct stream_client *client)
{
    stream_session_end(client->link->session);
    free(client->link);
    free(client);
}

void stream_client_link_put(struct stream_client_link *link,
                            const struct stream_submission *submission)
{
    if (stream_session_submit(link->session, submission) != 0)
        model_violation("a client that breaks the protocol");
}

void stream_client_link_publish(struct stream_client_link *link)
{
    (void)link; /* it is there already */
}

void stream_client_link_complain(struct stream_client_link *link, const char *reason)
{
    (void)link, (void)reason;
    model_violation("a driver that does not answer");
}

int stream_client_link_wait(struct stream_client_link *link, unsigned milliseconds)
{
    uint64_t end = model_time() + milliseconds * CLOCK_MILLISECOND;
    unsigned before = link->client->called;

    do {
        model_turn();
        if (link->client->called != before)
            return 0;
    } while (model_time() < end);
    return ETIMEDOUT;
}
