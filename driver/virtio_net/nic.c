/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <kit/log.h>

#include "layout.h"

/* VIRTIO_NET_F_GUEST_CSUM is not among them: with it come frames whose sums are still to be
 * completed (5.1.6.4), where the client has them and the driver does not see them. */
#define FEATURES                                                                                   \
    (VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_MTU) |                        \
     VIRTIO_FEATURE(VIRTIO_NET_F_MAC) | VIRTIO_FEATURE(VIRTIO_NET_F_STATUS) |                      \
     VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ) | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_RX) |                 \
     VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) | VIRTIO_FEATURE(VIRTIO_NET_F_MQ) |                    \
     VIRTIO_FEATURE(VIRTIO_NET_F_SPEED_DUPLEX))

#define RECALL_PERIOD CLOCK_MILLISECOND

enum { MTU = 1500, MTU_LEAST = 68, MTU_MOST = 65521 };

/* Of buffers that the device merges. The usual frame fits into one, and does not fill it. */
enum { BUFFER_LEAST = 1536, BUFFER_MOST = 2048 };

/* A field of the device's configuration. */
#define CONFIG(nic, field)                                                                         \
    virtio_config_get(&(nic)->virtio, offsetof(struct virtio_net_config, field),                   \
                      sizeof(((struct virtio_net_config *)NULL)->field))

/* 5.1.5: a device without an address of its own has one that the driver makes up. It is the same
 * each time, for whoever remembers it, and marked as local. */
static void address_get(struct virtio_net_nic *nic)
{
    static const uint8_t local[NET_ADDRESS_SIZE] = {0x02, 'o', 'b', 0, 0, 1};
    uint8_t *address = nic->info.address;

    for (unsigned i = 0; i < NET_ADDRESS_SIZE; i++)
        address[i] = (uint8_t)virtio_config_get(&nic->virtio, i, 1);
    if (virtio_has(&nic->virtio, VIRTIO_NET_F_MAC) && !(address[0] & 1))
        return;
    log_warning("the device has no address that could be its own: one is made up");
    memcpy(address, local, sizeof(local));
}

static void info_get(struct virtio_net_nic *nic)
{
    struct net_info *info = &nic->info;
    unsigned mtu = MTU;

    address_get(nic);
    if (virtio_has(&nic->virtio, VIRTIO_NET_F_MTU))
        mtu = (unsigned)CONFIG(nic, mtu);
    if (mtu < MTU_LEAST || mtu > MTU_MOST) { /* 5.1.4.1 */
        log_warning("the device names frames of up to %u bytes: %u are used", mtu, MTU);
        mtu = MTU;
    }
    info->queues = (uint16_t)nic->io.pairs;
    info->max_frame = mtu + NET_HEADER_SIZE;
    info->receive_size =
        info->max_frame > VIRTIO_NET_RECEIVE_LEAST ? info->max_frame : VIRTIO_NET_RECEIVE_LEAST;
    info->flags = virtio_has(&nic->virtio, VIRTIO_NET_F_CSUM) ? NET_INFO_CHECKSUM_SEND : 0;
    if (nic->io.merges) {
        info->flags |= NET_INFO_MERGES;
        info->receive_size =
            info->max_frame > VIRTIO_NET_RECEIVE_LEAST ? BUFFER_MOST : BUFFER_LEAST;
    }
    snprintf(info->model, sizeof(info->model), "virtio network device");
}

/* 5.1.4: without the feature the link is always up. */
static void link_look(struct virtio_net_nic *nic)
{
    struct net_link link = {.up = true};

    if (virtio_has(&nic->virtio, VIRTIO_NET_F_STATUS))
        link.up = CONFIG(nic, status) & VIRTIO_NET_S_LINK_UP;
    if (virtio_has(&nic->virtio, VIRTIO_NET_F_SPEED_DUPLEX)) {
        uint32_t speed = (uint32_t)CONFIG(nic, speed);
        link.speed = speed <= VIRTIO_NET_SPEED_MOST ? speed : 0;
        link.full_duplex = CONFIG(nic, duplex) == VIRTIO_NET_DUPLEX_FULL;
    }
    net_device_link(nic->net, &link);
}

static bool changed(void *context)
{
    struct virtio_net_nic *nic = context;

    if (nic->net)
        link_look(nic);
    return true;
}

static bool nic_send(void *context, struct net_request *request)
{
    struct virtio_net_nic *nic = context;

    return virtio_net_io_send(&nic->io, request);
}

static bool nic_receive(void *context, struct net_request *request)
{
    struct virtio_net_nic *nic = context;

    return virtio_net_io_receive(&nic->io, request);
}

static void nic_kick(void *context)
{
    struct virtio_net_nic *nic = context;

    virtio_net_io_kick(&nic->io);
}

static void nic_filter(void *context, const struct net_filter *filter)
{
    struct virtio_net_nic *nic = context;

    virtio_net_control_filter(&nic->control, filter);
}

/* 5.1.6.5.5: after a reset the device uses one pair of queues. Clients are told once how many. */
static void pairs_use(struct virtio_net_nic *nic)
{
    unsigned pairs = nic->info.queues > 0 ? nic->info.queues : nic->io.count;

    if (pairs > 1 && !virtio_net_control_pairs(&nic->control, pairs)) {
        log_warning("the device does not take %u pairs of queues: one is used", pairs);
        pairs = 1;
    }
    virtio_net_io_begin(&nic->io, pairs);
}

/* Buffers that wait for frames come back only by a reset. */
static void recall_look(void *context)
{
    struct virtio_net_nic *nic = context;

    if (!virtio_is_stopped(&nic->virtio)) {
        if (clock_now() >= nic->recall_due)
            virtio_give_up(&nic->virtio, "it does not stop");
        clock_timer_start(&nic->recall, RECALL_PERIOD, recall_look, nic);
        return;
    }
    virtio_net_io_abandon(&nic->io);
    if (virtio_revive(&nic->virtio) != 0)
        virtio_give_up(&nic->virtio, "it does not come back from a reset");
    pairs_use(nic);
    link_look(nic);
    net_device_recalled(nic->net);
}

static void nic_recall(void *context)
{
    struct virtio_net_nic *nic = context;

    virtio_reset_begin(&nic->virtio);
    nic->recall_due = clock_now() + VIRTIO_RESET_LIMIT;
    recall_look(nic);
}

static const struct net_device_ops nic_ops = {
    .send = nic_send,
    .receive = nic_receive,
    .kick = nic_kick,
    .filter = nic_filter,
    .recall = nic_recall,
};

static int nic_publish(struct virtio_net_nic *nic)
{
    static const struct net_filter nothing_else;
    struct device *device = nic->virtio.device;
    const uint8_t *address = nic->info.address;
    int error = net_device_publish(device, "", &nic->info, &nic_ops, nic, &nic->net);

    if (error != 0)
        return error;
    nic_filter(nic, &nothing_else); /* before it is told, a device may let everything through */
    link_look(nic);
    log_info("%02x:%02x:%02x:%02x:%02x:%02x, frames of up to %u bytes, %u pair%s of queues",
             address[0], address[1], address[2], address[3], address[4], address[5],
             nic->info.max_frame, nic->io.pairs, nic->io.pairs > 1 ? "s" : "");
    return 0;
}

/* How many pairs of queues the device has; 0, with a line in the log: it says what cannot be. */
static unsigned pairs_had(const struct virtio_net_nic *nic)
{
    if (!virtio_has(&nic->virtio, VIRTIO_NET_F_MQ) ||
        !virtio_has(&nic->virtio, VIRTIO_NET_F_CTRL_VQ))
        return 1;
    unsigned pairs = (unsigned)CONFIG(nic, max_virtqueue_pairs);
    if (pairs > 0 && pairs <= VIRTIO_NET_PAIRS_MOST)
        return pairs;
    log_error("the device has %u pairs of queues: it cannot be used", pairs);
    return 0;
}

/* As many of them as the operator or we want. */
static unsigned pairs_wanted(const struct virtio_net_nic *nic, unsigned had)
{
    unsigned most = device_setting(nic->virtio.device, "pairs", VIRTIO_NET_PAIRS_MAX);

    most = most < VIRTIO_NET_PAIRS_MAX ? most : VIRTIO_NET_PAIRS_MAX;
    most = most < had ? most : had;
    return most > 0 ? most : 1;
}

int virtio_net_nic_start(struct device *device, struct virtio_net_nic *nic)
{
    *nic = (struct virtio_net_nic){.net = NULL};
    int error = virtio_start(device, FEATURES, &nic->virtio);
    if (error != 0)
        return error;
    unsigned pairs = pairs_had(nic);
    if (pairs == 0)
        return ENOTSUP;
    error = virtio_net_io_open(&nic->virtio, pairs_wanted(nic, pairs), &nic->io);
    if (error == 0)
        error = virtio_net_control_open(&nic->virtio, 2 * pairs, &nic->control);
    if (error != 0)
        return error;
    error = virtio_run(&nic->virtio, changed, nic);
    if (error != 0)
        return error;
    pairs_use(nic);
    info_get(nic);
    return nic_publish(nic);
}

void virtio_net_nic_stop(struct virtio_net_nic *nic)
{
    clock_timer_cancel(&nic->recall);
    virtio_reset(&nic->virtio);
}
