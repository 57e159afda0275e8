/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "checksum.h"

#include <stdbool.h>

/* SSE4.2's CRC32 works on general registers, which is all that a task may use on GNU Mach here. It
 * takes three cycles and one can be begun in each: blocks do not depend on each other, so that
 * several are under way together, as many as there are registers for. */
#define INSTRUCTION __attribute__((target("crc32")))
#define INLINE      inline __attribute__((always_inline))

enum { LANES = 4, WORDS = 8 }; /* together; and of each block, of which that many are a part */

typedef uint64_t word __attribute__((aligned(4), may_alias));

/* How far it is from what is read to where it is put, so that a lane needs one register. */
struct distances {
    uintptr_t to, also;
};

static INLINE void word_put(uintptr_t address, uint64_t value)
{
    *(word *)address = value;
}

/* What is copied another may change at any moment. */
INSTRUCTION static INLINE uint64_t word_take(const unsigned char *from, struct distances distances,
                                             unsigned copies, uint64_t sum)
{
    if (copies == 0)
        return __builtin_ia32_crc32di(sum, *(const word *)from);
    uint64_t value = *(const volatile word *)from;
    word_put((uintptr_t)from + distances.to, value);
    if (copies > 1)
        word_put((uintptr_t)from + distances.also, value);
    return __builtin_ia32_crc32di(sum, value);
}

INSTRUCTION static INLINE void lanes_take(const unsigned char *from, struct distances distances,
                                          unsigned copies, unsigned lanes, size_t block_size,
                                          uint32_t *sums)
{
    const unsigned char *lane[LANES];
    uint64_t sum[LANES];

#pragma GCC unroll 4
    for (unsigned i = 0; i < lanes; i++) {
        lane[i] = from + i * block_size;
        sum[i] = UINT32_MAX;
    }
    for (size_t left = block_size / (WORDS * sizeof(word)); left > 0; left--) {
        /* One register for each lane, and not another for where it is put. */
#pragma GCC unroll 4
        for (unsigned i = 0; i < lanes; i++)
            __asm__("" : "+r"(lane[i]));
#pragma GCC unroll 32
        for (unsigned i = 0; i < WORDS * lanes; i++)
            sum[i % lanes] = word_take(lane[i % lanes] + i / lanes * sizeof(word), distances,
                                       copies, sum[i % lanes]);
#pragma GCC unroll 4
        for (unsigned i = 0; i < lanes; i++)
            lane[i] += WORDS * sizeof(word);
    }
#pragma GCC unroll 4
    for (unsigned i = 0; i < lanes; i++)
        sums[i] = ~(uint32_t)sum[i];
}

INSTRUCTION static INLINE void blocks_take(const unsigned char *from, struct distances distances,
                                           unsigned copies, size_t block_size, unsigned count,
                                           uint32_t *sums)
{
    for (; count >= LANES; count -= LANES, sums += LANES, from += LANES * block_size)
        lanes_take(from, distances, copies, LANES, block_size, sums);
    for (; count > 0; count--, sums++, from += block_size)
        lanes_take(from, distances, copies, 1, block_size, sums);
}

/* One loop each for no copy, one and two. */
INSTRUCTION void checksum_by_instruction(const void *from, void *to, void *also, size_t block_size,
                                         unsigned count, uint32_t *sums)
{
    struct distances distances = {(uintptr_t)to - (uintptr_t)from,
                                  (uintptr_t)also - (uintptr_t)from};

    if (!to)
        blocks_take(from, distances, 0, block_size, count, sums);
    else if (!also)
        blocks_take(from, distances, 1, block_size, count, sums);
    else
        blocks_take(from, distances, 2, block_size, count, sums);
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

void checksum_by_table(const void *from, void *to, void *also, size_t block_size, unsigned count,
                       uint32_t *sums)
{
    static uint32_t table[256];
    const volatile unsigned char *bytes = from;
    unsigned char *first = to, *second = also;

    if (table[1] == 0)
        table_fill(table);
    for (size_t at = 0; count > 0; count--, sums++) {
        uint32_t sum = UINT32_MAX;
        for (size_t end = at + block_size; at < end; at++) {
            unsigned char byte = bytes[at];
            if (first)
                first[at] = byte;
            if (second)
                second[at] = byte;
            sum = sum >> 8 ^ table[(sum ^ byte) & 0xff];
        }
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

void checksum_copy(const void *from, void *to, void *also, size_t block_size, unsigned count,
                   uint32_t *sums)
{
    static void (*way)(const void *, void *, void *, size_t, unsigned, uint32_t *);

    if (!way)
        way = processor_has_instruction() ? checksum_by_instruction : checksum_by_table;
    way(from, to, also, block_size, count, sums);
}

void checksum_blocks(const void *data, size_t block_size, unsigned count, uint32_t *sums)
{
    checksum_copy(data, NULL, NULL, block_size, count, sums);
}
