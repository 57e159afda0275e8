/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a network stack asks of a card: how it is, frames by a filter, frames to send. Its writes
 * must succeed whatever happens to the driver, as the stack ends if one does not; a frame may be
 * lost.
 */
#include <string.h>

#include <arpa/inet.h>

#include <device/device_types.h>
#include <device/net_status.h>

#include <kernel/device_user.h>
#include <kernel/mach_port_user.h>

#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <service/shell/packet.h>

#include "stand_in.h"

enum { WAIT_MS = 200, IDENTITY = 0x4855, DATA_MOST = 1400, ARP_TYPE = 0x0806, IP_TYPE = 0x0800 };

/* pfinet's filters: for a device of the kernel's, and for a translator's. */
static const filter_t everything[] = {NETF_IN, NETF_PUSHLIT | NETF_NOP, 1};
static const struct bpf_insn internet[] = {
    {NETF_IN | NETF_BPF, 0, 0, 0},
    {BPF_LD | BPF_H | BPF_ABS, 0, 0, 12},
    {BPF_JMP | BPF_JEQ | BPF_K, 2, 0, ARP_TYPE},
    {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, IP_TYPE},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0x86dd},
    {BPF_RET | BPF_K, 0, 0, 1500},
    {BPF_RET | BPF_K, 0, 0, 0},
};

struct card {
    mach_port_t device, receiver;
    struct packet_host self, gateway;
    uint16_t sequence;
    size_t size; /* of the present echo's data */
    bool resolved, answered;
};

static bool card_open(mach_port_t master, const char *name, const void *filter, size_t bytes,
                      struct card *card)
{
    dev_name_t padded = "";

    strncpy(padded, name, sizeof(padded) - 1);
    if (!check_equal("device_open of the card", D_SUCCESS,
                     device_open(master, D_READ | D_WRITE, padded, &card->device)) ||
        !check_equal(
            "a port of our own", KERN_SUCCESS,
            mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &card->receiver)))
        return false;
    mach_port_set_qlimit(mach_task_self(), card->receiver, MACH_PORT_QLIMIT_MAX);
    return check_equal("device_set_filter", D_SUCCESS,
                       device_set_filter(card->device, card->receiver, MACH_MSG_TYPE_MAKE_SEND, 0,
                                         (filter_t *)filter,
                                         (mach_msg_type_number_t)(bytes / sizeof(filter_t))));
}

/* The port is dropped, and so is the receiver. */
static void card_close(struct card *card)
{
    port_release(card->device);
    mach_port_mod_refs(mach_task_self(), card->receiver, MACH_PORT_RIGHT_RECEIVE, -1);
}

static void status_check(struct card *card)
{
    struct net_status status;
    mach_msg_type_number_t count = NET_STATUS_COUNT;
    int address[2] = {0}, flags = 1 | 2 | 0x1000 | 0x200; /* up, broadcast, multicast, all of it */

    memset(&status, 0, sizeof(status));
    check_equal("NET_STATUS", D_SUCCESS,
                device_get_status(card->device, NET_STATUS, (dev_status_t)&status, &count));
    check_equal("NET_STATUS: integers", NET_STATUS_COUNT, count);
    check_equal("header_format", HDR_ETHERNET, status.header_format);
    check_equal("header_size", PACKET_ETHERNET, status.header_size);
    check_equal("address_size", 6, status.address_size);
    check_true(status.max_packet_size >= PACKET_ETHERNET + 1500, "max_packet_size", "1514 or more");
    count = 2;
    check_equal("NET_ADDRESS", D_SUCCESS,
                device_get_status(card->device, NET_ADDRESS, address, &count));
    address[0] = (int)ntohl((uint32_t)address[0]);
    address[1] = (int)ntohl((uint32_t)address[1]);
    memcpy(card->self.hardware, address, sizeof(card->self.hardware));
    check_true(!(card->self.hardware[0] & 1), "NET_ADDRESS", "one card's address");
    check_equal("NET_FLAGS", D_SUCCESS, device_set_status(card->device, NET_FLAGS, &flags, 1));
}

/* As the stack takes it: the header from its place, the data behind the prefix. */
static void message_take(struct card *card, const struct net_rcv_msg *message)
{
    static unsigned char frame[PACKET_ETHERNET + NET_RCV_MAX];
    size_t data = message->packet_type.msgt_number - sizeof(struct packet_header);
    uint16_t type;

    check_equal("id of a frame's message", NET_RCV_MSG_ID, message->msg_hdr.msgh_id);
    check_equal("its header's bytes", NET_HDW_HDR_MAX, message->header_type.msgt_number);
    memcpy(frame, message->header, PACKET_ETHERNET);
    memcpy(frame + PACKET_ETHERNET, message->packet + sizeof(struct packet_header), data);
    memcpy(&type, frame + 12, sizeof(type));
    check_true(ntohs(type) == ARP_TYPE || ntohs(type) == IP_TYPE || ntohs(type) == 0x86dd,
               "a frame's type", "one that the filter lets through");
    if (packet_is_arp_reply(frame, PACKET_ETHERNET + data, &card->self, card->gateway.address,
                            card->gateway.hardware))
        card->resolved = true;
    if (packet_is_echo_reply(frame, PACKET_ETHERNET + data, &card->self, card->gateway.address,
                             IDENTITY, card->sequence, card->size))
        card->answered = true;
}

static bool flag_await(struct card *card, const bool *flag)
{
    static union {
        struct net_rcv_msg message;
        unsigned char room[sizeof(struct net_rcv_msg) + 256];
    } room;
    uint64_t until = clock_now() + WAIT_MS * CLOCK_MILLISECOND;

    while (!*flag && clock_now() < until) {
        if (mach_msg(&room.message.msg_hdr, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(room),
                     card->receiver, WAIT_MS, MACH_PORT_NULL) == MACH_MSG_SUCCESS)
            message_take(card, &room.message);
    }
    return *flag;
}

static bool frame_send(const struct card *card, const unsigned char *frame, size_t length)
{
    int written = 0;

    return check_equal("device_write of a frame", D_SUCCESS,
                       device_write(card->device, D_NOWAIT, 0, (io_buf_ptr_t)frame,
                                    (mach_msg_type_number_t)length, &written)) &&
           check_equal("device_write of a frame: bytes", (int64_t)length, written);
}

static bool resolve(struct card *card)
{
    unsigned char frame[PACKET_LEAST];

    for (unsigned tries = 0; tries < 20 && !card->resolved; tries++) {
        if (!frame_send(card, frame, packet_arp_request(frame, &card->self, card->gateway.address)))
            break;
        flag_await(card, &card->resolved);
    }
    return check_true(card->resolved, "ARP", "answered");
}

/* Of so many at most; enough is enough. */
static unsigned pings_answered(struct card *card, unsigned count, unsigned enough)
{
    static unsigned char frame[PACKET_ECHO + DATA_MOST];
    unsigned answered = 0;

    for (unsigned i = 0; i < count && answered < enough; i++) {
        card->answered = false;
        card->sequence++;
        card->size = random_next() % DATA_MOST;
        size_t length = packet_echo_request(frame, &card->self, &card->gateway, IDENTITY,
                                            card->sequence, card->size);
        if (!frame_send(card, frame, length))
            break;
        answered += flag_await(card, &card->answered);
    }
    return answered;
}

void network_check(const struct privileges *privileges, const struct options *options)
{
    struct card card = {.self.address = 0x0a00020f, .gateway.address = 0x0a000202}, other = card;

    if (!options->card)
        return;
    if (!card_open(privileges->device_master, options->card, everything, sizeof(everything),
                   &card) ||
        !card_open(privileges->device_master, options->card, internet, sizeof(internet), &other))
        return;
    status_check(&card);
    status_check(&other);
    if (resolve(&card)) {
        unsigned pings = (unsigned)options->pings, answered = pings_answered(&card, pings, pings);
        check_note("%s: %u of %u pings answered", options->card, answered, pings);
        check_true(answered >= pings / 4, "pings", "answered, a quarter of them at least");
    }
    card_close(&card); /* the other one's frames go on */
    if (resolve(&other))
        check_true(pings_answered(&other, 200, 5) == 5, "pings of another", "answered");
    card_close(&other);
}
