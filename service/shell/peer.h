/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Frames for a peer on the wire that knows what is wanted: it takes frames, sends them back, or
 * sends as many as it is asked for. A frame's data is told by its number, so that one that is
 * damaged, comes twice or is another's is noticed. Portable.
 */
#ifndef SERVICE_SHELL_PEER_H
#define SERVICE_SHELL_PEER_H

#include <stdbool.h>
#include <stdint.h>

enum { PEER_TYPE = 0x88b5 /* IEEE 802: for local experiments */ };

enum peer_kind { PEER_TAKE = 1, PEER_ECHO, PEER_ANSWER, PEER_WANT, PEER_GIVEN };

/* Behind the Ethernet header; numbers are in the machine's order, the peer is on one like it. */
struct peer_header {
    uint32_t kind, sequence;
    uint32_t count, bytes; /* PEER_WANT: how many frames of how many bytes */
};

/* Of frame number `sequence`: `bytes`, or if that is 0 one that is told by the number. */
uint32_t peer_length(uint32_t sequence, uint32_t bytes, uint32_t most);

/* `length` bytes, from us to the peer. */
void peer_frame_make(unsigned char *frame, const uint8_t own[6], const struct peer_header *header,
                     uint32_t length);

/* False: it is not of this kind. */
bool peer_header_get(const unsigned char *frame, uint32_t length, struct peer_header *header);

bool peer_data_is_right(const unsigned char *frame, uint32_t length, uint32_t sequence);

#endif
