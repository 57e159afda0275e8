/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * e1000e: Intel's 82574L gigabit Ethernet controller (datasheet: Intel 82574 GbE Controller
 * Family).
 *
 *   registers.h   the datasheet's layouts
 *   mac.c         reset, interrupts, link, filters
 *   ring.c        frames and buffers as descriptors
 *   main.c        bring-up, the network device that is offered, stop
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/driver.h>
#include <kit/irq.h>
#include <kit/log.h>

#include "ring.h"

#define WATCH_PERIOD (2 * CLOCK_SECOND)
enum { SEND_ROUNDS = 4 }; /* of the watch, in which some frame must have been sent */
enum { MTU = 1500, MTU_LEAST = 68, MTU_MOST = 9000, GATHER_US = 32 };

struct nic {
    struct e1000e_mac mac;
    struct e1000e_rings rings;
    struct net_info info;
    struct net_device *net;
    struct net_link link;
    bool recalling; /* the device is being reset, and is given nothing */
    struct clock_timer recall, watch;
    unsigned sent_then, late; /* by how many rounds the frames are late that were with it then */
};

static struct nic nic;

/* Only the system can take memory out of the device's reach, and does so when the driver ends;
 * another one starts from the beginning. */
static void __attribute__((noreturn)) give_up(const char *why)
{
    log_error("the device is given up, and the driver ends: %s", why);
    e1000e_mac_reset_begin(&nic.mac);
    exit(EXIT_FAILURE);
}

/* What is on its way when the link goes down stays with the device until it is up again. */
static void link_look(void)
{
    e1000e_mac_link(&nic.mac, &nic.link);
    net_device_link(nic.net, &nic.link);
}

static bool interrupt(unsigned vector)
{
    if (nic.recalling)
        return true;
    uint32_t causes = e1000e_mac_causes(&nic.mac, vector);
    if (causes == E1000E_GONE)
        give_up("it is not there any more");
    if (causes & E1000E_CAUSE_LINK)
        link_look();
    bool any = e1000e_ring_received(&nic.rings.receive);
    any |= e1000e_ring_sent(&nic.rings.send);
    e1000e_mac_causes_arm(&nic.mac, causes);
    /* A message can be nobody else's; on a line, what was done already may have raised it. */
    return any || nic.mac.messages || (causes & E1000E_CAUSES_LINE);
}

static bool interrupt_frames(void *context)
{
    (void)context;
    return interrupt(0);
}

static bool interrupt_rest(void *context)
{
    (void)context;
    return interrupt(1);
}

/* Frames that are lost without a descriptor are in the device's counters, which stop at their
 * highest value (10.2.7). */
static void counters_take(void)
{
    uint64_t damaged =
        (uint64_t)e1000e_read(&nic.mac, E1000E_CRCERRS) + e1000e_read(&nic.mac, E1000E_RXERRC);

    net_device_lost(nic.net, damaged, e1000e_read(&nic.mac, E1000E_MPC));
}

static void watch(void *context)
{
    (void)context;
    if (e1000e_mac_is_gone(&nic.mac))
        give_up("it is not there any more");
    counters_take();
    e1000e_ring_received(&nic.rings.receive); /* should an interrupt have been lost */
    e1000e_ring_sent(&nic.rings.send);
    bool waits = nic.link.up && e1000e_ring_in_flight(&nic.rings.send) > 0;
    nic.late = waits && nic.rings.send.taken == nic.sent_then ? nic.late + 1 : 0;
    nic.sent_then = nic.rings.send.taken;
    if (nic.late >= SEND_ROUNDS)
        give_up("it does not send");
    clock_timer_start(&nic.watch, WATCH_PERIOD, watch, NULL);
}

static bool nic_send(void *context, struct net_request *request)
{
    (void)context;
    if (!nic.link.up) {
        net_request_done(request, NET_STATUS_DROPPED, 0, 0);
        return true;
    }
    if (e1000e_ring_send(&nic.rings.send, request))
        return true;
    e1000e_ring_sent(&nic.rings.send); /* what is done by now makes room */
    return e1000e_ring_send(&nic.rings.send, request);
}

static bool nic_receive(void *context, struct net_request *request)
{
    (void)context;
    return e1000e_ring_receive(&nic.rings.receive, request);
}

static void nic_kick(void *context)
{
    (void)context;
    e1000e_ring_kick(&nic.rings.receive);
    e1000e_ring_kick(&nic.rings.send);
    e1000e_ring_sent(&nic.rings.send);
    if (!nic.watch.running)
        clock_timer_start(&nic.watch, WATCH_PERIOD, watch, NULL);
}

static void nic_filter(void *context, const struct net_filter *filter)
{
    (void)context;
    e1000e_mac_filter(&nic.mac, filter);
}

static void nic_run(void)
{
    e1000e_rings_begin(&nic.rings);
    e1000e_mac_run(&nic.mac);
    link_look();
}

/* Buffers that wait for frames come back only by a reset. */
static void recall_step(void *context)
{
    int error = e1000e_mac_reset_step(&nic.mac);

    (void)context;
    if (error == EAGAIN) {
        clock_timer_start(&nic.recall, CLOCK_MILLISECOND, recall_step, NULL);
        return;
    }
    if (error != 0)
        give_up("it does not stop");
    e1000e_ring_abandon(&nic.rings.receive);
    e1000e_ring_abandon(&nic.rings.send);
    nic_run();
    nic.recalling = false;
    net_device_recalled(nic.net);
}

static void nic_recall(void *context)
{
    (void)context;
    nic.recalling = true;
    clock_timer_cancel(&nic.watch);
    counters_take();
    e1000e_mac_reset_begin(&nic.mac);
    recall_step(NULL);
}

static int nic_gather(void *context, unsigned count, unsigned microseconds)
{
    (void)context;
    return count == 1 ? e1000e_mac_gather(&nic.mac, microseconds) : ENOTSUP; /* by time only */
}

static const struct net_device_ops nic_ops = {
    .send = nic_send,
    .receive = nic_receive,
    .kick = nic_kick,
    .gather = nic_gather,
    .gather_us = GATHER_US,
    .filter = nic_filter,
    .recall = nic_recall,
};

static int reset(void)
{
    int error;

    e1000e_mac_reset_begin(&nic.mac);
    while ((error = e1000e_mac_reset_step(&nic.mac)) == EAGAIN)
        clock_sleep(CLOCK_MILLISECOND);
    if (error != 0)
        log_error("the device does not reset: %s", strerror(error));
    return error;
}

static int info_get(struct device *device)
{
    unsigned mtu = device_setting(device, "mtu", MTU);

    if (mtu < MTU_LEAST || mtu > MTU_MOST) {
        log_warning("mtu=%u cannot be, %u to %u can: %u is used", mtu, MTU_LEAST, MTU_MOST, MTU);
        mtu = MTU;
    }
    nic.mac.is_long = mtu > MTU;
    nic.info.max_frame = mtu + NET_HEADER_SIZE;
    nic.info.receive_size = nic.mac.is_long ? E1000E_BUFFER_LONG : E1000E_BUFFER;
    nic.info.flags = NET_INFO_CHECKSUM_RECEIVE;
    snprintf(nic.info.model, sizeof(nic.info.model), "Intel 82574L");
    if (e1000e_mac_address(&nic.mac, nic.info.address))
        return 0;
    log_error("the device has no address of its own: its NVM is empty or damaged");
    return ENOTSUP;
}

static int interrupts_attach(struct device *device)
{
    int error = irq_attach(device, 0, interrupt_frames, NULL);

    if (error == 0 && nic.mac.vectors > 1)
        error = irq_attach(device, 1, interrupt_rest, NULL);
    if (error != 0)
        log_error("the interrupt cannot be attached: %s", strerror(error));
    return error;
}

static int publish(struct device *device)
{
    const uint8_t *address = nic.info.address;
    int error = net_device_publish(device, "", &nic.info, &nic_ops, NULL, &nic.net);

    if (error != 0)
        return error;
    nic_run();
    log_info("%02x:%02x:%02x:%02x:%02x:%02x, frames of up to %u bytes", address[0], address[1],
             address[2], address[3], address[4], address[5], nic.info.max_frame);
    return 0;
}

static int attach(struct device *device)
{
    nic = (struct nic){.net = NULL};
    int error = e1000e_mac_open(device, &nic.mac);

    /* What an earlier driver asked for must not be carried out on memory that is another's now. */
    if (error == 0)
        error = reset();
    if (error == 0)
        error = device_enable(device);
    if (error == 0)
        error = info_get(device);
    if (error == 0)
        error = e1000e_rings_open(&nic.mac, &nic.rings);
    if (error == 0)
        error = interrupts_attach(device);
    return error == 0 ? publish(device) : error;
}

static void detach(void)
{
    clock_timer_cancel(&nic.watch);
    clock_timer_cancel(&nic.recall);
    reset();
}

const struct driver driver = {
    .name = "e1000e",
    .attach = attach,
    .detach = detach,
};
