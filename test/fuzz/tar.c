/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any bytes as the boot archive, unpacked.
 */
#include <host/mach/tar.h>
#include <test/fuzz/fuzz.h>

enum { BLOCK = 512, SUM_AT = 148, SUM_SIZE = 8 };

/* Give every block the checksum of a header: no fuzzer guesses sums. */
static void sums_make(uint8_t *data, size_t size)
{
    for (size_t at = 0; BLOCK <= size - at; at += BLOCK) {
        uint8_t *block = data + at;
        unsigned sum = 0;

        if (memcmp(block + 257, "ustar", 5) != 0)
            continue;
        memset(block + SUM_AT, ' ', SUM_SIZE);
        for (unsigned i = 0; i < BLOCK; i++)
            sum += block[i];
        snprintf((char *)block + SUM_AT, SUM_SIZE, "%06o", sum);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    bool make = fuzz_take8(&input) & 1;
    size_t length = input.size, offset = 0;
    uint8_t *copy = malloc(length ? length : 1);
    struct tar_file file;

    fuzz_take(&input, copy, length);
    if (make)
        sums_make(copy, length);
    for (size_t before = 0; tar_next(copy, length, &offset, &file) == 0; before = offset) {
        fuzz_require(offset > before && offset <= length);
        fuzz_require(file.name[0] != '\0' && strnlen(file.name, sizeof(file.name)) <= 100);
        fuzz_require(!strchr(file.name, '/'));
        const uint8_t *begin = file.data;
        fuzz_require(begin >= copy && begin <= copy + length);
        fuzz_require(file.size <= (size_t)(copy + length - begin));
    }
    free(copy);
    return 0;
}
