/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A driver for QEMU's `edu` device that makes a network card of nothing, which works for a while:
 * then it sends nothing any more, though the link is up and it listens.
 */
#include <kit/driver.h>
#include <kit/log.h>
#include <kit/net.h>

enum { FRAME = 1514, BUFFER = 2048, WORKS_FOR = 100 };

static struct net_device *card;
static unsigned sent;

static bool frame_send(void *context, struct net_request *request)
{
    (void)context;
    if (++sent <= WORKS_FOR)
        net_request_done(request, NET_STATUS_OK, request->length, 0);
    return true;
}

static bool frame_receive(void *context, struct net_request *request)
{
    (void)context, (void)request; /* none comes */
    return true;
}

static void kick(void *context)
{
    (void)context;
}

static void filter(void *context, const struct net_filter *wanted)
{
    (void)context, (void)wanted;
}

static void recall(void *context)
{
    (void)context; /* nor is any given back */
}

static int attach(struct device *device)
{
    static const struct net_device_ops ops = {
        .send = frame_send,
        .receive = frame_receive,
        .kick = kick,
        .filter = filter,
        .recall = recall,
    };
    static const struct net_info info = {
        .max_frame = FRAME,
        .receive_size = BUFFER,
        .address = {2, 0, 0, 0, 0, 1},
        .model = "edu",
    };
    static const struct net_link up = {.up = true, .full_duplex = true};
    int error = net_device_publish(device, "", &info, &ops, NULL, &card);

    if (error == 0)
        net_device_link(card, &up);
    return error;
}

static void detach(void)
{
}

const struct driver driver = {.name = "mute", .attach = attach, .detach = detach};
