/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What fuzz targets share: input taken apart piece by piece, and checks that end the run.
 */
#ifndef TEST_FUZZ_FUZZ_H
#define TEST_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Always checked, whatever NDEBUG says: libFuzzer keeps the input that got here. */
#define fuzz_require(condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct fuzz_input {
    const uint8_t *data;
    size_t size;
};

/* As many bytes as there are; the rest are zero. */
static inline void fuzz_take(struct fuzz_input *input, void *to, size_t size)
{
    size_t have = size < input->size ? size : input->size;

    memset(to, 0, size);
    if (have == 0)
        return;
    memcpy(to, input->data, have);
    input->data += have;
    input->size -= have;
}

static inline uint8_t fuzz_take8(struct fuzz_input *input)
{
    uint8_t value;

    fuzz_take(input, &value, sizeof(value));
    return value;
}

static inline uint16_t fuzz_take16(struct fuzz_input *input)
{
    uint16_t value;

    fuzz_take(input, &value, sizeof(value));
    return value;
}

static inline uint32_t fuzz_take32(struct fuzz_input *input)
{
    uint32_t value;

    fuzz_take(input, &value, sizeof(value));
    return value;
}

static inline uint64_t fuzz_take64(struct fuzz_input *input)
{
    uint64_t value;

    fuzz_take(input, &value, sizeof(value));
    return value;
}

#endif
