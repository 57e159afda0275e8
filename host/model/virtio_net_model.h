/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A model of a virtio network device (Virtual I/O Device specification 1.2, 5.1).
 */
#ifndef HOST_MODEL_VIRTIO_NET_MODEL_H
#define HOST_MODEL_VIRTIO_NET_MODEL_H

#include "virtio_model.h"
#include "wire.h"

enum { VIRTIO_NET_MODEL_FRAME = 10240, VIRTIO_NET_MODEL_PAIRS = 4 };

/* Feature bits (5.1.3). */
enum {
    VIRTIO_NET_MODEL_CSUM = 0,
    VIRTIO_NET_MODEL_MTU = 3,
    VIRTIO_NET_MODEL_MAC = 5,
    VIRTIO_NET_MODEL_MRG_RXBUF = 15,
    VIRTIO_NET_MODEL_STATUS = 16,
    VIRTIO_NET_MODEL_CTRL_VQ = 17,
    VIRTIO_NET_MODEL_CTRL_RX = 18,
    VIRTIO_NET_MODEL_MQ = 22,
};

struct virtio_net_model {
    struct virtio_model virtio; /* first: the handlers cast */
    uint8_t config[18];

    struct model_wire wire;
    uint8_t flags, type;    /* of what comes: in its header */
    unsigned pair;          /* by whose queue it comes */
    uint32_t merged;        /* bytes of the frame, header counted, that are written */
    uint32_t merged_total;  /* of how many; 0: none is begun */
    unsigned merged_most;   /* frames were in so many buffers */
    uint16_t tells_buffers; /* instead of how many there are; 0: the truth */
    uint32_t leaves;        /* so many bytes of each buffer but the last are not written */
    unsigned sent_on[VIRTIO_NET_MODEL_PAIRS];
    uint8_t sent_header[12]; /* of the last frame that went out */

    /* The control queue. */
    unsigned commands;
    bool promiscuous, all_multicast;
    uint32_t groups, owns;
    uint8_t group[64][6], own[15][6];
    uint8_t answer;              /* to commands */
    unsigned pairs, resets_seen; /* in use, since the device was reset */
    bool refuses_pairs, ignores_commands;
};

/* A device with an address, link status, a control queue, and MSI-X. */
void virtio_net_model_init(struct virtio_net_model *model);

/* It has so many pairs of queues. */
void virtio_net_model_pairs(struct virtio_net_model *model, unsigned pairs);

/* The link as the device says it is; told by its interrupt. */
void virtio_net_model_link(struct virtio_net_model *model, bool up);

#endif
