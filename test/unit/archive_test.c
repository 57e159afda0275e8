/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Tar files as `tar` and boot/make-archive make them, cut short and damaged in every place.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <host/mach/tar.h>
#include <test/unit/cmocka.h>

enum { BLOCK = 512 };

static void header_write(uint8_t *block, const char *name, unsigned size, char type)
{
    unsigned sum = 0;

    memset(block, 0, BLOCK);
    snprintf((char *)block, 100, "%s", name);
    snprintf((char *)block + 124, 12, "%011o", size);
    memset(block + 148, ' ', 8);
    block[156] = (uint8_t)type;
    memcpy(block + 257, "ustar\00000", 8);
    for (unsigned i = 0; i < BLOCK; i++)
        sum += block[i];
    snprintf((char *)block + 148, 8, "%06o", sum);
}

/* "one" of 600 bytes, a folder, "two" of none, the end: 5 blocks and 2. */
enum { SIZE = 7 * BLOCK };
static uint8_t archive[SIZE];

static int archive_make(void **state)
{
    (void)state;
    memset(archive, 0, sizeof(archive));
    header_write(archive, "one", 600, '0');
    memset(archive + BLOCK, 'x', 600);
    header_write(archive + 3 * BLOCK, "folder", 0, '5');
    header_write(archive + 4 * BLOCK, "two", 0, '0');
    return 0;
}

static int count_files(const uint8_t *data, size_t size, unsigned *count)
{
    struct tar_file file;
    size_t offset = 0;
    int error;

    *count = 0;
    while ((error = tar_next(data, size, &offset, &file)) == 0) {
        assert_true((const uint8_t *)file.data >= data);
        assert_true(file.size <= size - (size_t)((const uint8_t *)file.data - data));
        (*count)++;
    }
    return error;
}

static void files_are_found(void **state)
{
    struct tar_file file;
    size_t offset = 0;

    (void)state;
    assert_int_equal(tar_next(archive, SIZE, &offset, &file), 0);
    assert_string_equal(file.name, "one");
    assert_int_equal(file.size, 600);
    assert_ptr_equal(file.data, archive + BLOCK);
    assert_int_equal(tar_next(archive, SIZE, &offset, &file), 0);
    assert_string_equal(file.name, "two");
    assert_int_equal(file.size, 0);
    assert_int_equal(tar_next(archive, SIZE, &offset, &file), ENOENT);
}

static void cut_short(void **state)
{
    unsigned count;

    (void)state;
    for (size_t size = 0; size < SIZE; size++) {
        uint8_t *copy = malloc(size ? size : 1); /* exactly so long, for the sanitizer to see */
        memcpy(copy, archive, size);
        int error = count_files(copy, size, &count);
        assert_int_equal(error, size < 6 * BLOCK ? EBADMSG : ENOENT);
        free(copy);
    }
}

static void every_bit_of_a_header_counts(void **state)
{
    unsigned count;

    (void)state;
    for (size_t bit = 0; bit < 8 * BLOCK; bit++) {
        archive_make(NULL);
        archive[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int error = count_files(archive, SIZE, &count);
        /* The checksum itself can be written in more ways than one: blanks for zeroes, its ending.
         */
        bool checksum = bit / 8 >= 148 && bit / 8 < 156;
        assert_true(error == EBADMSG || (checksum && error == ENOENT));
    }
}

static void sizes_that_lie(void **state)
{
    static const unsigned sizes[] = {7 * BLOCK, 6 * BLOCK + 1, 0x7fffffff, 0777777777};
    unsigned count;

    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        archive_make(NULL);
        header_write(archive, "one", sizes[i], '0');
        assert_int_equal(count_files(archive, SIZE, &count), EBADMSG);
        assert_int_equal(count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(files_are_found, archive_make),
        cmocka_unit_test_setup(cut_short, archive_make),
        cmocka_unit_test_setup(every_bit_of_a_header_counts, archive_make),
        cmocka_unit_test_setup(sizes_that_lie, archive_make),
    };

    return cmocka_run_group_tests_name("archive", tests, NULL, NULL);
}
