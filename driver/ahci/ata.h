/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ATA commands and what comes back (ATA/ATAPI Command Set 3, ACS-3), and the SCSI commands of
 * optical drives (SPC-4, MMC-6). ATA is little-endian, SCSI big-endian.
 */
#ifndef DRIVER_AHCI_ATA_H
#define DRIVER_AHCI_ATA_H

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

/* Features of DATA SET MANAGEMENT, of PACKET; sectors of a range. */
enum { ATA_TRIM = 1, ATA_PACKET_DMA = 1, ATA_RANGE_MAX = 65535 };

/* 6.2: the error register */
enum { ATA_ERROR_NOT_FOUND = 1 << 4, ATA_ERROR_UNCORRECTABLE = 1 << 6 };

/* The NCQ Command Error log: a page of 512 bytes, whose sum is 0. Tag and flags; the error. */
enum { ATA_LOG_QUEUE_ERROR = 0x10, ATA_QUEUE_ERROR_TAG = 0, ATA_QUEUE_ERROR_ERROR = 3 };
enum { ATA_QUEUE_ERROR_TAG_MASK = 31, ATA_QUEUE_ERROR_NOT_QUEUED = 1 << 7 };

/* 7.12.7, 7.13.6: IDENTIFY (PACKET) DEVICE data, by words. Strings have the first of two characters
 * in the upper byte; numbers the lower word first. */
enum ata_identity {
    ATA_GENERAL = 0,
    ATA_SERIAL = 10,
    ATA_MODEL = 27,
    ATA_CAPABILITIES = 49,
    ATA_QUEUE_DEPTH = 75, /* less one */
    ATA_SATA = 76,
    ATA_COMMANDS2 = 83,
    ATA_ENABLED1 = 85,
    ATA_SECTORS = 100,
    ATA_SECTOR_SHAPE = 106,
    ATA_SECTOR_WORDS = 117,
    ATA_SECURITY = 128,
    ATA_DATA_SET = 169,
    ATA_IDENTITY_WORDS = 256,
};
enum { ATA_SERIAL_SIZE = 20, ATA_MODEL_SIZE = 40, ATA_SECTORS_SIZE = 6 }; /* bytes */
enum {
    ATA_GENERAL_INCOMPLETE = 1 << 2,
    ATA_CAPABILITIES_DMA_LBA = 3 << 8,
    ATA_SATA_QUEUED = 1 << 8,
    ATA_COMMANDS2_48_BIT = 1 << 10,
    ATA_ENABLED1_WRITE_CACHE = 1 << 5,
    ATA_SHAPE_LONG_LOGICAL = 1 << 12,
    ATA_SECURITY_LOCKED = 1 << 2,
    ATA_DATA_SET_TRIM = 1 << 0,
};
/* Words 83 and 106 mean something if their upper two bits are 01. */
#define ATA_IS_VALID(word) (((word) >> 14 & 3) == 1)

/* SPC-4, 6; MMC-6, 6 */
enum { SCSI_REQUEST_SENSE = 0x03, SCSI_READ_CAPACITY = 0x25, SCSI_READ_10 = 0x28 };
enum { SCSI_SENSE_KEY = 2, SCSI_SENSE_CODE = 12 }; /* bytes */
/* SPC-4, 4.5.6: sense keys, which are in the error register's upper half too; additional codes. */
enum { SENSE_NOT_READY = 2, SENSE_MEDIUM = 3, SENSE_ATTENTION = 6 };
enum { SENSE_MEDIUM_CHANGED = 0x28, SENSE_NO_MEDIUM = 0x3a };

#endif
