/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Partition tables as tools write them, and as nobody should.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include <kit/log.h>
#include <service/partition/table.h>
#include <test/unit/cmocka.h>

enum { BLOCKS = 4096, BLOCK_MAX = 4096, ENTRIES = 128 };

static struct {
    uint8_t bytes[BLOCKS * BLOCK_MAX];
    uint32_t block_size;
    uint64_t bad_block; /* which cannot be read; 0: none */
    unsigned reads;
    uint32_t at_once; /* blocks */
} image;

static char said[16384];
static struct partition_table table;

void log_write(enum log_level level, const char *format, ...)
{
    size_t length = strlen(said);
    va_list arguments;

    (void)level;
    va_start(arguments, format);
    vsnprintf(said + length, sizeof(said) - length, format, arguments);
    va_end(arguments);
    strncat(said, "\n", sizeof(said) - strlen(said) - 1);
}

static int image_read(void *context, uint64_t block, uint32_t count, void *data)
{
    (void)context;
    assert_true(count > 0 && count * image.block_size <= 65536);
    assert_true(block < BLOCKS && count <= BLOCKS - block);
    image.reads++;
    if (image.bad_block >= block && image.bad_block - block < count && image.bad_block != 0)
        return EIO;
    memcpy(data, image.bytes + block * image.block_size, (size_t)count * image.block_size);
    return 0;
}

static int read_table(void)
{
    struct partition_disk disk = {.name = "d",
                                  .blocks = BLOCKS,
                                  .block_size = image.block_size,
                                  .at_once = image.at_once,
                                  .read = image_read};

    said[0] = '\0';
    return partition_table_read(&disk, &table);
}

static uint8_t *at(uint64_t block)
{
    return image.bytes + block * image.block_size;
}

static void put32(uint8_t *to, uint32_t value)
{
    memcpy(to, &value, sizeof(value));
}

static void put64(uint8_t *to, uint64_t value)
{
    memcpy(to, &value, sizeof(value));
}

static void image_clear(uint32_t block_size)
{
    memset(&image, 0, sizeof(image));
    image.block_size = block_size;
    image.at_once = 128;
}

static void record_put(uint64_t block, unsigned index, uint8_t type, uint32_t first, uint32_t count)
{
    uint8_t *record = at(block) + 446 + 16 * index;

    at(block)[510] = 0x55, at(block)[511] = 0xaa;
    record[4] = type;
    put32(record + 8, first);
    put32(record + 12, count);
}

/* The table can be read, and has so many. */
static void assert_partitions(unsigned count)
{
    assert_int_equal(read_table(), 0);
    assert_int_equal(table.count, count);
}

static void assert_partition(unsigned index, unsigned number, uint64_t first, uint64_t count)
{
    assert_true(index < table.count);
    assert_int_equal(table.partition[index].number, number);
    assert_int_equal(table.partition[index].first, first);
    assert_int_equal(table.partition[index].count, count);
}

static void assert_said(const char *line)
{
    if (!strstr(said, line))
        fail_msg("no \"%s\" in:\n%s", line, said);
}

/* GPT */

static uint64_t array_blocks(void)
{
    return ENTRIES * 128 / image.block_size;
}

static uint64_t entries_block(bool backup)
{
    return backup ? BLOCKS - 1 - array_blocks() : 2;
}

static void header_seal(bool backup)
{
    uint8_t *header = at(backup ? BLOCKS - 1 : 1);

    put32(header + 16, 0);
    put32(header + 16, (uint32_t)crc32(0, header, 92));
}

static void entries_seal(bool backup)
{
    put32(at(backup ? BLOCKS - 1 : 1) + 88,
          (uint32_t)crc32(0, at(entries_block(backup)), ENTRIES * 128));
    header_seal(backup);
}

static void gpt_make(uint32_t block_size)
{
    image_clear(block_size);
    record_put(0, 0, 0xee, 1, BLOCKS - 1);
    for (int backup = 0; backup < 2; backup++) {
        uint8_t *header = at(backup ? BLOCKS - 1 : 1);

        memcpy(header, "EFI PART", 8);
        put32(header + 8, 0x10000);
        put32(header + 12, 92);
        put64(header + 24, backup ? BLOCKS - 1 : 1);
        put64(header + 32, backup ? 1 : BLOCKS - 1);
        put64(header + 40, 2 + array_blocks());
        put64(header + 48, BLOCKS - 2 - array_blocks());
        put64(header + 72, entries_block(backup));
        put32(header + 80, ENTRIES);
        put32(header + 84, 128);
        entries_seal(backup);
    }
}

static void entry_put(unsigned index, uint64_t first, uint64_t last, const char *name)
{
    for (int backup = 0; backup < 2; backup++) {
        uint8_t *entry = at(entries_block(backup)) + 128 * (size_t)index;

        memset(entry, 7, 32);
        put64(entry + 32, first);
        put64(entry + 40, last);
        for (unsigned i = 0; name[i] != '\0'; i++)
            entry[56 + 2 * i] = (uint8_t)name[i];
        entries_seal(backup);
    }
}

static void gpt_is_read(void **state)
{
    (void)state;
    for (uint32_t size = 512; size <= 4096; size *= 8) {
        gpt_make(size);
        entry_put(0, 100, 199, "root");
        entry_put(5, 200, 200, "caf\xe9\n");
        assert_partitions(2);
        assert_string_equal(table.kind, "GPT");
        assert_partition(0, 1, 100, 100);
        assert_partition(1, 6, 200, 1);
        assert_string_equal(table.partition[0].name, "root");
        assert_string_equal(table.partition[1].name, "caf??");
        assert_string_equal(said, "");
    }
}

/* All of it is at the disk's beginning; what is not needed there may be unreadable. */
static void gpt_is_one_read(void **state)
{
    (void)state;
    for (uint32_t size = 512; size <= 4096; size *= 8) {
        gpt_make(size);
        entry_put(0, 100, 199, "root");
        image.reads = 0;
        assert_partitions(1);
        assert_int_equal(image.reads, 1);
        image.bad_block = size == 512 ? 40 : 7;
        assert_partitions(1);
        assert_string_equal(said, "");
        image.at_once = 1; /* a disk that is given one block with a request */
        image.bad_block = image.reads = 0;
        assert_partitions(1);
        assert_true(image.reads > 1);
    }
}

static void gpt_entries_that_are_wrong(void **state)
{
    (void)state;
    gpt_make(512);
    entry_put(0, 1000, 1099, "a");
    entry_put(1, 1099, 1200, "overlaps");
    entry_put(2, 900, 1000, "overlaps");
    entry_put(3, 1010, 1020, "inside");
    entry_put(4, 1100, 1099, "empty");
    entry_put(5, 4000, 4080, "past the usable");
    entry_put(6, 33, 40, "on the entries");
    entry_put(7, UINT64_MAX, UINT64_MAX, "far");
    entry_put(8, 1100, UINT64_MAX, "long");
    entry_put(9, 1100, 1109, "good");
    assert_partitions(2);
    assert_partition(1, 10, 1100, 10);
    assert_int_equal(table.refused, 8);
    assert_said("d: GPT entry 2 overlaps entry 1: not offered");
    assert_said("d: GPT entry 3 overlaps entry 1: not offered");
    assert_said("d: GPT entry 4 overlaps entry 1: not offered");
    assert_said("d: GPT entry 5 is not within the usable blocks 34 to 4062 (it is 1100 to 1099)");
    assert_said("d: GPT entry 9 is not within");
}

static void gpt_backup_is_used(void **state)
{
    static const struct {
        unsigned block, offset;
        const char *reason;
    } damage[] = {
        {1, 0, "it has no signature"},
        {1, 50, "its header's checksum is wrong"},
        {1, 13, "its header's size is impossible"},
        {2, 32, "its entries' checksum is wrong"},
        {33, 511, "its entries' checksum is wrong"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        gpt_make(512);
        entry_put(0, 100, 199, "a");
        at(damage[i].block)[damage[i].offset] ^= 0xff;
        assert_int_equal(read_table(), 0);
        assert_partition(0, 1, 100, 100);
        assert_said("d: the first copy of its GPT is bad");
        assert_said("the backup at block 4095 is used");
        assert_said(damage[i].reason);

        at(BLOCKS - 1)[20] = 1; /* reserved, but covered by the checksum */
        assert_int_equal(read_table(), EBADMSG);
        assert_int_equal(table.count, 0);
        assert_said("both copies of its GPT are bad");
    }
}

static void gpt_blocks_that_cannot_be_read(void **state)
{
    (void)state;
    for (unsigned block = 1; block <= 2; block++) {
        gpt_make(512);
        entry_put(0, 100, 199, "a");
        image.bad_block = block;
        assert_partitions(1);
        assert_said("the backup at block 4095 is used");
    }
    image.bad_block = BLOCKS - 1; /* nobody needs it */
    assert_int_equal(read_table(), 0);
    assert_string_equal(said, "");
}

/* Headers with right checksums that are lies all the same. */
static void gpt_headers_that_lie(void **state)
{
    static const struct {
        unsigned offset, size;
        uint64_t value;
        const char *reason;
    } lie[] = {
        {24, 8, 2, "not where it says"},        {12, 4, 91, "header's size"},
        {12, 4, 513, "header's size"},          {12, 4, UINT32_MAX, "header's size"},
        {40, 8, 5000, "past the end"},          {48, 8, BLOCKS, "past the end"},
        {48, 8, UINT64_MAX, "past the end"},    {40, 8, 0, "a header is among"},
        {40, 8, 1, "a header is among"},        {48, 8, BLOCKS - 1, "a header is among"},
        {40, 8, 33, "entries are among"},       {72, 8, 0, "not on the disk"},
        {72, 8, UINT64_MAX, "not on the disk"}, {72, 8, BLOCKS - 31, "not on the disk"},
        {72, 8, 2000, "entries are among"},     {72, 8, BLOCKS - 40, "entries are among"},
        {80, 4, 0, "number or the size"},       {80, 4, UINT32_MAX, "number or the size"},
        {84, 4, 0, "number or the size"},       {84, 4, 64, "number or the size"},
        {84, 4, 192, "number or the size"},     {84, 4, UINT32_MAX, "number or the size"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(lie) / sizeof(lie[0]); i++) {
        gpt_make(512);
        entry_put(0, 100, 199, "a");
        memcpy(at(1) + lie[i].offset, &lie[i].value, lie[i].size);
        header_seal(false);
        assert_int_equal(read_table(), 0);
        assert_said(lie[i].reason);
        assert_said("the backup at block 4095 is used");
    }
}

static void gpt_full_of_nonsense_is_brief(void **state)
{
    unsigned lines = 0;

    (void)state;
    gpt_make(512);
    for (unsigned i = 0; i < ENTRIES; i++)
        entry_put(i, 5, 4, "");
    assert_int_equal(read_table(), 0);
    assert_int_equal(table.refused, ENTRIES);
    for (const char *c = said; *c; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 51);
    assert_said("d: more entries of its GPT are wrong");
}

/* MBR */

static void mbr_is_read(void **state)
{
    (void)state;
    for (uint32_t size = 512; size <= 4096; size *= 8) {
        image_clear(size);
        record_put(0, 0, 0x83, 1, 99);
        at(0)[446] = 0x80;
        record_put(0, 1, 0x0f, 200, 1000);
        record_put(0, 3, 0x07, 2000, BLOCKS - 2000);
        record_put(200, 0, 0x83, 10, 90);
        record_put(200, 1, 0x05, 100, 200);
        record_put(300, 1, 0x05, 300, 200); /* one that was deleted */
        record_put(500, 0, 0x82, 1, 699);
        assert_partitions(4);
        assert_string_equal(table.kind, "MBR");
        assert_partition(0, 1, 1, 99);
        assert_partition(1, 4, 2000, BLOCKS - 2000);
        assert_partition(2, 5, 210, 90);
        assert_partition(3, 6, 501, 699);
        assert_string_equal(said, "");
    }
}

static void no_table_is_none(void **state)
{
    (void)state;
    image_clear(512);
    assert_int_equal(read_table(), 0);
    assert_null(table.kind);
    record_put(0, 0, 0x83, 1, 99);
    at(0)[446 + 48] = 'x'; /* a boot program where records would be */
    assert_int_equal(read_table(), 0);
    assert_null(table.kind);
    assert_int_equal(table.count, 0);
}

static void mbr_records_that_are_wrong(void **state)
{
    (void)state;
    image_clear(512);
    record_put(0, 0, 0x83, 0, 50);
    record_put(0, 1, 0x83, 100, BLOCKS);
    record_put(0, 2, 0x83, UINT32_MAX, UINT32_MAX);
    record_put(0, 3, 0x83, 100, 50);
    assert_partitions(1);
    assert_partition(0, 4, 100, 50);
    assert_said("d: MBR entry 1 covers the table itself: not offered");
    assert_said("d: MBR entry 2 reaches past the end of the disk (4096 blocks from 100)");
    assert_said("d: MBR entry 3 reaches past the end");
}

static void mbr_primaries_stay_off_the_extended(void **state)
{
    (void)state;
    image_clear(512);
    record_put(0, 0, 0x05, 200, 1000);
    record_put(0, 1, 0x83, 1100, 500);
    record_put(0, 2, 0x0f, 2000, 100);
    record_put(200, 0, 0x83, 10, 20);
    assert_partitions(1);
    assert_partition(0, 5, 210, 20);
    assert_said("d: MBR entry 2 overlaps entry 1: not offered");
    assert_said("d: MBR entry 3 is a second extended partition: not offered");
}

static void mbr_logical_ones_that_are_wrong(void **state)
{
    (void)state;
    image_clear(512);
    record_put(0, 0, 0x05, 200, 1000);
    record_put(200, 0, 0x83, 10, 991); /* one block too long, over the next links */
    record_put(200, 1, 0x05, 100, 200);
    record_put(300, 0, 0x83, 10, 190); /* over the next link */
    record_put(300, 1, 0x05, 199, 200);
    record_put(399, 0, 0x83, UINT32_MAX, 2);
    record_put(399, 1, 0x05, 300, 200);
    record_put(500, 0, 0x83, 0, 10); /* over its own link */
    record_put(500, 1, 0x05, 400, 200);
    record_put(600, 0, 0x83, 1, 10);
    assert_partitions(1);
    assert_partition(0, 9, 601, 10);
    assert_said("d: MBR entry 5 reaches out of the extended partition: not offered");
    assert_said("d: MBR entry 6 covers a part of the table: not offered");
    assert_said("d: MBR entry 7 reaches out of");
    assert_said("d: MBR entry 8 covers a part of the table");
}

static void mbr_chains_that_never_end(void **state)
{
    (void)state;
    image_clear(512);
    record_put(0, 0, 0x05, 200, 1000);
    record_put(200, 0, 0x83, 10, 20);
    record_put(200, 1, 0x05, 100, 100);
    record_put(300, 0, 0x83, 10, 20);
    record_put(300, 1, 0x05, 0, 100);
    assert_partitions(2);
    assert_said("goes round in a circle at block 200");

    record_put(300, 1, 0x05, 1000, 100);
    assert_partitions(2);
    assert_said("leaves the extended partition at block 1200");
    record_put(300, 1, 0x05, UINT32_MAX, 100);
    assert_int_equal(read_table(), 0);
    assert_said("leaves the extended partition at block 4294967495");
    record_put(300, 1, 0x05, 500, 100);
    assert_int_equal(read_table(), 0);
    assert_said("has a block that is no table at block 700");

    for (unsigned link = 0; link < 400; link++) {
        record_put(200 + 2 * link, 0, 0x83, 1, 1);
        record_put(200 + 2 * link, 1, 0x05, 2 * (link + 1), 2);
    }
    assert_partitions(124);
    assert_said("is too long");
}

static void a_disk_that_cannot_be_read(void **state)
{
    (void)state;
    image_clear(512);
    record_put(0, 0, 0x05, 200, 1000);
    image.bad_block = 200;
    assert_int_equal(read_table(), EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt_is_read),
        cmocka_unit_test(gpt_is_one_read),
        cmocka_unit_test(gpt_entries_that_are_wrong),
        cmocka_unit_test(gpt_backup_is_used),
        cmocka_unit_test(gpt_blocks_that_cannot_be_read),
        cmocka_unit_test(gpt_headers_that_lie),
        cmocka_unit_test(gpt_full_of_nonsense_is_brief),
        cmocka_unit_test(mbr_is_read),
        cmocka_unit_test(no_table_is_none),
        cmocka_unit_test(mbr_records_that_are_wrong),
        cmocka_unit_test(mbr_primaries_stay_off_the_extended),
        cmocka_unit_test(mbr_logical_ones_that_are_wrong),
        cmocka_unit_test(mbr_chains_that_never_end),
        cmocka_unit_test(a_disk_that_cannot_be_read),
    };

    return cmocka_run_group_tests_name("partition tables", tests, NULL, NULL);
}
