/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Block devices, raw.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/client/block.h>

#include "console.h"
#include "mounts.h"
#include "pattern.h"
#include "shell.h"

enum { TRANSFER_SIZE = 1 << 20 };

struct device {
    struct block_client *client;
    const struct block_info *info;
    unsigned char *memory;
    uint32_t buffer;
};

/* Whether a file system is mounted from it, or from a partition of it. */
static bool is_mounted(const char *name)
{
    size_t length = strlen(name);

    for (struct mount *mount = mounts_first(); mount; mount = mounts_next(mount)) {
        const char *rest = mount->device + length;
        if (strncmp(mount->device, name, length) == 0 &&
            (rest[0] == '\0' || (rest[0] == 'p' && rest[1] >= '0' && rest[1] <= '9')))
            return true;
    }
    return false;
}

static int device_open(const char *command, const char *name, bool write, struct device *device)
{
    void *memory;
    int error =
        write && is_mounted(name) ? ETXTBSY : block_client_open(name, write, &device->client);

    if (error != 0)
        return shell_complain(command, name, error);
    device->info = block_client_info(device->client);
    error = block_client_buffer(device->client, TRANSFER_SIZE, &memory, &device->buffer);
    if (error != 0) {
        block_client_close(device->client);
        return shell_complain(command, name, error);
    }
    device->memory = memory;
    return 0;
}

static int move(struct device *device, enum block_operation operation, uint64_t block,
                uint64_t count)
{
    return block_client_transfer(device->client, operation, block, count, device->buffer, 0);
}

/* One line of 16 bytes at most, as hexdump -C has them. */
static void line_dump(uint64_t offset, const unsigned char *bytes, size_t count)
{
    char text[17];

    console_print("%08llx ", (unsigned long long)offset);
    for (size_t i = 0; i < 16; i++) {
        if (i % 8 == 0)
            console_print(" ");
        if (i < count)
            console_print("%02x ", bytes[i]);
        else
            console_print("   ");
        text[i] = i < count && bytes[i] >= ' ' && bytes[i] <= '~' ? (char)bytes[i] : '.';
    }
    text[count] = '\0';
    console_print(" |%s|\n", text);
}

static int dump(struct device *device, uint64_t offset, uint64_t length)
{
    uint32_t unit = device->info->block_size;

    while (length > 0) {
        uint64_t skip = offset % unit;
        uint64_t part = length < TRANSFER_SIZE - unit ? length : TRANSFER_SIZE - unit;
        uint64_t blocks = (skip + part + unit - 1) / unit;
        int error = move(device, BLOCK_READ, offset / unit, blocks);
        if (error != 0)
            return error;
        for (uint64_t done = 0; done < part; done += 16)
            line_dump(offset + done, device->memory + skip + done,
                      part - done < 16 ? (size_t)(part - done) : 16);
        offset += part;
        length -= part;
    }
    return 0;
}

static int hexdump_run(unsigned count, char **words)
{
    struct device device;
    uint64_t offset, length;

    if (count != 4 || !shell_number(words[2], &offset) || !shell_number(words[3], &length))
        return SHELL_USAGE;
    if (device_open("hexdump", words[1], false, &device) != 0)
        return 1;
    uint64_t size = device.info->blocks * device.info->block_size;
    int error = offset > size || length > size - offset ? ERANGE : dump(&device, offset, length);
    block_client_close(device.client);
    return error ? shell_complain("hexdump", words[1], error) : 0;
}

struct range {
    uint64_t start, count, seed;
};

static bool range_parse(unsigned count, char **words, struct range *range)
{
    return count == 5 && shell_number(words[2], &range->start) &&
           shell_number(words[3], &range->count) && shell_number(words[4], &range->seed) &&
           range->count > 0;
}

static int pattern_write(struct device *device, const struct range *range)
{
    uint32_t unit = device->info->block_size;
    uint64_t most = TRANSFER_SIZE / unit;
    int error = 0;

    for (uint64_t done = 0; done < range->count && error == 0;) {
        uint64_t part = range->count - done < most ? range->count - done : most;
        for (uint64_t i = 0; i < part; i++)
            pattern_fill(device->memory + i * unit, unit, range->start + done + i, range->seed);
        error = move(device, BLOCK_WRITE, range->start + done, part);
        done += part;
    }
    return error ? error : move(device, BLOCK_FLUSH, 0, 0);
}

static int write_pattern_run(unsigned count, char **words)
{
    struct device device;
    struct range range;

    if (!range_parse(count, words, &range))
        return SHELL_USAGE;
    if (device_open("write-pattern", words[1], true, &device) != 0)
        return 1;
    int error = pattern_write(&device, &range);
    block_client_close(device.client);
    if (error != 0)
        return shell_complain("write-pattern", words[1], error);
    console_print("%s: wrote %llu blocks from %llu, seed %llu\n", words[1],
                  (unsigned long long)range.count, (unsigned long long)range.start,
                  (unsigned long long)range.seed);
    return 0;
}

/* How many blocks differ; the first is told. */
static int pattern_verify(struct device *device, const char *name, const struct range *range,
                          uint64_t *bad)
{
    uint32_t unit = device->info->block_size;
    uint64_t most = TRANSFER_SIZE / unit;

    *bad = 0;
    for (uint64_t done = 0; done < range->count;) {
        uint64_t part = range->count - done < most ? range->count - done : most;
        int error = move(device, BLOCK_READ, range->start + done, part);
        if (error != 0)
            return error;
        for (uint64_t i = 0; i < part; i++) {
            uint64_t number = range->start + done + i;
            size_t same = pattern_compare(device->memory + i * unit, unit, number, range->seed);
            if (same != unit && (*bad)++ == 0)
                console_print("%s: block %llu differs at byte %zu\n", name,
                              (unsigned long long)number, same);
        }
        done += part;
    }
    return 0;
}

static int verify_pattern_run(unsigned count, char **words)
{
    struct device device;
    struct range range;
    uint64_t bad;

    if (!range_parse(count, words, &range))
        return SHELL_USAGE;
    if (device_open("verify-pattern", words[1], false, &device) != 0)
        return 1;
    int error = pattern_verify(&device, words[1], &range, &bad);
    block_client_close(device.client);
    if (error != 0)
        return shell_complain("verify-pattern", words[1], error);
    console_print("%s: %llu of %llu blocks as written\n", words[1],
                  (unsigned long long)(range.count - bad), (unsigned long long)range.count);
    return bad ? 1 : 0;
}

static int zeroing_run(unsigned count, char **words)
{
    enum block_operation operation =
        strcmp(words[0], "discard") == 0 ? BLOCK_DISCARD : BLOCK_WRITE_ZEROES;
    struct block_client *client;
    uint64_t start, blocks;

    if (count != 4 || !shell_number(words[2], &start) || !shell_number(words[3], &blocks))
        return SHELL_USAGE;
    int error = block_client_open(words[1], true, &client);
    if (error != 0)
        return shell_complain(words[0], words[1], error);
    error = block_client_transfer(client, operation, start, blocks, 0, 0);
    if (error == 0)
        error = block_client_transfer(client, BLOCK_FLUSH, 0, 0, 0, 0);
    block_client_close(client);
    return error ? shell_complain(words[0], words[1], error) : 0;
}

const struct command commands_device[] = {
    {"hexdump", "DEVICE OFFSET LENGTH", "bytes of a block device", hexdump_run},
    {"write-pattern", "DEVICE START COUNT SEED", "fill blocks with a pattern and flush",
     write_pattern_run},
    {"verify-pattern", "DEVICE START COUNT SEED", "check blocks that write-pattern filled",
     verify_pattern_run},
    {"write-zeroes", "DEVICE START COUNT", "zero blocks without sending zeroes", zeroing_run},
    {"discard", "DEVICE START COUNT", "tell the device that blocks are not needed", zeroing_run},
    {0},
};
