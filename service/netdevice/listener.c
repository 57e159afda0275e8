/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mach/message.h>

#include <kernel/mach_port_user.h>

#include <host/mach/port.h>
#include <host/mach/trap.h>

enum { DATA_MAX = NET_RCV_MAX - (int)sizeof(struct packet_header) };

static void listener_free(struct listeners *listeners, struct listener **at)
{
    struct listener *listener = *at;

    *at = listener->next;
    port_release(listener->port);
    free(listener);
    listeners->count--;
}

static bool is_dead(mach_port_t port)
{
    mach_port_type_t type;

    return mach_port_type(mach_task_self(), port, &type) != KERN_SUCCESS ||
           (type & MACH_PORT_TYPE_DEAD_NAME);
}

/* The same port has the same name here, however often it came. */
static void listeners_tidy(struct listeners *listeners, mach_port_t replaced)
{
    for (struct listener **at = &listeners->first; *at;) {
        if ((*at)->port == replaced || is_dead((*at)->port))
            listener_free(listeners, at);
        else
            at = &(*at)->next;
    }
}

int listeners_set(struct listeners *listeners, const void *owner, mach_port_t port, int priority,
                  const filter_t *words, size_t count)
{
    struct listener *listener = MACH_PORT_VALID(port) ? malloc(sizeof(*listener)) : NULL;

    if (!listener)
        return MACH_PORT_VALID(port) ? ENOMEM : EINVAL;
    if (!filter_make(&listener->filter, words, count)) {
        free(listener);
        return EINVAL;
    }
    listeners_tidy(listeners, port);
    if (listeners->count == LISTENERS_MAX) {
        free(listener);
        return ENOSPC;
    }
    listener->owner = owner;
    listener->priority = priority;
    listener->port = port;
    struct listener **at = &listeners->first;
    while (*at && (*at)->priority >= priority)
        at = &(*at)->next;
    listener->next = *at;
    *at = listener;
    listeners->count++;
    return 0;
}

void listeners_end(struct listeners *listeners, const void *owner)
{
    for (struct listener **at = &listeners->first; *at;) {
        if ((*at)->owner == owner)
            listener_free(listeners, at);
        else
            at = &(*at)->next;
    }
}

/* As the kernel lays it out; the field behind the data is not sent. */
static struct net_rcv_msg message = {
    .header_type = {.msgt_name = MACH_MSG_TYPE_BYTE,
                    .msgt_size = 8,
                    .msgt_inline = 1,
                    .msgt_number = NET_HDW_HDR_MAX},
    .packet_type = {.msgt_name = MACH_MSG_TYPE_BYTE, .msgt_size = 8, .msgt_inline = 1},
};

/* The data is in front of no alignment of its own: it begins behind the prefix. */
static void message_fill(const unsigned char *frame, uint32_t length)
{
    struct packet_header prefix = {
        .length = (unsigned short)(length - FILTER_ETHERNET + sizeof(prefix)),
    };

    memcpy(message.header, frame, FILTER_ETHERNET);
    memcpy(&prefix.type, frame + FILTER_ETHERNET - sizeof(prefix.type), sizeof(prefix.type));
    memcpy(message.packet, &prefix, sizeof(prefix));
    memcpy(message.packet + sizeof(prefix), frame + FILTER_ETHERNET, length - FILTER_ETHERNET);
}

/* False: the port is dead. */
static bool message_send(mach_port_t port, uint32_t data)
{
    enum { WORD = sizeof(uintptr_t) };
    uint32_t count = data + (uint32_t)sizeof(struct packet_header);

    message.net_rcv_msg_packet_count = count;
    message.msg_hdr = (mach_msg_header_t){
        .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
        .msgh_size = (mach_msg_size_t)((offsetof(struct net_rcv_msg, packet) + count + WORD - 1) &
                                       ~(size_t)(WORD - 1)),
        .msgh_remote_port = port,
        .msgh_id = NET_RCV_MSG_ID,
    };
    return mach_msg(&message.msg_hdr, MACH_SEND_MSG | MACH_SEND_TIMEOUT, message.msg_hdr.msgh_size,
                    0, MACH_PORT_NULL, 0, MACH_PORT_NULL) != MACH_SEND_INVALID_DEST;
}

void listeners_tell(struct listeners *listeners, const unsigned char *frame, uint32_t length,
                    bool went)
{
    bool is_filled = false;

    if (length > FILTER_ETHERNET + DATA_MAX)
        return; /* there is no message for one as long as that */
    for (struct listener **at = &listeners->first; *at;) {
        struct listener *listener = *at;
        uint32_t wanted = (went ? listener->filter.out : listener->filter.in)
                              ? filter_run(&listener->filter, frame, length)
                              : FILTER_REFUSED;
        if (wanted == FILTER_REFUSED) {
            at = &listener->next;
            continue;
        }
        if (!is_filled)
            message_fill(frame, length);
        is_filled = true;
        if (!message_send(listener->port, wanted == FILTER_EMPTY ? 0 : wanted)) {
            listener_free(listeners, at);
            continue;
        }
        if (listener->priority >= NET_HI_PRI)
            return; /* it is for this one alone */
        at = &listener->next;
    }
}
