/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the firmware's tables are (ACPI 6.5, 5.2.5 to 5.2.8). Tables are copied out of physical
 * memory, with their length and checksum verified, before anybody looks inside.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <host/mach/memory.h>
#include <server/io/acpi_tables.h>
#include <server/io/io.h>
#include <server/io/madt.h>

static bool sum_is_zero(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum == 0;
}

/* 5.2.5.1: on a 16-byte boundary in the BIOS's read-only memory. */
static int rsdp_find(struct acpi_rsdp *result)
{
    enum { BIOS_BASE = 0xe0000, BIOS_SIZE = 0x20000 };
    void *bios;
    int error = io_physical_map(BIOS_BASE, BIOS_SIZE, false, &bios);

    if (error != 0)
        return error;
    error = ENOENT;
    for (size_t at = 0; error != 0 && at <= BIOS_SIZE - sizeof(*result); at += 16) {
        memcpy(result, (const char *)bios + at, sizeof(*result));
        if (memcmp(result->signature, "RSD PTR ", 8) == 0 && sum_is_zero(result, ACPI_RSDP_SIZE_1))
            error = 0;
    }
    io_physical_unmap(bios, BIOS_SIZE);
    return error;
}

static int physical_read(uint64_t address, void *copy, size_t size)
{
    void *window;
    int error = io_physical_map(address, size, false, &window);

    if (error != 0)
        return error;
    memcpy(copy, window, size);
    io_physical_unmap(window, size);
    return 0;
}

static int table_at(uint64_t address, void **result, size_t *size)
{
    enum { TABLE_SIZE_MAX = 1 << 20 };
    struct acpi_header header;
    int error = physical_read(address, &header, sizeof(header));

    if (error != 0)
        return error;
    if (header.length < sizeof(header) || header.length > TABLE_SIZE_MAX)
        return EBADMSG;

    void *copy = memory_pages_allocate(header.length);
    if (!copy)
        return ENOMEM;
    error = physical_read(address, copy, header.length);
    if (error == 0 && !sum_is_zero(copy, header.length))
        error = EBADMSG;
    if (error != 0) {
        memory_pages_free(copy, header.length);
        return error;
    }
    *result = copy;
    *size = header.length;
    return 0;
}

static bool signature_matches(uint64_t address, const char *signature)
{
    struct acpi_header header;

    return physical_read(address, &header, sizeof(header)) == 0 &&
           memcmp(header.signature, signature, sizeof(header.signature)) == 0;
}

/* The address of entry `index` in the root table, whose entries are `width` bytes. */
static uint64_t root_entry(const uint8_t *root, unsigned width, size_t index)
{
    uint64_t address = 0;

    memcpy(&address, root + sizeof(struct acpi_header) + index * width, width);
    return address;
}

static int table_find(const char *signature, void **table, size_t *size)
{
    struct acpi_rsdp rsdp;
    void *root;
    size_t root_size;

    if (strlen(signature) != sizeof(((struct acpi_header *)0)->signature))
        return EINVAL;
    int error = rsdp_find(&rsdp);
    if (error != 0)
        return error;
    bool extended = rsdp.revision >= 2 && rsdp.xsdt_address != 0;
    unsigned width = extended ? 8 : 4;
    error = table_at(extended ? rsdp.xsdt_address : rsdp.rsdt_address, &root, &root_size);
    if (error != 0)
        return error;

    error = ENOENT;
    size_t count = (root_size - sizeof(struct acpi_header)) / width;
    for (size_t i = 0; i < count && error == ENOENT; i++) {
        uint64_t address = root_entry(root, width, i);
        if (signature_matches(address, signature))
            error = table_at(address, table, size);
    }
    memory_pages_free(root, root_size);
    return error;
}

int io_acpi_table(const char *signature, void **table, size_t *size)
{
    uint32_t address = 0;
    void *copy;

    if (strcmp(signature, "DSDT") != 0)
        return table_find(signature, table, size);
    int error = table_find("FACP", &copy, size);
    if (error != 0)
        return error;
    if (*size >= ACPI_FADT_DSDT + sizeof(address))
        memcpy(&address, (const char *)copy + ACPI_FADT_DSDT, sizeof(address));
    memory_pages_free(copy, *size);
    return table_at(address, table, size);
}

int io_acpi_madt(struct madt *madt)
{
    void *table;
    size_t size;
    int error = io_acpi_table("APIC", &table, &size);

    if (error != 0)
        return error;
    error = madt_parse(table, size, madt);
    memory_pages_free(table, size);
    return error;
}
