/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A model of a virtio block device (Virtual I/O Device specification 1.2, 5.2).
 */
#ifndef HOST_MODEL_VIRTIO_BLK_MODEL_H
#define HOST_MODEL_VIRTIO_BLK_MODEL_H

#include "virtio_model.h"

enum { VIRTIO_BLK_MODEL_CONFIG_SIZE = 60 };

/* Feature bits (5.2.3). */
enum {
    VIRTIO_BLK_MODEL_SIZE_MAX = 1,
    VIRTIO_BLK_MODEL_SEG_MAX = 2,
    VIRTIO_BLK_MODEL_RO = 5,
    VIRTIO_BLK_MODEL_BLK_SIZE = 6,
    VIRTIO_BLK_MODEL_FLUSH = 9,
    VIRTIO_BLK_MODEL_TOPOLOGY = 10,
    VIRTIO_BLK_MODEL_MQ = 12,
    VIRTIO_BLK_MODEL_DISCARD = 13,
    VIRTIO_BLK_MODEL_WRITE_ZEROES = 14,
};

struct virtio_blk_model {
    struct virtio_model virtio; /* first: the handlers cast */
    uint64_t sectors;
    uint8_t *disk;
    const char *serial; /* null: it does not know the request */

    unsigned io_status; /* all reads, writes and flushes end with this; 0: as they should */
    bool no_status;     /* the status byte is not written */

    unsigned reads, writes, flushes, discards, zeroings;
    unsigned unflushed;        /* writes since the last flush */
    unsigned longest_transfer; /* bytes */
    unsigned queue_reads[VIRTIO_MODEL_QUEUES];

    uint8_t config[VIRTIO_BLK_MODEL_CONFIG_SIZE];
};

/* A disk of that many sectors, with a write cache. */
void virtio_blk_model_init(struct virtio_blk_model *model, uint64_t sectors);
void virtio_blk_model_destroy(struct virtio_blk_model *model);

/* Set a field of the configuration, little-endian, and offer the feature that it belongs to. */
void virtio_blk_model_field(struct virtio_blk_model *model, unsigned feature, unsigned offset,
                            unsigned width, uint64_t value);

#endif
