/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relay.h"

#include <stdbool.h>

#include <mach/mig_errors.h>

#include <host/mach/trap.h>

/* How long to wait for room in the queue of whoever gets it. */
enum { ROOM_MS = 1000 };

void relay_answer(mach_msg_header_t *message, kern_return_t code)
{
    mig_reply_header_t reply = {
        .Head =
            {
                .msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(message->msgh_bits), 0),
                .msgh_size = sizeof(reply),
                .msgh_remote_port = message->msgh_remote_port,
                .msgh_id = message->msgh_id + 100,
            },
        .RetCodeType =
            {
                .msgt_name = MACH_MSG_TYPE_INTEGER_32,
                .msgt_size = 32,
                .msgt_number = 1,
                .msgt_inline = 1,
            },
        .RetCode = code,
    };

    message->msgh_remote_port = MACH_PORT_NULL;
    mach_msg_destroy(message);
    if (reply.Head.msgh_remote_port != MACH_PORT_NULL &&
        mach_msg(&reply.Head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(reply), 0, MACH_PORT_NULL,
                 0, MACH_PORT_NULL) != MACH_MSG_SUCCESS)
        mach_msg_destroy(&reply.Head);
}

void relay_pass(mach_msg_header_t *message, mach_port_t to)
{
    mach_msg_bits_t bits = message->msgh_bits;
    mach_port_t reply = message->msgh_remote_port, here = message->msgh_local_port;

    /* A right's type as it was received, PORT_SEND, is also the one that moves it on. */
    message->msgh_bits = MACH_MSGH_BITS_OTHER(bits) |
                         MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND,
                                        reply != MACH_PORT_NULL ? MACH_MSGH_BITS_REMOTE(bits) : 0);
    message->msgh_remote_port = to;
    message->msgh_local_port = reply;
    if (mach_msg(message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, message->msgh_size, 0, MACH_PORT_NULL,
                 ROOM_MS, MACH_PORT_NULL) == MACH_MSG_SUCCESS)
        return;
    message->msgh_bits = bits;
    message->msgh_remote_port = reply;
    message->msgh_local_port = here;
    relay_answer(message, KERN_RESOURCE_SHORTAGE);
}

void relay_serve(mach_msg_header_t *message,
                 boolean_t (*serve)(mach_msg_header_t *request, mach_msg_header_t *reply))
{
    union {
        mig_reply_header_t head;
        unsigned char room[2048];
    } reply;
    mach_msg_header_t *head = &reply.head.Head;

    bool served = serve(message, head);
    bool failed = !(head->msgh_bits & MACH_MSGH_BITS_COMPLEX) && reply.head.RetCode != KERN_SUCCESS;
    if (!served || failed) { /* nothing of the message was taken */
        relay_answer(message, served ? reply.head.RetCode : MIG_BAD_ID);
        return;
    }
    if (mach_msg(head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, head->msgh_size, 0, MACH_PORT_NULL, 0,
                 MACH_PORT_NULL) != MACH_MSG_SUCCESS)
        mach_msg_destroy(head);
}
