/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any bytes as a disk with partitions. The first byte chooses the disk; then come pieces of it,
 * each with its place: an MBR's records or 128 bytes. Checksums of a GPT are made right on the way
 * (the first byte says which), as nobody guesses them.
 */
#include <errno.h>

#include <zlib.h>

#include <service/partition/table.h>
#include <test/fuzz/fuzz.h>

enum { BLOCKS = 300, BLOCK_MAX = 4096 };

static uint8_t bytes[BLOCKS * BLOCK_MAX];

static int bytes_read(void *context, uint64_t block, uint32_t count, void *data)
{
    const struct partition_disk *disk = context;

    fuzz_require(count > 0 && (uint64_t)count * disk->block_size <= 65536);
    fuzz_require(block <= disk->blocks && count <= disk->blocks - block);
    memcpy(data, bytes + block * disk->block_size, (size_t)count * disk->block_size);
    return 0;
}

static uint32_t get32(const uint8_t *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static void seal(const struct partition_disk *disk, uint64_t block)
{
    uint8_t *header = bytes + block * disk->block_size;
    uint64_t first, size = (uint64_t)get32(header + 80) * get32(header + 84);
    uint32_t length = get32(header + 12);

    memcpy(header, "EFI PART", 8);
    memcpy(&first, header + 72, sizeof(first));
    if (first < disk->blocks && size <= (disk->blocks - first) * disk->block_size) {
        uint32_t crc = (uint32_t)crc32(0, bytes + first * disk->block_size, (uInt)size);
        memcpy(header + 88, &crc, sizeof(crc));
    }
    if (length > disk->block_size)
        return;
    memset(header + 16, 0, 4);
    uint32_t crc = (uint32_t)crc32(0, header, length);
    memcpy(header + 16, &crc, sizeof(crc));
}

static void piece_put(const struct partition_disk *disk, struct fuzz_input *input)
{
    uint8_t *block = bytes + fuzz_take8(input) % disk->blocks * disk->block_size;
    uint8_t what = fuzz_take8(input);

    if (what & 1) {
        fuzz_take(input, block + 446, 64);
        block[510] = 0x55, block[511] = 0xaa;
    } else {
        fuzz_take(input, block + (what >> 1) % 4 * 128u, 128);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct partition_table table;
    struct fuzz_input input = {data, size};
    uint8_t choice = fuzz_take8(&input);
    struct partition_disk disk = {.name = "d", .at_once = 16, .read = bytes_read, .context = &disk};

    disk.block_size = choice & 1 ? 4096 : 512;
    disk.blocks = choice & 2 ? BLOCKS : choice & 4 ? 3 : 60;
    memset(bytes, 0, sizeof(bytes));
    bytes[510] = 0x55, bytes[511] = 0xaa;
    while (input.size > 0)
        piece_put(&disk, &input);
    if (choice & 16)
        seal(&disk, 1);
    if (choice & 32)
        seal(&disk, disk.blocks - 1);

    int error = partition_table_read(&disk, &table);
    fuzz_require(error == 0 || error == EBADMSG);
    fuzz_require(error == 0 || table.count == 0);
    fuzz_require(table.count <= PARTITIONS_MAX);
    for (unsigned i = 0; i < table.count; i++) {
        const struct partition *one = &table.partition[i];

        fuzz_require(one->number > 0 && one->first > 0 && one->count > 0);
        fuzz_require(one->first <= disk.blocks && one->count <= disk.blocks - one->first);
        fuzz_require(memchr(one->name, '\0', sizeof(one->name)));
        for (unsigned j = 0; j < i; j++) {
            const struct partition *other = &table.partition[j];
            fuzz_require(one->number != other->number);
            fuzz_require(one->first >= other->first + other->count ||
                         other->first >= one->first + one->count);
        }
    }
    return 0;
}
