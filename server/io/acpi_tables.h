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

/* 5.2.9, as far as it is used: the fixed hardware's description. */
struct acpi_fadt {
    struct acpi_header header;
    uint32_t firmware_control;
    uint32_t dsdt; /* physical address */
    uint8_t reserved0;
    uint8_t preferred_profile;
    uint16_t sci_interrupt;
    uint32_t smi_command;              /* I/O port */
    uint8_t acpi_enable, acpi_disable; /* values for it */
    uint8_t s4bios_request, pstate_control;
    uint32_t pm1a_event, pm1b_event;     /* I/O ports */
    uint32_t pm1a_control, pm1b_control; /* I/O ports */
} __attribute__((packed));
static_assert(offsetof(struct acpi_fadt, dsdt) == 40, "5.2.9");
static_assert(offsetof(struct acpi_fadt, smi_command) == 48, "5.2.9");
static_assert(offsetof(struct acpi_fadt, pm1a_control) == 64, "5.2.9");

#endif
