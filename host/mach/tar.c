/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <host/mach/tar.h>

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { BLOCK = 512 };

struct tar_header {
    char name[100];
    char mode[8], uid[8], gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link[100];
    char magic[6], version[2];
    char user[32], group[32];
    char device_major[8], device_minor[8];
    char prefix[155];
    char padding[12];
};
static_assert(sizeof(struct tar_header) == BLOCK, "ustar header");

/* Octal digits up to a NUL or blank. */
static bool octal_parse(const char *field, size_t length, uint64_t *value)
{
    size_t i = 0;

    *value = 0;
    while (i < length && field[i] == ' ')
        i++;
    size_t first = i;
    for (; i < length && field[i] >= '0' && field[i] <= '7'; i++)
        *value = *value * 8 + (uint64_t)(field[i] - '0');
    return i > first && (i == length || field[i] == '\0' || field[i] == ' ');
}

/* The sum of the header's bytes with the checksum field as blanks. */
static bool header_sum_matches(const struct tar_header *header)
{
    const uint8_t *bytes = (const uint8_t *)header;
    uint64_t stored, sum = 0;

    for (size_t i = 0; i < BLOCK; i++) {
        bool inside =
            i >= offsetof(struct tar_header, checksum) && i < offsetof(struct tar_header, type);
        sum += inside ? ' ' : bytes[i];
    }
    return octal_parse(header->checksum, sizeof(header->checksum), &stored) && stored == sum;
}

/* One plain name: there are no folders, and it goes to the log as it is. */
static bool name_is_plain(const char *name)
{
    for (const char *c = name; *c; c++) {
        if (*c <= ' ' || *c == '/' || *c == 0x7f)
            return false;
    }
    return name[0] != '\0';
}

static bool header_is_end(const struct tar_header *header)
{
    const uint8_t *bytes = (const uint8_t *)header;

    for (size_t i = 0; i < BLOCK; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

int tar_next(const uint8_t *data, size_t size, size_t *offset, struct tar_file *file)
{
    for (;;) {
        struct tar_header header;
        uint64_t length;

        if (*offset > size || size - *offset < BLOCK)
            return EBADMSG; /* an archive ends with an empty header */
        memcpy(&header, data + *offset, sizeof(header));
        if (header_is_end(&header))
            return ENOENT;
        if (memcmp(header.magic, "ustar", 5) != 0 || !header_sum_matches(&header) ||
            !octal_parse(header.size, sizeof(header.size), &length) || header.prefix[0] != '\0')
            return EBADMSG;

        size_t start = *offset + BLOCK;
        if (length > size - start)
            return EBADMSG;
        size_t padded = (size_t)((length + BLOCK - 1) & ~(uint64_t)(BLOCK - 1));
        if (padded > size - start)
            return EBADMSG;
        *offset = start + padded;
        if (header.type != '0' && header.type != '\0')
            continue;

        memcpy(file->name, header.name, sizeof(header.name));
        file->name[sizeof(header.name)] = '\0';
        if (!name_is_plain(file->name))
            return EBADMSG;
        file->data = data + start;
        file->size = (size_t)length;
        return 0;
    }
}
