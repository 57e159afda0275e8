/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a virtio network device shares with its driver (Virtual I/O Device specification 1.2, 5.1).
 * Little-endian.
 */
#ifndef DRIVER_VIRTIO_NET_LAYOUT_H
#define DRIVER_VIRTIO_NET_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* 5.1.2: of the first pair of queues; the second's follow. Behind the last pair that the device
 * has, which without VIRTIO_NET_F_MQ is the first, is the control queue. */
enum { VIRTIO_NET_RECEIVE_QUEUE = 0, VIRTIO_NET_SEND_QUEUE = 1 };
enum { VIRTIO_NET_PAIRS_MOST = 0x8000 }; /* 5.1.4.1 */

/* 5.1.3 */
enum virtio_net_feature {
    VIRTIO_NET_F_CSUM = 0,
    VIRTIO_NET_F_MTU = 3,
    VIRTIO_NET_F_MAC = 5,
    VIRTIO_NET_F_MRG_RXBUF = 15,
    VIRTIO_NET_F_STATUS = 16,
    VIRTIO_NET_F_CTRL_VQ = 17,
    VIRTIO_NET_F_CTRL_RX = 18,
    VIRTIO_NET_F_MQ = 22,
    VIRTIO_NET_F_SPEED_DUPLEX = 63,
};

/* 5.1.4 */
struct virtio_net_config {
    uint8_t mac[6];
    uint16_t status;
    uint16_t max_virtqueue_pairs;
    uint16_t mtu;
    uint32_t speed;
    uint8_t duplex;
};
static_assert(offsetof(struct virtio_net_config, status) == 6, "5.1.4");
static_assert(offsetof(struct virtio_net_config, max_virtqueue_pairs) == 8, "5.1.4");
static_assert(offsetof(struct virtio_net_config, mtu) == 10, "5.1.4");
static_assert(offsetof(struct virtio_net_config, speed) == 12, "5.1.4");
static_assert(offsetof(struct virtio_net_config, duplex) == 16, "5.1.4");

enum { VIRTIO_NET_S_LINK_UP = 1 };
enum { VIRTIO_NET_SPEED_MOST = 0x7fffffff, VIRTIO_NET_DUPLEX_FULL = 1 };

/* 5.1.6: in front of each frame; in a segment of its own, unless buffers are merged. */
struct virtio_net_header {
    uint8_t flags; /* enum virtio_net_header_flags */
    uint8_t gso_type;
    uint16_t hdr_len, gso_size;
    uint16_t csum_start, csum_offset;
    uint16_t num_buffers;
};
static_assert(sizeof(struct virtio_net_header) == 12, "5.1.6");

enum virtio_net_header_flags { VIRTIO_NET_HDR_F_NEEDS_CSUM = 1 };
enum { VIRTIO_NET_HDR_GSO_NONE = 0 };

/* 5.1.6.3.1: room for a frame, header not counted, where the device may not merge buffers. */
enum { VIRTIO_NET_RECEIVE_LEAST = 1526 - sizeof(struct virtio_net_header) };

/* 5.1.6.5: a command is a class and a number, data, and a byte for the answer. */
struct virtio_net_command {
    uint8_t class;
    uint8_t command;
};
static_assert(sizeof(struct virtio_net_command) == 2, "5.1.6.5");

enum { VIRTIO_NET_OK = 0 };
enum { VIRTIO_NET_CTRL_RX = 0, VIRTIO_NET_CTRL_RX_PROMISC = 0, VIRTIO_NET_CTRL_RX_ALLMULTI = 1 };
enum { VIRTIO_NET_CTRL_MAC = 1, VIRTIO_NET_CTRL_MAC_TABLE_SET = 0 };
enum { VIRTIO_NET_CTRL_MQ = 4, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET = 0 };

#endif
