/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "checksum.h"

#include <stdbool.h>

enum { LANES = 4 };

static uint64_t word_at(const unsigned char *data)
{
    uint64_t word;

    __builtin_memcpy(&word, data, sizeof(word)); /* freestanding, memcpy would be a call */
    return word;
}

/* SSE4.2's CRC32 works on general registers, which is all that a task may use on GNU Mach here. It
 * takes three cycles and one can be begun in each: blocks do not depend on each other, so that
 * several are under way together. */
__attribute__((target("crc32"))) static void
lanes_by_instruction(const unsigned char *data, size_t block_size, uint32_t sums[LANES])
{
    uint64_t a = UINT32_MAX, b = a, c = a, d = a;

#pragma GCC unroll 4
    for (size_t at = 0; at < block_size; at += sizeof(uint64_t)) {
        a = __builtin_ia32_crc32di(a, word_at(data + at));
        b = __builtin_ia32_crc32di(b, word_at(data + block_size + at));
        c = __builtin_ia32_crc32di(c, word_at(data + 2 * block_size + at));
        d = __builtin_ia32_crc32di(d, word_at(data + 3 * block_size + at));
    }
    sums[0] = ~(uint32_t)a;
    sums[1] = ~(uint32_t)b;
    sums[2] = ~(uint32_t)c;
    sums[3] = ~(uint32_t)d;
}

__attribute__((target("crc32"))) static uint32_t one_by_instruction(const unsigned char *data,
                                                                    size_t block_size)
{
    uint64_t sum = UINT32_MAX;

#pragma GCC unroll 8
    for (size_t at = 0; at < block_size; at += sizeof(uint64_t))
        sum = __builtin_ia32_crc32di(sum, word_at(data + at));
    return ~(uint32_t)sum;
}

void checksum_blocks_by_instruction(const void *data, size_t block_size, unsigned count,
                                    uint32_t *sums)
{
    const unsigned char *at = data;

    for (; count >= LANES; count -= LANES, sums += LANES, at += LANES * block_size)
        lanes_by_instruction(at, block_size, sums);
    for (; count > 0; count--, sums++, at += block_size)
        *sums = one_by_instruction(at, block_size);
}

static void table_fill(uint32_t table[256])
{
    enum { POLYNOMIAL = 0x82f63b78 }; /* reflected */

    for (unsigned byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;
        for (unsigned bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? (uint32_t)POLYNOMIAL : 0);
        table[byte] = sum;
    }
}

void checksum_blocks_by_table(const void *data, size_t block_size, unsigned count, uint32_t *sums)
{
    static uint32_t table[256];
    const unsigned char *at = data;

    if (table[1] == 0)
        table_fill(table);
    for (; count > 0; count--, sums++) {
        uint32_t sum = UINT32_MAX;
        for (size_t i = 0; i < block_size; i++)
            sum = sum >> 8 ^ table[(sum ^ *at++) & 0xff];
        *sums = ~sum;
    }
}

/* CPUID, leaf 1, ECX (Intel SDM, volume 2). */
static bool processor_has_instruction(void)
{
    enum { FEATURES = 1, SSE4_2 = 1 << 20 };
    unsigned a = FEATURES, b, c = 0, d;

    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return c & SSE4_2;
}

void checksum_blocks(const void *data, size_t block_size, unsigned count, uint32_t *sums)
{
    static void (*way)(const void *, size_t, unsigned, uint32_t *);

    if (!way)
        way =
            processor_has_instruction() ? checksum_blocks_by_instruction : checksum_blocks_by_table;
    way(data, block_size, count, sums);
}
