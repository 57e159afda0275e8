/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The fixed parts of ACPI tables (ACPI 6.5, 5.2). Little-endian, packed.
 */
#ifndef SERVER_IO_ACPI_TABLES_H
#define SERVER_IO_ACPI_TABLES_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* 5.2.5.3 */
struct acpi_rsdp {
    char signature[8]; /* "RSD PTR " */
    uint8_t checksum;  /* over the first ACPI_RSDP_SIZE_1 bytes */
    char oem_id[6];
    uint8_t revision; /* 0 for ACPI 1.0, which ends before `length` */
    uint32_t rsdt_address;
    uint32_t length;
    uint64_t xsdt_address;
    uint8_t extended_checksum;
    uint8_t reserved[3];
} __attribute__((packed));
static_assert(sizeof(struct acpi_rsdp) == 36, "5.2.5.3");
#define ACPI_RSDP_SIZE_1 20

/* 5.2.6 */
struct acpi_header {
    char signature[4];
    uint32_t length; /* of the whole table */
    uint8_t revision;
    uint8_t checksum;
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
} __attribute__((packed));
static_assert(sizeof(struct acpi_header) == 36, "5.2.6");

/* 5.2.9: where the fixed hardware's description has the DSDT's physical address, 32 bits. */
#define ACPI_FADT_DSDT 40

#endif
