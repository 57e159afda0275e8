/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a virtio block device shares with its driver (Virtual I/O Device specification 1.2, 5.2).
 * Little-endian.
 */
#ifndef DRIVER_VIRTIO_BLK_LAYOUT_H
#define DRIVER_VIRTIO_BLK_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum { VIRTIO_BLK_SECTOR = 512 }; /* what capacity and requests count in, whatever the block size */

/* 5.2.3 */
enum virtio_blk_feature {
    VIRTIO_BLK_F_SIZE_MAX = 1,
    VIRTIO_BLK_F_SEG_MAX = 2,
    VIRTIO_BLK_F_RO = 5,
    VIRTIO_BLK_F_BLK_SIZE = 6,
    VIRTIO_BLK_F_FLUSH = 9,
    VIRTIO_BLK_F_TOPOLOGY = 10,
    VIRTIO_BLK_F_MQ = 12,
    VIRTIO_BLK_F_DISCARD = 13,
    VIRTIO_BLK_F_WRITE_ZEROES = 14,
};

/* 5.2.4, as far as it is used */
struct virtio_blk_config {
    uint64_t capacity; /* sectors */
    uint32_t size_max, seg_max;
    uint8_t geometry[4];
    uint32_t blk_size;
    struct {
        uint8_t physical_block_exp; /* blocks to a physical one, as a power of two */
        uint8_t alignment_offset;
        uint16_t min_io_size;
        uint32_t opt_io_size;
    } topology;
    uint8_t writeback, unused;
    uint16_t queues;
    uint32_t max_discard_sectors, max_discard_seg;
    uint32_t discard_sector_alignment;
    uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
};
static_assert(offsetof(struct virtio_blk_config, size_max) == 8, "5.2.4");
static_assert(offsetof(struct virtio_blk_config, blk_size) == 20, "5.2.4");
static_assert(offsetof(struct virtio_blk_config, topology) == 24, "5.2.4");
static_assert(offsetof(struct virtio_blk_config, queues) == 34, "5.2.4");
static_assert(offsetof(struct virtio_blk_config, max_discard_sectors) == 36, "5.2.4");
static_assert(offsetof(struct virtio_blk_config, max_write_zeroes_sectors) == 48, "5.2.4");

/* 5.2.6: a request is a header, data, and a byte for the status. */
enum virtio_blk_type {
    VIRTIO_BLK_T_IN = 0,
    VIRTIO_BLK_T_OUT = 1,
    VIRTIO_BLK_T_FLUSH = 4,
    VIRTIO_BLK_T_GET_ID = 8,
    VIRTIO_BLK_T_DISCARD = 11,
    VIRTIO_BLK_T_WRITE_ZEROES = 13,
};

struct virtio_blk_header {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};
static_assert(sizeof(struct virtio_blk_header) == 16, "5.2.6");

/* 5.2.6: the data of a discard and of a write of zeroes. No flag is for us: "unmap" may not be set
 * in the first and makes the second's zeroes a matter of the device's taste. */
struct virtio_blk_range {
    uint64_t sector;
    uint32_t count;
    uint32_t flags;
};
static_assert(sizeof(struct virtio_blk_range) == 16, "5.2.6");

enum virtio_blk_status {
    VIRTIO_BLK_S_OK = 0,
    VIRTIO_BLK_S_IOERR = 1,
    VIRTIO_BLK_S_UNSUPP = 2,
};

enum { VIRTIO_BLK_ID_SIZE = 20 };

#endif
