/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Network cards through the kernel's device interface, as a stack of the Hurd's uses them: two
 * openings of one card, filters of both languages, frames as net_rcv_msg.
 */
#include <stddef.h>
#include <string.h>

#include <arpa/inet.h>

#include <device/device_types.h>
#include <device/net_status.h>

#include <kernel/device_user.h>
#include <kernel/mach_port_user.h>

#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/clock.h>

#include "console.h"
#include "device_port.h"
#include "packet.h"
#include "peer.h"
#include "shell.h"

enum { FRAMES_MAX = 1000000, WINDOW = 8, FRAME_MOST = PACKET_ETHERNET + NET_RCV_MAX };

#define SILENCE (300 * CLOCK_MILLISECOND) /* after which what is missing is lost */

/* Everything that comes: a stack's on a device of the kernel's. */
static const filter_t everything[] = {NETF_IN, NETF_PUSHLIT | NETF_NOP, 1};
/* What no frame of the peer's is. */
static const filter_t arp[] = {NETF_IN, NETF_PUSHWORD + 1, NETF_PUSHLIT | NETF_EQ, 0x0608};
static const filter_t going[] = {NETF_OUT, NETF_PUSHLIT | NETF_NOP, 1};
/* The peer's, by their type, no more than 40 bytes of each. */
static const struct bpf_insn short_ones[] = {
    {NETF_IN | NETF_BPF, 0, 0, 0},
    {BPF_LD | BPF_H | BPF_ABS, 0, 0, 12},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PEER_TYPE},
    {BPF_RET | BPF_K, 0, 0, 40},
    {BPF_RET | BPF_K, 0, 0, 0},
};
static const filter_t no_direction[] = {0, NETF_PUSHLIT | NETF_NOP, 1};
static const struct bpf_insn backwards[] = {
    {NETF_IN | NETF_BPF, 0, 0, 0}, {BPF_JMP | BPF_JA, 0, 0, -1}, {BPF_RET | BPF_K, 0, 0, 1}};

#define WORDS(program) (const filter_t *)(program), sizeof(program) / (sizeof(filter_t))

enum listener_kind { ALL, SHORT, ARP, GOING, LISTENERS };

static struct {
    mach_port_t device[2];
    mach_port_t set, port[LISTENERS]; /* receive rights */
    uint8_t address[6];
    uint32_t frame_most, bytes;
    uint64_t sent, came[LISTENERS], right[LISTENERS], outstanding;
    uint64_t last; /* when something came or was sent */
} net;

static kern_return_t listen_on(enum listener_kind kind, mach_port_t device, const filter_t *words,
                               size_t count)
{
    kern_return_t code =
        mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &net.port[kind]);

    if (code == KERN_SUCCESS)
        code = mach_port_move_member(mach_task_self(), net.port[kind], net.set);
    if (code != KERN_SUCCESS)
        return code;
    mach_port_set_qlimit(mach_task_self(), net.port[kind], MACH_PORT_QLIMIT_MAX);
    return device_set_filter(device, net.port[kind], MACH_MSG_TYPE_MAKE_SEND, 0, (filter_t *)words,
                             (mach_msg_type_number_t)count);
}

static kern_return_t listeners_make(void)
{
    kern_return_t code = mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, &net.set);

    if (code == KERN_SUCCESS)
        code = listen_on(ALL, net.device[0], WORDS(everything));
    if (code == KERN_SUCCESS)
        code = listen_on(SHORT, net.device[1], WORDS(short_ones));
    if (code == KERN_SUCCESS)
        code = listen_on(ARP, net.device[0], WORDS(arp));
    return code == KERN_SUCCESS ? listen_on(GOING, net.device[1], WORDS(going)) : code;
}

static void listener_drop(enum listener_kind kind)
{
    if (net.port[kind] != MACH_PORT_NULL)
        mach_port_mod_refs(mach_task_self(), net.port[kind], MACH_PORT_RIGHT_RECEIVE, -1);
    net.port[kind] = MACH_PORT_NULL;
}

static void frame_came(enum listener_kind kind, const struct net_rcv_msg *message)
{
    static unsigned char frame[PACKET_ETHERNET + NET_RCV_MAX];
    struct packet_header prefix;
    struct peer_header header;
    uint32_t data = message->packet_type.msgt_number - (uint32_t)sizeof(prefix);
    uint32_t length = PACKET_ETHERNET + data;

    memcpy(&prefix, message->packet, sizeof(prefix));
    memcpy(frame, message->header, PACKET_ETHERNET);
    memcpy(frame + PACKET_ETHERNET, message->packet + sizeof(prefix), data);
    if (!peer_header_get(frame, kind == SHORT ? PACKET_LEAST : length, &header))
        return;
    uint32_t whole = peer_length(header.sequence, net.bytes, net.frame_most);
    net.came[kind]++;
    net.outstanding -= kind == ALL && net.outstanding > 0;
    net.last = clock_now();
    net.right[kind] +=
        prefix.length == whole - PACKET_ETHERNET + sizeof(prefix) &&
        prefix.type == htons(PEER_TYPE) &&
        length == (kind == SHORT && whole > PACKET_ETHERNET + 40 ? PACKET_ETHERNET + 40 : whole) &&
        header.kind == (kind == GOING ? PEER_ECHO : PEER_ANSWER) &&
        peer_data_is_right(frame, length, header.sequence);
}

/* What has come by now, or comes within the time. */
static void take(mach_msg_timeout_t milliseconds)
{
    static struct {
        struct net_rcv_msg message;
        unsigned char rest[256];
    } room;
    mach_msg_header_t *head = &room.message.msg_hdr;

    while (mach_msg(head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(room), net.set, milliseconds,
                    MACH_PORT_NULL) == MACH_MSG_SUCCESS) {
        bool is_frame =
            head->msgh_id == NET_RCV_MSG_ID && room.message.packet_type.msgt_number <= NET_RCV_MAX;
        for (unsigned kind = 0; is_frame && kind < LISTENERS; kind++) {
            if (head->msgh_local_port == net.port[kind])
                frame_came((enum listener_kind)kind, &room.message);
        }
        mach_msg_destroy(head);
        milliseconds = 0;
    }
}

static kern_return_t echo(uint64_t frames)
{
    static unsigned char frame[FRAME_MOST];
    uint64_t target = net.sent + frames;

    net.last = clock_now();
    while (net.sent < target || net.outstanding > 0) {
        if (net.sent < target && net.outstanding < WINDOW) {
            struct peer_header header = {.kind = PEER_ECHO, .sequence = (uint32_t)net.sent};
            uint32_t length = peer_length(header.sequence, net.bytes, net.frame_most);
            int written = 0;
            peer_frame_make(frame, net.address, &header, length);
            kern_return_t code =
                device_write(net.device[net.sent % 2], 0, 0, (char *)frame, length, &written);
            if (code != KERN_SUCCESS || written != (int)length)
                return code == KERN_SUCCESS ? D_INVALID_SIZE : code;
            net.sent++;
            net.outstanding++;
            take(0);
            continue;
        }
        take(20);
        if (clock_now() - net.last > SILENCE)
            net.outstanding = 0;
    }
    take(20);
    return KERN_SUCCESS;
}

static kern_return_t device_look(const char *name)
{
    struct net_status status = {0};
    int words[2];
    mach_msg_type_number_t count = NET_STATUS_COUNT;
    kern_return_t code =
        device_get_status(net.device[0], NET_STATUS, (dev_status_t)&status, &count);

    if (code != KERN_SUCCESS)
        return code;
    count = 2;
    code = device_get_status(net.device[0], NET_ADDRESS, words, &count);
    if (code != KERN_SUCCESS)
        return code;
    for (unsigned i = 0; i < 2; i++)
        words[i] = (int)htonl((uint32_t)words[i]);
    memcpy(net.address, words, sizeof(net.address));
    net.frame_most = (uint32_t)status.max_packet_size;
    const uint8_t *a = net.address;
    console_print(
        "%s: %02x:%02x:%02x:%02x:%02x:%02x, format %d, header %d, address %d, frames of %d "
        "to %d, flags %x\n",
        name, a[0], a[1], a[2], a[3], a[4], a[5], status.header_format, status.header_size,
        status.address_size, status.min_packet_size, status.max_packet_size, status.flags);
    return net.frame_most <= FRAME_MOST ? KERN_SUCCESS : D_INVALID_SIZE;
}

static void told(const char *what, kern_return_t code)
{
    console_print("%s: %s\n", what, device_code_name(code));
}

/* What cannot be. */
static void refusals_try(void)
{
    mach_port_t device = net.device[0], port = net.port[ARP];
    char byte = 0, *data = NULL;
    int flags = 0x100, written;
    mach_msg_type_number_t count = 1;

    told("a filter for no direction",
         device_set_filter(device, port, MACH_MSG_TYPE_MAKE_SEND, 0, (filter_t *)no_direction, 3));
    told("a filter that goes back",
         device_set_filter(device, port, MACH_MSG_TYPE_MAKE_SEND, 0, (filter_t *)backwards, 12));
    told("a filter for nobody", device_set_filter(device, MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND,
                                                  0, (filter_t *)everything, 3));
    told("a frame of 1 byte", device_write(device, 0, 0, &byte, 1, &written));
    told("a read", device_read(device, 0, 0, 512, &data, &count));
    count = 1;
    told("an address in 1 word", device_get_status(device, NET_ADDRESS, &flags, &count));
    count = 1;
    told("another flavour", device_get_status(device, 99, &flags, &count));
    flags = 0x100;
    told("promiscuous", device_set_status(device, NET_FLAGS, &flags, 1));
    count = 1;
    told("its flags", device_get_status(net.device[1], NET_FLAGS, &flags, &count));
    console_print("flags %x\n", flags);
    flags = 0;
    told("not any more", device_set_status(device, NET_FLAGS, &flags, 1));
}

static void counts_print(const char *name)
{
    static const char *const names[LISTENERS] = {"all", "by BPF, 40 bytes", "ARP", "going"};

    console_print("%s: %llu sent", name, (unsigned long long)net.sent);
    for (unsigned kind = 0; kind < LISTENERS; kind++)
        console_print(", %s: %llu right, %llu wrong", names[kind],
                      (unsigned long long)net.right[kind],
                      (unsigned long long)(net.came[kind] - net.right[kind]));
    console_print("\n");
}

static kern_return_t all_try(const char *name, uint64_t frames)
{
    kern_return_t code = device_look(name);

    if (code == KERN_SUCCESS)
        code = listeners_make();
    if (code == KERN_SUCCESS)
        code = echo(frames);
    if (code != KERN_SUCCESS)
        return code;
    counts_print(name);
    refusals_try();
    /* Dead ports, and an opening that has ended, are no trouble to others. */
    listener_drop(SHORT);
    port_release(net.device[1]);
    net.device[1] = device_port("device-net", name, D_READ | D_WRITE);
    code = net.device[1] == MACH_PORT_NULL ? D_DEVICE_DOWN : echo(10);
    counts_print(name);
    return code;
}

static int device_net_run(unsigned count, char **words)
{
    uint64_t frames, bytes = 0;

    if (count < 3 || count > 4 || !shell_number(words[2], &frames) ||
        (count > 3 && !shell_number(words[3], &bytes)) || frames == 0 || frames > FRAMES_MAX ||
        (bytes != 0 && bytes < PACKET_LEAST) || bytes > FRAME_MOST)
        return SHELL_USAGE;
    memset(&net, 0, sizeof(net));
    net.bytes = (uint32_t)bytes;
    for (unsigned i = 0; i < 2; i++) {
        net.device[i] = device_port(words[0], words[1], D_READ | D_WRITE);
        if (net.device[i] == MACH_PORT_NULL)
            return 1;
    }
    kern_return_t code = all_try(words[1], frames);
    for (unsigned kind = 0; kind < LISTENERS; kind++)
        listener_drop((enum listener_kind)kind);
    if (net.set != MACH_PORT_NULL)
        mach_port_mod_refs(mach_task_self(), net.set, MACH_PORT_RIGHT_PORT_SET, -1);
    for (unsigned i = 0; i < 2; i++)
        port_release(net.device[i]);
    if (code != KERN_SUCCESS)
        console_print("%s: %s: %s\n", words[0], words[1], device_code_name(code));
    return code != KERN_SUCCESS;
}

const struct command commands_net_device[] = {
    {"device-net", "DEVICE FRAMES [BYTES]",
     "frames to a peer and back through device_write and device_set_filter", device_net_run},
    {0},
};
