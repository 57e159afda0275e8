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

#define AHCI_HEADER_FIS_DWORDS 5u
#define AHCI_HEADER_PACKET     (1u << 5)
#define AHCI_HEADER_WRITE      (1u << 6)
#define AHCI_HEADER_REGIONS(n) ((uint32_t)(n) << 16)

/* Serial ATA 3.2, 10.5.5: register FIS, host to device, as double words. The first has its type,
 * that the command register is written, command and feature; the second the lower half of the
 * address and the device register; the third the upper halves of address and feature. */
struct ahci_fis {
    uint32_t command, lba, lba_high, count, reserved;
};
static_assert(sizeof(struct ahci_fis) == 4 * AHCI_HEADER_FIS_DWORDS, "10.5.5");
#define AHCI_FIS_COMMAND    (0x27u | 1u << 15)
#define AHCI_FIS_DEVICE_LBA (0x40u << 24)

/* 4.2.3.3: a region of memory: even address, even length less one, at most 4 MiB */
struct ahci_region {
    uint32_t address, address_high;
    uint32_t reserved;
    uint32_t last;
};

/* 4.2.3. The data of a request is contiguous for the device, or in up to BLOCK_PARTS pieces. */
enum { AHCI_REGIONS = 8, AHCI_PACKET_SIZE = 12 };
struct ahci_table {
    struct ahci_fis fis;
    uint8_t reserved0[0x40 - sizeof(struct ahci_fis)];
    uint8_t packet[AHCI_PACKET_SIZE];
    uint8_t reserved1[0x40 - AHCI_PACKET_SIZE];
    struct ahci_region region[AHCI_REGIONS];
};
static_assert(offsetof(struct ahci_table, region) == 0x80, "4.2.3");
static_assert(sizeof(struct ahci_table) % 128 == 0, "4.2.2: tables are aligned to 128 bytes");

enum { AHCI_SECTOR = 512, AHCI_RANGES = AHCI_SECTOR / 8, AHCI_PACKET_BLOCK = 2048 };

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
