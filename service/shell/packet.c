/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet.h"

#include <stdlib.h>
#include <string.h>

enum { TYPE_IP = 0x0800, TYPE_ARP = 0x0806 };
enum { ARP_REQUEST = 1, ARP_REPLY = 2 };
enum { IP_HEADER = 20, IP_DONT_FRAGMENT = 0x4000, IP_FRAGMENT = 0x3fff, ICMP = 1, ICMP_HEADER = 8 };
enum { ECHO_REPLY = 0, ECHO_REQUEST = 8 };
enum { TIME_TO_LIVE = 64 };

static void put16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static void put32(unsigned char *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

static unsigned get16(const unsigned char *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static uint32_t get32(const unsigned char *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

bool packet_address_parse(const char *text, uint32_t *address)
{
    *address = 0;
    for (unsigned i = 0; i < 4; i++) {
        char *end;
        unsigned long part = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 256;
        if (part > 255 || *end != (i < 3 ? '.' : '\0'))
            return false;
        *address = *address << 8 | (uint32_t)part;
        text = end + 1;
    }
    return true;
}

bool packet_hardware_parse(const char *text, uint8_t hardware[6])
{
    for (unsigned i = 0; i < 6; i++) {
        char *end;
        unsigned long part = strtoul(text, &end, 16);
        if (end == text || end - text > 2 || *end != (i < 5 ? ':' : '\0'))
            return false;
        hardware[i] = (uint8_t)part;
        text = end + 1;
    }
    return true;
}

/* RFC 1071: the one's complement of the sum of 16-bit words. */
static unsigned checksum(const unsigned char *bytes, size_t size)
{
    uint32_t sum = 0;

    for (size_t i = 0; i + 1 < size; i += 2)
        sum += get16(bytes + i);
    if (size % 2)
        sum += (uint32_t)bytes[size - 1] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

static void ethernet_fill(unsigned char *frame, const uint8_t *to, const uint8_t *from,
                          unsigned type)
{
    memcpy(frame, to, 6);
    memcpy(frame + 6, from, 6);
    put16(frame + 12, type);
}

static void arp_fill(unsigned char *frame, unsigned operation, const struct packet_host *self,
                     const uint8_t *other, uint32_t other_address)
{
    unsigned char *arp = frame + PACKET_ETHERNET;

    memset(frame + PACKET_ETHERNET, 0, PACKET_LEAST - PACKET_ETHERNET);
    put16(arp, 1); /* Ethernet */
    put16(arp + 2, TYPE_IP);
    arp[4] = 6;
    arp[5] = 4;
    put16(arp + 6, operation);
    memcpy(arp + 8, self->hardware, 6);
    put32(arp + 14, self->address);
    memcpy(arp + 18, other, 6);
    put32(arp + 24, other_address);
}

size_t packet_arp_request(unsigned char *frame, const struct packet_host *self, uint32_t wanted)
{
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, nobody[6];

    ethernet_fill(frame, all, self->hardware, TYPE_ARP);
    arp_fill(frame, ARP_REQUEST, self, nobody, wanted);
    return PACKET_LEAST;
}

static unsigned char data_byte(uint16_t sequence, size_t i)
{
    return (unsigned char)(sequence * 7 + i);
}

/* Whether it is an ARP packet of that kind for Ethernet and IPv4. */
static bool is_arp(const unsigned char *frame, size_t length, unsigned operation)
{
    const unsigned char *arp = frame + PACKET_ETHERNET;

    return length >= PACKET_ARP && get16(frame + 12) == TYPE_ARP && get16(arp) == 1 &&
           get16(arp + 2) == TYPE_IP && arp[4] == 6 && arp[5] == 4 && get16(arp + 6) == operation;
}

bool packet_is_arp_reply(const unsigned char *frame, size_t length, const struct packet_host *self,
                         uint32_t address, uint8_t hardware[6])
{
    const unsigned char *arp = frame + PACKET_ETHERNET;

    if (!is_arp(frame, length, ARP_REPLY) || get32(arp + 14) != address ||
        get32(arp + 24) != self->address || (arp[8] & 1))
        return false;
    memcpy(hardware, arp + 8, 6);
    return true;
}

static void ip_fill(unsigned char *ip, size_t size, uint32_t from, uint32_t to)
{
    ip[0] = 0x45;
    ip[1] = 0;
    put16(ip + 2, (unsigned)size);
    put16(ip + 4, 0);
    put16(ip + 6, IP_DONT_FRAGMENT);
    ip[8] = TIME_TO_LIVE;
    ip[9] = ICMP;
    put16(ip + 10, 0);
    put32(ip + 12, from);
    put32(ip + 16, to);
    put16(ip + 10, checksum(ip, IP_HEADER));
}

static size_t pad(unsigned char *frame, size_t length)
{
    if (length < PACKET_LEAST)
        memset(frame + length, 0, PACKET_LEAST - length);
    return length < PACKET_LEAST ? PACKET_LEAST : length;
}

size_t packet_echo_request(unsigned char *frame, const struct packet_host *self,
                           const struct packet_host *other, uint16_t identity, uint16_t sequence,
                           size_t size)
{
    unsigned char *ip = frame + PACKET_ETHERNET, *icmp = ip + IP_HEADER;

    ethernet_fill(frame, other->hardware, self->hardware, TYPE_IP);
    ip_fill(ip, IP_HEADER + ICMP_HEADER + size, self->address, other->address);
    icmp[0] = ECHO_REQUEST;
    icmp[1] = 0;
    put16(icmp + 2, 0);
    put16(icmp + 4, identity);
    put16(icmp + 6, sequence);
    for (size_t i = 0; i < size; i++)
        icmp[ICMP_HEADER + i] = data_byte(sequence, i);
    put16(icmp + 2, checksum(icmp, ICMP_HEADER + size));
    return pad(frame, PACKET_ECHO + size);
}

/* The ICMP message of an IPv4 packet that is whole and right, and is for `to`; null: it is none. */
static const unsigned char *icmp_find(const unsigned char *frame, size_t length, uint32_t to,
                                      size_t *size)
{
    const unsigned char *ip = frame + PACKET_ETHERNET;

    if (length < PACKET_ECHO || get16(frame + 12) != TYPE_IP || ip[0] >> 4 != 4)
        return NULL;
    size_t header = (ip[0] & 15) * 4u, total = get16(ip + 2);
    if (header < IP_HEADER || total > length - PACKET_ETHERNET || header > total ||
        total - header < ICMP_HEADER || ip[9] != ICMP || (get16(ip + 6) & IP_FRAGMENT) != 0 ||
        get32(ip + 16) != to || checksum(ip, header) != 0)
        return NULL;
    *size = total - header;
    return checksum(ip + header, *size) == 0 ? ip + header : NULL;
}

bool packet_is_echo_reply(const unsigned char *frame, size_t length, const struct packet_host *self,
                          uint32_t address, uint16_t identity, uint16_t sequence, size_t size)
{
    size_t there = 0;
    const unsigned char *icmp = icmp_find(frame, length, self->address, &there);

    if (!icmp || there != ICMP_HEADER + size || icmp[0] != ECHO_REPLY || icmp[1] != 0 ||
        get32(frame + PACKET_ETHERNET + 12) != address || get16(icmp + 4) != identity ||
        get16(icmp + 6) != sequence)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (icmp[ICMP_HEADER + i] != data_byte(sequence, i))
            return false;
    }
    return true;
}

static size_t echo_answer(const unsigned char *frame, size_t length, const struct packet_host *self,
                          unsigned char *answer, size_t limit)
{
    size_t size = 0;
    const unsigned char *icmp = icmp_find(frame, length, self->address, &size);

    if (!icmp || icmp[0] != ECHO_REQUEST || limit < PACKET_LEAST ||
        size > limit - PACKET_ETHERNET - IP_HEADER)
        return 0;
    unsigned char *ip = answer + PACKET_ETHERNET, *out = ip + IP_HEADER;
    ethernet_fill(answer, frame + 6, self->hardware, TYPE_IP);
    ip_fill(ip, IP_HEADER + size, self->address, get32(frame + PACKET_ETHERNET + 12));
    memcpy(out, icmp, size);
    out[0] = ECHO_REPLY;
    put16(out + 2, 0);
    put16(out + 2, checksum(out, size));
    return pad(answer, PACKET_ETHERNET + IP_HEADER + size);
}

size_t packet_answer(const unsigned char *frame, size_t length, const struct packet_host *self,
                     unsigned char *answer, size_t limit)
{
    const unsigned char *arp = frame + PACKET_ETHERNET;

    if (length < PACKET_ARP || (frame[6] & 1))
        return 0;
    if (!is_arp(frame, length, ARP_REQUEST))
        return echo_answer(frame, length, self, answer, limit);
    if (get32(arp + 24) != self->address || limit < PACKET_LEAST)
        return 0;
    ethernet_fill(answer, arp + 8, self->hardware, TYPE_ARP);
    arp_fill(answer, ARP_REPLY, self, arp + 8, get32(arp + 14));
    return PACKET_LEAST;
}
