/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ATA commands and what comes back (ATA/ATAPI Command Set 3, ACS-3). Little-endian.
 */
#ifndef DRIVER_AHCI_ATA_H
#define DRIVER_AHCI_ATA_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Section 7 */
enum ata_command {
    ATA_DATA_SET_MANAGEMENT = 0x06,
    ATA_READ_DMA_EXT = 0x25,
    ATA_READ_LOG_EXT = 0x2f,
    ATA_WRITE_DMA_EXT = 0x35,
    ATA_READ_FPDMA_QUEUED = 0x60,
    ATA_WRITE_FPDMA_QUEUED = 0x61,
    ATA_PACKET = 0xa0,
    ATA_IDENTIFY_PACKET_DEVICE = 0xa1,
    ATA_STANDBY_IMMEDIATE = 0xe0,
    ATA_FLUSH_CACHE_EXT = 0xea,
    ATA_IDENTIFY_DEVICE = 0xec,
};

enum { ATA_DEVICE_LBA = 0x40 };
enum { ATA_TRIM = 1 };                               /* feature of DATA SET MANAGEMENT */
enum { ATA_RANGE_MAX = 65535 };                      /* sectors in one range of it */
enum { ATA_PACKET_DMA = 1, ATA_PACKET_TO_HOST = 4 }; /* features of PACKET */
enum { ATA_LOG_QUEUE_ERROR = 0x10 };

/* 6.2: the error register */
enum ata_error {
    ATA_ERROR_ABORT = 1 << 2,
    ATA_ERROR_NOT_FOUND = 1 << 4,
    ATA_ERROR_UNCORRECTABLE = 1 << 6,
    ATA_ERROR_CRC = 1 << 7,
};

/* The NCQ Command Error log. All bytes together make 0. */
struct ata_queue_error {
    uint8_t tag; /* and flags */
    uint8_t reserved0;
    uint8_t status, error;
    uint8_t reserved1[508];
};
static_assert(sizeof(struct ata_queue_error) == 512, "a log page");
enum { ATA_QUEUE_ERROR_TAG = 31, ATA_QUEUE_ERROR_NOT_QUEUED = 1 << 7 };

/* 7.12.7, 7.13.6: IDENTIFY (PACKET) DEVICE data, as far as it is used; by words. Strings have the
 * first of two characters in the upper byte. */
struct ata_identity {
    uint16_t general; /* 0 */
    uint16_t reserved0[9];
    uint16_t serial[10]; /* 10 */
    uint16_t reserved1[7];
    uint16_t model[20]; /* 27 */
    uint16_t reserved2[2];
    uint16_t capabilities; /* 49 */
    uint16_t reserved3[12];
    uint16_t packet_dma; /* 62 */
    uint16_t reserved4[12];
    uint16_t queue_depth; /* 75: less one */
    uint16_t sata;        /* 76 */
    uint16_t reserved5[6];
    uint16_t commands2; /* 83 */
    uint16_t reserved6;
    uint16_t enabled1; /* 85 */
    uint16_t reserved7[14];
    uint16_t sectors[4]; /* 100 */
    uint16_t reserved8[2];
    uint16_t sector_shape; /* 106 */
    uint16_t reserved9[10];
    uint16_t sector_words[2]; /* 117 */
    uint16_t reserved10[9];
    uint16_t security; /* 128 */
    uint16_t reserved11[40];
    uint16_t data_set; /* 169 */
    uint16_t reserved12[85];
    uint16_t integrity; /* 255: a signature, and a byte that makes the sum of all 0 */
};
static_assert(offsetof(struct ata_identity, serial) == 2 * 10, "7.12.7");
static_assert(offsetof(struct ata_identity, model) == 2 * 27, "7.12.7");
static_assert(offsetof(struct ata_identity, capabilities) == 2 * 49, "7.12.7");
static_assert(offsetof(struct ata_identity, packet_dma) == 2 * 62, "7.13.6");
static_assert(offsetof(struct ata_identity, sata) == 2 * 76, "7.12.7");
static_assert(offsetof(struct ata_identity, commands2) == 2 * 83, "7.12.7");
static_assert(offsetof(struct ata_identity, enabled1) == 2 * 85, "7.12.7");
static_assert(offsetof(struct ata_identity, sectors) == 2 * 100, "7.12.7");
static_assert(offsetof(struct ata_identity, sector_shape) == 2 * 106, "7.12.7");
static_assert(offsetof(struct ata_identity, sector_words) == 2 * 117, "7.12.7");
static_assert(offsetof(struct ata_identity, security) == 2 * 128, "7.12.7");
static_assert(offsetof(struct ata_identity, data_set) == 2 * 169, "7.12.7");
static_assert(sizeof(struct ata_identity) == 512, "7.12.7");

enum {
    ATA_GENERAL_INCOMPLETE = 1 << 2,
    ATA_GENERAL_PACKET = 1 << 15,
    ATA_CAPABILITIES_DMA = 1 << 8,
    ATA_CAPABILITIES_LBA = 1 << 9,
    ATA_PACKET_DIRECTION = 1 << 15,
    ATA_SATA_QUEUED = 1 << 8,
    ATA_COMMANDS2_48_BIT = 1 << 10,
    ATA_ENABLED1_WRITE_CACHE = 1 << 5,
    ATA_SHAPE_LONG_LOGICAL = 1 << 12,
    ATA_SECURITY_LOCKED = 1 << 2,
    ATA_DATA_SET_TRIM = 1 << 0,
    ATA_INTEGRITY_SIGNATURE = 0xa5,
};
/* Words 83 and 106 mean something if their upper two bits are 01. */
#define ATA_IS_VALID(word) (((word) >> 14 & 3) == 1)

#endif
