/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * As much of Ethernet, ARP (RFC 826), IPv4 (RFC 791) and ICMP (RFC 792) as a ping takes. Portable.
 */
#ifndef SERVICE_SHELL_PACKET_H
#define SERVICE_SHELL_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PACKET_ETHERNET = 14, /* bytes of header */
    PACKET_ARP = PACKET_ETHERNET + 28,
    PACKET_ECHO = PACKET_ETHERNET + 20 + 8, /* without data */
    PACKET_LEAST = 60,
};

/* Addresses of IPv4 are numbers: 10.0.2.15 is 0x0a00020f. */
struct packet_host {
    uint8_t hardware[6];
    uint32_t address;
};

/* "10.0.2.15". */
bool packet_address_parse(const char *text, uint32_t *address);

/* "52:54:00:12:34:56". */
bool packet_hardware_parse(const char *text, uint8_t hardware[6]);

/* Who has `wanted`? To all. PACKET_LEAST bytes. */
size_t packet_arp_request(unsigned char *frame, const struct packet_host *self, uint32_t wanted);

/* An echo request with `size` bytes of data, which are told by `sequence`. How long it is. */
size_t packet_echo_request(unsigned char *frame, const struct packet_host *self,
                           const struct packet_host *other, uint16_t identity, uint16_t sequence,
                           size_t size);

/* Whether the frame is an ARP reply to us from `address`: then `hardware` is its address. */
bool packet_is_arp_reply(const unsigned char *frame, size_t length, const struct packet_host *self,
                         uint32_t address, uint8_t hardware[6]);

/* Whether it is the answer to that echo request, byte for byte. */
bool packet_is_echo_reply(const unsigned char *frame, size_t length, const struct packet_host *self,
                          uint32_t address, uint16_t identity, uint16_t sequence, size_t size);

/* The answer to a frame that wants one of us (an ARP or an echo request), into `answer`, which has
 * room for `limit` bytes. How long it is; 0: none is wanted, or it has no room. */
size_t packet_answer(const unsigned char *frame, size_t length, const struct packet_host *self,
                     unsigned char *answer, size_t limit);

#endif
