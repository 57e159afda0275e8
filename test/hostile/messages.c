/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "messages.h"

#include <stdint.h>

#include <host/mach/trap.h>

enum { BODY_MAX = 3000 };

static uint64_t random_state = 1;

static uint32_t random_next(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33);
}

/* Of our interfaces (71000 to 71899), of the kernel's device.defs and mach_host.defs (2800, 2600),
 * of the Hurd's that we serve, or any. */
static mach_msg_id_t id_choose(void)
{
    static const mach_msg_id_t hurd[] = {20018, 22000, 29500, 39000, 41000};

    switch (random_next() % 8) {
    case 0:
        return (mach_msg_id_t)random_next();
    case 1:
        return (random_next() % 2 ? 2800 : 2600) + (mach_msg_id_t)(random_next() % 30);
    case 2:
        return hurd[random_next() % 5] + (mach_msg_id_t)(random_next() % 20);
    default:
        return 71000 + (mach_msg_id_t)(random_next() % 900);
    }
}

static void message_send(mach_port_t to, mach_port_t reply)
{
    static union {
        mach_msg_header_t header;
        unsigned char bytes[sizeof(mach_msg_header_t) + BODY_MAX];
    } message;
    unsigned body = random_next() % 4 == 0 ? random_next() % BODY_MAX : random_next() % 128;

    body &= ~7u;
    for (unsigned i = 0; i < body; i++)
        message.bytes[sizeof(message.header) + i] = (unsigned char)random_next();
    message.header = (mach_msg_header_t){
        .msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND,
                                    random_next() % 2 ? MACH_MSG_TYPE_MAKE_SEND_ONCE : 0),
        .msgh_size = (mach_msg_size_t)(sizeof(message.header) + body),
        .msgh_remote_port = to,
        .msgh_id = id_choose(),
    };
    if (MACH_MSGH_BITS_LOCAL(message.header.msgh_bits))
        message.header.msgh_local_port = reply;
    mach_msg(&message.header, MACH_SEND_MSG | MACH_SEND_TIMEOUT, message.header.msgh_size, 0,
             MACH_PORT_NULL, 10, MACH_PORT_NULL);
}

static void replies_drop(mach_port_t reply)
{
    union {
        mach_msg_header_t header;
        unsigned char bytes[4096];
    } message;

    while (mach_msg(&message.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(message), reply, 0,
                    MACH_PORT_NULL) == MACH_MSG_SUCCESS)
        mach_msg_destroy(&message.header);
}

void messages_send(const mach_port_t *targets, unsigned target_count, unsigned messages)
{
    mach_port_t reply = mach_reply_port();

    for (unsigned i = 0; i < messages; i++) {
        message_send(targets[i % target_count], reply);
        if (i % 16 == 0)
            replies_drop(reply);
    }
    replies_drop(reply);
}
