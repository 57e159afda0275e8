/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Registers and descriptors (Intel 82574 GbE Controller Family datasheet; sections are named).
 * Little-endian.
 */
#ifndef DRIVER_E1000E_REGISTERS_H
#define DRIVER_E1000E_REGISTERS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum { E1000E_WINDOW = 0, E1000E_WINDOW_SIZE = 0x20000 }; /* 10.2.1: internal registers */

/* 10.2.2 to 10.2.7, as far as they are used */
enum e1000e_register {
    E1000E_CTRL = 0x0000,
    E1000E_STATUS = 0x0008,
    E1000E_CTRL_EXT = 0x0018,
    E1000E_ICR = 0x00c0,
    E1000E_ITR = 0x00c4,
    E1000E_IMS = 0x00d0,
    E1000E_IMC = 0x00d8,
    E1000E_EIAC = 0x00dc,
    E1000E_IVAR = 0x00e4,
    E1000E_EITR = 0x00e8, /* one for each vector, 4 bytes apart */
    E1000E_RCTL = 0x0100,
    E1000E_TCTL = 0x0400,
    E1000E_TIPG = 0x0410,
    E1000E_RECEIVE_RING = 0x2800, /* struct e1000e_ring_registers */
    E1000E_SEND_RING = 0x3800,    /* likewise */
    E1000E_TXDCTL = 0x3828,
    E1000E_CRCERRS = 0x4000, /* statistics: cleared when read */
    E1000E_RXERRC = 0x400c,
    E1000E_MPC = 0x4010,
    E1000E_RXCSUM = 0x5000,
    E1000E_MTA = 0x5200, /* 128 words: the multicast table */
    E1000E_RAL0 = 0x5400,
    E1000E_RAH0 = 0x5404, /* 10.2.5.21, 10.2.5.22: 16 pairs */
};
enum { E1000E_MTA_WORDS = 128 };

struct e1000e_ring_registers {
    uint32_t address_low, address_high;
    uint32_t length; /* bytes, a multiple of 128 */
    uint32_t reserved0;
    uint32_t head;
    uint32_t reserved1;
    uint32_t tail;
};
static_assert(offsetof(struct e1000e_ring_registers, head) == 0x10, "10.2.5.8");
static_assert(offsetof(struct e1000e_ring_registers, tail) == 0x18, "10.2.5.9");

/* 10.2.2.1 */
enum {
    E1000E_CTRL_MASTER_DISABLE = 1u << 2,
    E1000E_CTRL_LINK_UP = 1u << 6, /* the MAC follows what the PHY negotiates */
    E1000E_CTRL_RESET = 1u << 26,
};

/* 10.2.2.2 */
enum {
    E1000E_STATUS_FULL_DUPLEX = 1u << 0,
    E1000E_STATUS_LINK = 1u << 1,
    E1000E_STATUS_SPEED_SHIFT = 6, /* two bits: 10, 100, 1000, 1000 Mbit/s */
    E1000E_STATUS_MASTER = 1u << 19,
};
#define E1000E_GONE UINT32_MAX /* what a device that is not there reads as */

/* 10.2.4: causes, in ICR, ICS, IMS, IMC and EIAC */
enum {
    E1000E_CAUSE_SENT = 1u << 0,       /* TXDW: without MSI-X */
    E1000E_CAUSE_LINK = 1u << 2,       /* LSC */
    E1000E_CAUSE_OVERRUN = 1u << 6,    /* RXO */
    E1000E_CAUSE_RECEIVED = 1u << 7,   /* RXT0: without MSI-X */
    E1000E_CAUSE_RECEIVE_0 = 1u << 20, /* RxQ0: with MSI-X */
    E1000E_CAUSE_SEND_0 = 1u << 22,    /* TxQ0: with MSI-X */
    E1000E_CAUSE_OTHER = 1u << 24,     /* with MSI-X: LSC and the rest */
};

/* All that is asked for without MSI-X. */
#define E1000E_CAUSES_LINE (E1000E_CAUSE_RECEIVED | E1000E_CAUSE_SENT | E1000E_CAUSE_LINK)

/* 10.2.4.9: which vector a cause has: four bits each, the highest says that it has one. */
enum {
    E1000E_IVAR_VALID = 8,
    E1000E_IVAR_RECEIVE_0 = 0,
    E1000E_IVAR_SEND_0 = 8,
    E1000E_IVAR_OTHER = 16,
};

/* 10.2.5.1 */
enum {
    E1000E_RCTL_ENABLE = 1u << 1,
    E1000E_RCTL_UNICAST_ALL = 1u << 3,
    E1000E_RCTL_MULTICAST_ALL = 1u << 4,
    E1000E_RCTL_LONG = 1u << 5, /* frames of more than 1522 bytes */
    E1000E_RCTL_BROADCAST = 1u << 15,
    E1000E_RCTL_SIZE_16K = 1u << 16 | 1u << 25, /* of a buffer; neither bit: 2048 */
    E1000E_RCTL_STRIP = 1u << 26,               /* the check sequence */
};
enum { E1000E_BUFFER = 2048, E1000E_BUFFER_LONG = 16384 };

/* 10.2.5.15: look at the sums of IP headers, and of TCP and UDP. */
enum { E1000E_RXCSUM_VALUE = 1u << 8 | 1u << 9 };

/* 10.2.6.1: pad short frames; collision threshold and distance as it says for full duplex. */
enum {
    E1000E_TCTL_ENABLE = 1u << 1,
    E1000E_TCTL_PAD = 1u << 3,
    E1000E_TCTL_COLLISION = 0xf << 4 | 0x3f << 12,
};
/* 10.2.6.2: the values that it recommends */
#define E1000E_TIPG_VALUE (8u | 8u << 10 | 6u << 20)
/* 10.2.6.10: to be set; thresholds 0: each descriptor is written back when it is done. */
enum { E1000E_TXDCTL_VALUE = 1u << 22 };

#define E1000E_RAH_VALID (1u << 31)

/* 7.1.4: legacy receive descriptor */
struct e1000e_receive_descriptor {
    uint64_t address;
    uint16_t length, checksum;
    uint8_t status, errors;
    uint16_t tag;
};
static_assert(sizeof(struct e1000e_receive_descriptor) == 16, "7.1.4");
enum {
    E1000E_RECEIVE_DONE = 1u << 0,
    E1000E_RECEIVE_END = 1u << 1,
    E1000E_RECEIVE_SUMMED = 1u << 5, /* TCP's or UDP's sum was looked at */
};
/* CRC or alignment, symbol, sequence, carrier extension, data; not the sums of higher protocols. */
enum { E1000E_RECEIVE_ERRORS = 0x97 };
/* IP's header, and TCP or UDP: a frame is not damaged for that, as the sender may be at fault. */
enum { E1000E_RECEIVE_SUMS = 1u << 5 | 1u << 6 };

/* 7.2.10.1: legacy transmit descriptor */
struct e1000e_send_descriptor {
    uint64_t address;
    uint16_t length;
    uint8_t checksum_offset, command, status, checksum_start;
    uint16_t tag;
};
static_assert(sizeof(struct e1000e_send_descriptor) == 16, "7.2.10.1");
enum {
    E1000E_SEND_END = 1u << 0,
    E1000E_SEND_CHECK_SEQUENCE = 1u << 1, /* the device puts it there */
    E1000E_SEND_REPORT = 1u << 3,
};
enum { E1000E_SEND_DONE = 1u << 0 };

#endif
