/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a port's commands look like in memory (AHCI 1.3.1, section 4; Serial ATA 3.2, 10.5).
 */
#ifndef DRIVER_AHCI_COMMAND_H
#define DRIVER_AHCI_COMMAND_H

#include "registers.h"

/* 4.2.2 */
struct ahci_header {
    uint32_t flags;
    uint32_t moved; /* PRDBC: bytes that were moved; means nothing for queued commands */
    uint32_t table, table_high;
    uint32_t reserved[4];
};
static_assert(sizeof(struct ahci_header) == 32, "4.2.2");

#define AHCI_HEADER_FIS_DWORDS 5u
#define AHCI_HEADER_PACKET     (1u << 5)
#define AHCI_HEADER_WRITE      (1u << 6)
#define AHCI_HEADER_REGIONS(n) ((uint32_t)(n) << 16)

/* Serial ATA 3.2, 10.5.5: register FIS, host to device */
struct ahci_fis {
    uint8_t type;
    uint8_t flags; /* bit 7: the command register was written */
    uint8_t command;
    uint8_t feature;
    uint8_t lba[3];
    uint8_t device;
    uint8_t lba_high[3];
    uint8_t feature_high;
    uint8_t count, count_high;
    uint8_t icc, control;
    uint8_t auxiliary[4];
};
static_assert(sizeof(struct ahci_fis) == 4 * AHCI_HEADER_FIS_DWORDS, "10.5.5");
enum { AHCI_FIS_HOST_TO_DEVICE = 0x27, AHCI_FIS_COMMAND = 0x80 };

/* 4.2.3.3: a region of memory: even address, even length less one, at most 4 MiB */
struct ahci_region {
    uint32_t address, address_high;
    uint32_t reserved;
    uint32_t last;
};
static_assert(sizeof(struct ahci_region) == 16, "4.2.3.3");
enum { AHCI_REGION_MAX = 1 << 22 };

/* 4.2.3. The data of a request is contiguous for the device, or in up to BLOCK_PARTS pieces. */
enum { AHCI_REGIONS = 8 };
struct ahci_table {
    struct ahci_fis fis;
    uint8_t reserved0[0x40 - sizeof(struct ahci_fis)];
    uint8_t packet[16];
    uint8_t reserved1[0x30];
    struct ahci_region region[AHCI_REGIONS];
};
static_assert(offsetof(struct ahci_table, packet) == 0x40, "4.2.3");
static_assert(offsetof(struct ahci_table, region) == 0x80, "4.2.3");
static_assert(sizeof(struct ahci_table) % 128 == 0, "4.2.2: tables are aligned to 128 bytes");

enum { AHCI_SECTOR = 512, AHCI_RANGES = AHCI_SECTOR / 8 };

/* All that a port shares with its device, but for data. */
struct ahci_memory {
    struct ahci_header list[AHCI_SLOTS]; /* 3.3.1: aligned to 1 KiB */
    uint8_t received[256];               /* 4.2.1: aligned to 256 bytes */
    uint8_t reserved[768];
    uint8_t answer[2048]; /* to the driver's own commands */
    struct ahci_table table[AHCI_SLOTS];
    uint64_t ranges[AHCI_SLOTS][AHCI_RANGES]; /* of discards */
};
static_assert(offsetof(struct ahci_memory, received) == 1024, "4.2.1");
static_assert(offsetof(struct ahci_memory, table) == 4096, "pages");

#endif
