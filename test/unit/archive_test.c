/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The boot archive's reader, from the module's task to a file's bytes. Every image is put in memory
 * of exactly its size, so that a read past its end is seen.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include <kernel/mach_user.h>

#include <host/mach/archive.h>
#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/tar.h>
#include <host/mach/trap.h>
#include <kit/log.h>
#include <test/unit/cmocka.h>

enum { BLOCK = 512, PAGE = 4096, SIZE_AT = 124, SUM_AT = 148, TYPE_AT = 156, PREFIX_AT = 345 };

/* A module's task: what lies at ARCHIVE_BASE. */
static const uint8_t *module;
static size_t module_size, largest_read;
static unsigned reads_alive;
static char logged[256];

kern_return_t vm_read(mach_port_t task, vm_address_t address, vm_size_t size, vm_offset_t *data,
                      mach_msg_type_number_t *count)
{
    (void)task;
    if (size > largest_read)
        largest_read = size;
    if (address < ARCHIVE_BASE || address - ARCHIVE_BASE > module_size ||
        size > module_size - (address - ARCHIVE_BASE))
        return KERN_INVALID_ADDRESS;
    uint8_t *copy = malloc(size);
    memcpy(copy, module + (address - ARCHIVE_BASE), size);
    *data = (vm_offset_t)copy;
    *count = (mach_msg_type_number_t)size;
    reads_alive++;
    return KERN_SUCCESS;
}

void memory_pages_free(void *address, size_t size)
{
    (void)size;
    free(address);
    reads_alive--;
}

int error_from_kernel(kern_return_t code)
{
    return code == KERN_SUCCESS ? 0 : EFAULT;
}

void log_write(enum log_level level, const char *format, ...)
{
    va_list arguments;

    (void)level;
    va_start(arguments, format);
    vsnprintf(logged, sizeof(logged), format, arguments);
    va_end(arguments);
}

/* An image that is built up, file by file. */
static uint8_t image[64 * BLOCK];
static size_t image_size;

static void seal(uint8_t *header)
{
    unsigned sum = 0;

    memset(header + SUM_AT, ' ', 8);
    for (unsigned i = 0; i < BLOCK; i++)
        sum += header[i];
    snprintf((char *)header + SUM_AT, 8, "%06o", sum);
}

static uint8_t *add(const char *name, char type, const void *data, size_t size)
{
    uint8_t *header = image + image_size;

    memset(header, 0, BLOCK);
    memcpy(header, name, strlen(name) < 100 ? strlen(name) : 100);
    snprintf((char *)header + SIZE_AT, 12, "%011zo", size);
    header[TYPE_AT] = (uint8_t)type;
    memcpy(header + 257, "ustar\00000", 8);
    seal(header);
    image_size += BLOCK;
    if (size > 0)
        memcpy(image + image_size, data, size);
    image_size += (size + BLOCK - 1) / BLOCK * BLOCK;
    return header;
}

static void finish(void)
{
    image_size += (size_t)2 * BLOCK;
}

static int setup(void **state)
{
    (void)state;
    memset(image, 0, sizeof(image));
    image_size = 0;
    module = NULL;
    module_size = largest_read = 0;
    reads_alive = 0;
    logged[0] = '\0';
    return 0;
}

static void three_files(void)
{
    char large[1300];

    memset(large, 'x', sizeof(large));
    add("nvme", '0', large, sizeof(large));
    add("empty", '0', NULL, 0);
    add("nvme.manifest", '0', "[driver]\n", 9);
    finish();
}

/* Read all that a file is said to have: what is not there, the sanitizer sees. */
static int touch(void *context, const char *name, const void *data, size_t size)
{
    unsigned *sum = context;

    (void)name;
    for (size_t i = 0; i < size; i++)
        *sum += ((const uint8_t *)data)[i];
    return 0;
}

/* archive_check on the first `size` bytes, and that find and each agree with it. */
static int check(size_t size)
{
    unsigned sum = 0;
    uint8_t *copy = malloc(size ? size : 1);
    struct archive archive = {copy, size};
    const void *data;
    size_t found;

    memcpy(copy, image, size);
    int error = archive_check(copy, size);
    assert_true(error == 0 || error == EBADMSG);
    int missing = archive_find(&archive, "no such file", &data, &found);
    assert_int_equal(missing, error == 0 ? ENOENT : EBADMSG);
    assert_int_equal(archive_each(&archive, touch, &sum), error);
    free(copy);
    return error;
}

static void files_are_found_with_their_bytes(void **state)
{
    struct archive archive = {image, 0};
    const void *data;
    size_t size;

    (void)state;
    three_files();
    archive.size = image_size;
    assert_int_equal(archive_find(&archive, "nvme.manifest", &data, &size), 0);
    assert_int_equal(size, 9);
    assert_memory_equal(data, "[driver]\n", 9);
    assert_int_equal(archive_find(&archive, "nvme", &data, &size), 0);
    assert_int_equal(size, 1300);
    assert_ptr_equal(data, image + BLOCK);
    assert_int_equal(archive_find(&archive, "empty", &data, &size), 0);
    assert_int_equal(size, 0);
    assert_int_equal(archive_find(&archive, "nvm", &data, &size), ENOENT);
    assert_int_equal(archive_find(&archive, "", &data, &size), ENOENT);
}

static int collect(void *context, const char *name, const void *data, size_t size)
{
    char *list = context;

    (void)data;
    snprintf(list + strlen(list), 100, "%s:%zu ", name, size);
    return strcmp(name, "stop") == 0 ? 42 : 0;
}

static void files_are_visited_in_order_until_one_says_stop(void **state)
{
    struct archive archive = {image, 0};
    char list[400] = "";

    (void)state;
    add("first", '0', "1", 1);
    add("stop", '0', "22", 2);
    add("never", '0', "333", 3);
    finish();
    archive.size = image_size;
    assert_int_equal(archive_each(&archive, collect, list), 42);
    assert_string_equal(list, "first:1 stop:2 ");

    list[0] = '\0';
    archive.size = 2 * BLOCK; /* the first file, and no end */
    assert_int_equal(archive_each(&archive, collect, list), EBADMSG);
    assert_string_equal(list, "first:1 ");
}

static void what_is_no_file_is_passed_over(void **state)
{
    struct archive archive = {image, 0};
    char list[400] = "";

    (void)state;
    add("folder/", '5', NULL, 0);
    add("link", '2', NULL, 0);
    add("old", '\0', "1", 1);
    finish();
    archive.size = image_size;
    assert_int_equal(archive_each(&archive, collect, list), 0);
    assert_string_equal(list, "old:1 ");
}

static void a_name_of_a_hundred_bytes_is_whole(void **state)
{
    struct archive archive = {image, 0};
    char name[101];
    const void *data;
    size_t size;

    (void)state;
    memset(name, 'n', 100);
    name[100] = '\0';
    add(name, '0', "1", 1);
    finish();
    archive.size = image_size;
    assert_int_equal(archive_find(&archive, name, &data, &size), 0);
    name[99] = '\0';
    assert_int_equal(archive_find(&archive, name, &data, &size), ENOENT);
}

static void truncated_at_any_length_it_is_refused(void **state)
{
    (void)state;
    three_files();
    /* The end needs one empty block; tar writes two. */
    size_t enough = image_size - BLOCK;
    for (size_t size = 0; size <= image_size; size++)
        assert_int_equal(check(size), size < enough ? EBADMSG : 0);
}

/* Any bit of a header matters: the sum covers it. Its own field has unused bytes at its end. */
static void any_bit_flipped_in_a_header_is_refused(void **state)
{
    (void)state;
    three_files();
    for (size_t bit = 0; bit < (size_t)BLOCK * 8; bit++) {
        size_t byte = bit / 8;
        if (byte == SUM_AT + 6 || byte == SUM_AT + 7)
            continue;
        image[byte] ^= (uint8_t)(1u << bit % 8);
        bool same = byte == SUM_AT && image[byte] == ' '; /* a blank for a leading zero */
        assert_int_equal(check(image_size), same ? 0 : EBADMSG);
        image[byte] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(check(image_size), 0);
}

static void impossible_sizes_are_refused(void **state)
{
    static const char *const sizes[] = {
        "77777777777", "777777777777", "00000002425", "37777777777",
        "           ", "0000000000x",  "-0000000001", "\x80\0\0\0\0\0\0\0\0\0\1\0",
    };

    (void)state;
    uint8_t *header = add("file", '0', "1", 1);
    finish();
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memcpy(header + SIZE_AT, sizes[i], i == 1 || i == 7 ? 12 : strlen(sizes[i]) + 1);
        seal(header);
        assert_int_equal(check(image_size), EBADMSG);
    }
    /* 03001 (1537) is the rest of the image and a byte; 03000 ends exactly with it, and lacks the
     * end. */
    for (unsigned i = 0; i < 2; i++) {
        memcpy(header + SIZE_AT, i ? "00000003001" : "00000003000", 12);
        seal(header);
        assert_int_equal(check(image_size), EBADMSG);
    }
    memcpy(header + SIZE_AT, "        2000", 12); /* blanks in front, no NUL: the standard's too */
    seal(header);
    assert_int_equal(check(image_size), 0);
}

static void names_that_are_not_plain_are_refused(void **state)
{
    static const char *const names[] = {"",     "/nvme",   "a/b",       "..//x", "a b",
                                        "a\nb", "\x1b[2J", "n\xc3\xa9", "a\x7f"};

    (void)state;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        setup(NULL);
        add(names[i], '0', "1", 1);
        finish();
        assert_int_equal(check(image_size), EBADMSG);
    }
    setup(NULL);
    uint8_t *header = add("file", '0', "1", 1);
    finish();
    assert_int_equal(check(image_size), 0);
    header[PREFIX_AT] = 'p';
    seal(header);
    assert_int_equal(check(image_size), EBADMSG);
}

/* The boot module, as boot/make-archive and boot/archive.S lay it out, in memory of its own. */
static uint8_t *module_make(size_t size, uint32_t crc)
{
    struct archive_header header = {ARCHIVE_MAGIC, size, crc, 0, {0}};

    module_size = PAGE + (image_size + PAGE - 1) / PAGE * PAGE;
    uint8_t *bytes = calloc(1, module_size);
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + PAGE, image, image_size);
    module = bytes;
    return bytes;
}

static uint32_t image_crc(void)
{
    return (uint32_t)crc32(0, image, (uInt)image_size);
}

static void a_module_is_taken(void **state)
{
    struct archive archive;
    const void *data;
    size_t size;

    (void)state;
    three_files();
    uint8_t *bytes = module_make(image_size, image_crc());
    assert_int_equal(archive_take(1, &archive), 0);
    assert_int_equal(archive.size, image_size);
    assert_int_equal(archive_find(&archive, "nvme.manifest", &data, &size), 0);
    assert_int_equal(reads_alive, 1);
    free((void *)archive.data);
    free(bytes);
}

static void refused_with(const char *why)
{
    struct archive archive;

    logged[0] = '\0';
    assert_int_equal(archive_take(1, &archive), EBADMSG);
    assert_non_null(strstr(logged, "the boot archive is corrupt: "));
    assert_non_null(strstr(logged, why));
    assert_int_equal(reads_alive, 0);
}

static void a_corrupt_module_is_refused_and_said_why(void **state)
{
    static const uint64_t sizes[] = {0, UINT64_MAX, UINT64_C(1) << 32, (UINT64_C(256) << 20) + 1};

    (void)state;
    three_files();
    uint8_t *bytes = module_make(image_size, image_crc());
    for (size_t at = PAGE; at < PAGE + image_size; at += 37) {
        bytes[at] ^= 4;
        refused_with("checksum");
        bytes[at] ^= 4;
    }
    bytes[0] ^= 1;
    refused_with("does not begin");
    bytes[0] ^= 1;
    largest_read = 0;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memcpy(bytes + offsetof(struct archive_header, size), &sizes[i], sizeof(sizes[i]));
        refused_with("length");
    }
    assert_int_equal(largest_read, PAGE); /* an unbelievable length is not even tried */
    uint64_t longer = module_size + 1;
    memcpy(bytes + offsetof(struct archive_header, size), &longer, sizeof(longer));
    refused_with("shorter");
    free(bytes);
}

static void a_malformed_list_is_refused_though_its_checksum_is_right(void **state)
{
    (void)state;
    three_files();
    image[0] ^= 1;
    uint8_t *bytes = module_make(image_size, image_crc());
    refused_with("list of files");
    free(bytes);
}

static void a_module_that_is_not_there_is_missed(void **state)
{
    struct archive archive;

    (void)state;
    assert_int_equal(archive_take(1, &archive), EFAULT);
    assert_non_null(strstr(logged, "no boot archive"));
    assert_int_equal(reads_alive, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_are_found_with_their_bytes),
        TEST(files_are_visited_in_order_until_one_says_stop),
        TEST(what_is_no_file_is_passed_over),
        TEST(a_name_of_a_hundred_bytes_is_whole),
        TEST(truncated_at_any_length_it_is_refused),
        TEST(any_bit_flipped_in_a_header_is_refused),
        TEST(impossible_sizes_are_refused),
        TEST(names_that_are_not_plain_are_refused),
        TEST(a_module_is_taken),
        TEST(a_corrupt_module_is_refused_and_said_why),
        TEST(a_malformed_list_is_refused_though_its_checksum_is_right),
        TEST(a_module_that_is_not_there_is_missed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
