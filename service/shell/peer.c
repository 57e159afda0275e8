/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "peer.h"

#include "packet.h"

enum { DATA = PACKET_ETHERNET + sizeof(struct peer_header) };

static const uint8_t peer[6] = {0x02, 0x6f, 0x62, 0, 0, 1};

uint32_t peer_length(uint32_t sequence, uint32_t bytes, uint32_t most)
{
    return bytes > 0 ? bytes : PACKET_LEAST + sequence * 37 % (most - PACKET_LEAST + 1);
}

static unsigned char data_of(uint32_t sequence, uint32_t at)
{
    return (unsigned char)(sequence * 31 + at * 7 + (at >> 8));
}

void peer_frame_make(unsigned char *frame, const uint8_t own[6], const struct peer_header *header,
                     uint32_t length)
{
    __builtin_memcpy(frame, peer, sizeof(peer)); /* a few moves, as it is measured */
    __builtin_memcpy(frame + 6, own, 6);
    frame[12] = PEER_TYPE >> 8;
    frame[13] = PEER_TYPE & 0xff;
    __builtin_memcpy(frame + PACKET_ETHERNET, header, sizeof(*header));
    for (uint32_t at = DATA; at < length; at++)
        frame[at] = data_of(header->sequence, at);
}

bool peer_header_get(const unsigned char *frame, uint32_t length, struct peer_header *header)
{
    if (length < PACKET_LEAST || frame[12] != PEER_TYPE >> 8 || frame[13] != (PEER_TYPE & 0xff))
        return false;
    __builtin_memcpy(header, frame + PACKET_ETHERNET, sizeof(*header));
    return true;
}

bool peer_data_is_right(const unsigned char *frame, uint32_t length, uint32_t sequence)
{
    for (uint32_t at = DATA; at < length; at++) {
        if (frame[at] != data_of(sequence, at))
            return false;
    }
    return true;
}
