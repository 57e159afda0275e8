/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The file system's disk, with all that it caches and reads ahead, against plain memory: reads and
 * writes of any kind while the device is slow, answers in any order, and fails here and there.
 * Checked: what is read is what was written last, errors are of what was asked for, and what was
 * flushed is on the device. service/fs is unchanged.
 */
#include <errno.h>

#include <service/fs/disk.h>
#include <test/fuzz/fuzz.h>
#include <test/unit/slow_client.h>

enum { READ_MOST = 200 << 10 };

static struct slow_client_device *const device = &slow_client_device;

static struct fuzz_input *input;
static unsigned char wanted[SLOW_CLIENT_SIZE];
static bool
    unknown[SLOW_CLIENT_SIZE]; /* a write of it has failed: old, new, or something of both */
static bool any_unknown, reads_fail, writes_fail;
static uint32_t size, block_size;
static uint64_t reader[4]; /* where sequential readers are */
static uint32_t seed;

/* What the input does not say is random, or little would be in flight. */
static unsigned choose(void *context, unsigned limit)
{
    (void)context;
    seed = seed * 1664525 + 1013904223;
    return (unsigned)((uint64_t)seed * limit >> 32);
}

static void bytes_make(unsigned char *data, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++) {
        seed = seed * 1664525 + 1013904223;
        data[i] = (unsigned char)(seed >> 24);
    }
}

static bool is_wanted(const unsigned char *data, uint64_t offset, uint64_t length)
{
    if (!any_unknown)
        return memcmp(data, wanted + offset, length) == 0;
    for (uint64_t i = 0; i < length; i++) {
        if (data[i] != wanted[offset + i] && !unknown[offset + i])
            return false;
    }
    return true;
}

/* Reading may fail if a block that it has to touch does, or if what is dirty has to go first. */
static bool read_may_fail(uint64_t offset, uint64_t length)
{
    uint64_t first = offset / device->unit, last = (offset + length - 1) / device->unit;

    if (writes_fail || device->gone || (reads_fail && block_size < device->unit))
        return true;
    for (uint64_t block = first; reads_fail && block <= last; block++) {
        if (device->read_fails[block])
            return true;
    }
    return false;
}

static void read_check(struct disk *disk, uint64_t offset, uint64_t length, bool by_block)
{
    static unsigned char data[READ_MOST];
    uint64_t units = by_block ? block_size : 1;
    int error = by_block ? disk_block_read(disk, offset / units, (unsigned)(length / units), data)
                         : disk_read(disk, offset, length, data);

    if (error != 0)
        fuzz_require(read_may_fail(offset, length));
    else
        fuzz_require(is_wanted(data, offset, length));
}

/* Anywhere, or near to where a reader is. */
static uint64_t place_take(void)
{
    uint8_t what = fuzz_take8(input);
    uint64_t at = fuzz_take16(input) * UINT64_C(2);

    return (what & 8 ? at << 5 : reader[what % 4] + at - (1 << 14)) % size;
}

static void read_any(struct disk *disk)
{
    bool by_block = fuzz_take8(input) & 1;
    uint64_t offset = place_take(), length = fuzz_take16(input) * 2 + 1;

    if (by_block) {
        offset -= offset % block_size;
        length = (length % (8 * block_size) / block_size + 1) * block_size;
    }
    if (length > size - offset)
        length = size - offset;
    read_check(disk, offset, length, by_block);
}

static void read_on(struct disk *disk)
{
    uint64_t *at = &reader[fuzz_take8(input) % 4];
    uint64_t pieces = fuzz_take8(input) % 40 + 1, length = fuzz_take16(input) % READ_MOST + 1;

    for (; pieces > 0 && *at < size; pieces--) {
        uint64_t part = length < size - *at ? length : size - *at;
        read_check(disk, *at, part, false);
        *at += part;
    }
    if (*at == size)
        *at = place_take();
}

/* A write past the cache that fails may have been done in part. */
static void write_any(struct disk *disk)
{
    static unsigned char data[1 << 17];
    uint8_t how = fuzz_take8(input) % 3;
    uint64_t offset = place_take(), length = fuzz_take16(input) + 1u;
    int error;

    if (how == 0) {
        offset -= offset % block_size;
        length = (length % (8 * block_size) / block_size + 1) * block_size;
    }
    if (length > size - offset)
        length = size - offset;
    bytes_make(data, length);
    if (how == 0)
        error = disk_block_write(disk, offset / block_size, (unsigned)(length / block_size), data);
    else if (how == 1)
        error = disk_patch(disk, offset, length %= 200, data);
    else
        error = disk_write(disk, offset, length, data);
    fuzz_require(error == 0 || writes_fail || reads_fail || device->gone);
    if (error != 0) {
        memset(unknown + offset, true, length);
        any_unknown = true;
    }
    memcpy(wanted + offset, data, length);
}

static void flush(struct disk *disk)
{
    int error = disk_flush(disk, true);

    fuzz_require(error == 0 || writes_fail || reads_fail || device->gone);
    if (error == 0)
        fuzz_require(is_wanted(device->data, 0, size));
}

static void faults_clear(void)
{
    memset(device->read_fails, 0, sizeof(device->read_fails));
    memset(device->write_fails, 0, sizeof(device->write_fails));
    reads_fail = writes_fail = false;
}

static void faults_set(void)
{
    uint8_t what = fuzz_take8(input);
    uint64_t first = fuzz_take16(input) % (size / device->unit);
    uint64_t most = size / device->unit - first, count = what >> 2;

    if (what & 1) {
        faults_clear();
        return;
    }
    memset((what & 2 ? device->read_fails : device->write_fails) + first, true,
           count < most ? count : most);
    if (what & 2)
        reads_fail = true;
    else
        writes_fail = true;
}

static void step(struct disk *disk)
{
    uint8_t what = fuzz_take8(input) % 16;

    if (what < 4)
        read_any(disk);
    else if (what < 8)
        read_on(disk);
    else if (what < 13)
        write_any(disk);
    else if (what == 13)
        faults_set();
    else if (what == 14)
        flush(disk);
    else if (fuzz_take8(input) == 0xff)
        device->gone = true;
}

static void device_make(void)
{
    uint8_t kind = fuzz_take8(input), large = fuzz_take8(input);

    memset(device, 0, offsetof(struct slow_client_device, data));
    device->gone = false;
    device->unit = kind & 1 ? 4096 : 512;
    device->max_transfer = device->unit << (kind >> 1 & 7);
    device->size = large < 16 ? SLOW_CLIENT_SIZE : 1 << 19;
    device->choose = choose;
    block_size = 1024u << (kind >> 4 & 3);
    size = device->size;
    seed = fuzz_take32(input);
    bytes_make(device->data, size / 16);
    for (unsigned i = 1; i < 16; i++) /* alike, but none the same: for speed */
        memcpy(device->data + i * (size / 16), device->data + i, size / 16 - i);
    memcpy(wanted, device->data, size);
    memset(unknown, 0, size);
    memset(reader, 0, sizeof(reader));
    faults_clear();
    any_unknown = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct fuzz_input all = {data, length};
    struct block_client *client;
    struct disk *disk;

    input = &all;
    device_make();
    fuzz_require(block_client_open("disk", true, &client) == 0);
    fuzz_require(disk_create(client, &disk) == 0);
    fuzz_require(disk_block_size_set(disk, block_size) == 0);
    while (input->size > 0)
        step(disk);
    if (!device->gone) {
        faults_clear();
        flush(disk);
    }
    disk_destroy(disk);
    block_client_close(client);
    return 0;
}
