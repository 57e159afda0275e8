/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pattern.h"

#include <string.h>

/* SplitMix64 (Steele, Lea and Flood 2014) over a start that block and seed decide. */
static uint64_t word_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t state_start(uint64_t number, uint64_t seed)
{
    uint64_t state = seed;

    return word_next(&state) ^ number * UINT64_C(0xd6e8feb86659fd93);
}

void pattern_fill(void *block, size_t size, uint64_t number, uint64_t seed)
{
    uint64_t state = state_start(number, seed);

    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = word_next(&state);
        __builtin_memcpy((char *)block + i, &word, 8); /* not a call */
    }
}

size_t pattern_compare(const void *block, size_t size, uint64_t number, uint64_t seed)
{
    uint64_t state = state_start(number, seed);

    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = word_next(&state), found;
        __builtin_memcpy(&found, (const char *)block + i, 8);
        if (found == word)
            continue;
        for (size_t j = 0; j < 8; j++) {
            if (((const char *)block)[i + j] != ((const char *)&word)[j])
                return i + j;
        }
    }
    return size;
}
