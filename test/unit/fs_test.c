/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The file system service's volume, on images that mke2fs makes and e2fsck judges.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/log.h>
#include <test/unit/cmocka.h>
#include <test/unit/fs_fixture.h>

static struct fs_fixture fixture;
static char last_log[LOG_LINE_SIZE];

void log_write(enum log_level level, const char *format, ...)
{
    va_list arguments;

    (void)level;
    va_start(arguments, format);
    vsnprintf(last_log, sizeof(last_log), format, arguments);
    va_end(arguments);
}

static int begin(void **state)
{
    (void)state;
    last_log[0] = '\0';
    fs_fixture_begin(&fixture);
    return 0;
}

static int end(void **state)
{
    (void)state;
    fs_fixture_end(&fixture);
    return 0;
}

/* Contents that tell a byte's place. */
static void bytes_fill(unsigned char *data, size_t size, uint64_t offset, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        uint64_t x = (offset + i) * UINT64_C(0x9e3779b97f4a7c15) + seed;
        data[i] = (unsigned char)(x >> 40);
    }
}

static void host_file(const char *name, size_t size, unsigned seed)
{
    char path[200];
    unsigned char *data = malloc(size + 1);

    snprintf(path, sizeof(path), "%s/%s", fixture.tree, name);
    bytes_fill(data, size, 0, seed);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(file >= 0);
    assert_int_equal(write(file, data, size), size);
    close(file);
    free(data);
}

static struct fs_status lookup(const char *path)
{
    struct fs_status status;
    int error = volume_lookup(fixture.volume, path, true, &status);

    if (error != 0)
        fail_msg("%s: %s", path, strerror(error));
    return status;
}

static int lookup_error(const char *path, bool follow)
{
    struct fs_status status;

    return volume_lookup(fixture.volume, path, follow, &status);
}

static void expect_bytes(uint32_t inode, uint64_t offset, uint32_t count, uint32_t expected,
                         unsigned seed)
{
    unsigned char *data = malloc(count), *wanted = malloc(count);
    uint32_t done = 12345;

    bytes_fill(wanted, expected, offset, seed);
    assert_int_equal(volume_read(fixture.volume, inode, offset, count, data, &done), 0);
    assert_int_equal(done, expected);
    assert_memory_equal(data, wanted, expected);
    free(data);
    free(wanted);
}

static void expect_file(const char *path, uint64_t size, unsigned seed)
{
    struct fs_status status = lookup(path);

    assert_int_equal(status.size, size);
    for (uint64_t at = 0; at < size; at += 1 << 20)
        expect_bytes(status.inode, at, 1 << 20,
                     size - at < 1 << 20 ? (uint32_t)(size - at) : 1 << 20, seed);
}

static uint32_t create(const char *path, uint32_t mode)
{
    uint32_t inode = 0;
    int error = volume_create(fixture.volume, path, mode, &inode);

    if (error != 0)
        fail_msg("%s: %s", path, strerror(error));
    return inode;
}

static int create_error(const char *path, uint32_t mode)
{
    uint32_t inode;

    return volume_create(fixture.volume, path, mode, &inode);
}

static int write_bytes(uint32_t inode, uint64_t offset, uint32_t count, unsigned seed)
{
    unsigned char *data = malloc(count);

    bytes_fill(data, count, offset, seed);
    int error = volume_write(fixture.volume, inode, offset, data, count);
    free(data);
    return error;
}

/* The kinds of file systems that people have. */
static const struct kind {
    const char *options;
    uint32_t unit;
} kinds[] = {
    {"-t ext4 -b 4096", 512},
    {"-t ext4 -b 4096", 4096},
    {"-t ext4 -b 1024", 512},
    {"-t ext4 -b 1024", 4096}, /* a block is smaller than the device's */
    {"-t ext4 -b 2048 -O ^metadata_csum,^64bit", 512},
    {"-t ext4 -O inline_data -I 512", 512},
    {"-t ext3 -b 4096", 512},
    {"-t ext2 -b 1024", 512},
    {"-t ext2 -b 1024 -O ^filetype", 512},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static void sparse_file(const char *name)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", fixture.tree, name);
    int file = open(path, O_WRONLY | O_CREAT, 0644);
    assert_int_equal(pwrite(file, "end", 3, (9 << 20) + 77), 3);
    assert_int_equal(pwrite(file, "middle", 6, (3 << 20) + 1), 6);
    close(file);
}

static void link_make(const char *target, const char *name)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", fixture.tree, name);
    assert_int_equal(symlink(target, path), 0);
}

static void folder_make(const char *name)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", fixture.tree, name);
    assert_int_equal(mkdir(path, 0750), 0);
}

static void expect_sparse(void)
{
    struct fs_status status = lookup("/sparse");
    unsigned char *data = malloc(1 << 20);
    uint32_t done;

    assert_int_equal(status.size, (9 << 20) + 80);
    assert_true(status.blocks * 512 < 1 << 20);
    for (uint64_t at = 0; at < status.size; at += done) {
        assert_int_equal(volume_read(fixture.volume, status.inode, at, 1 << 20, data, &done), 0);
        assert_true(done > 0);
        for (uint32_t i = 0; i < done; i++) {
            uint64_t where = at + i;
            unsigned char wanted = 0;
            if (where >= (3 << 20) + 1 && where < (3 << 20) + 7)
                wanted = (unsigned char)"middle"[where - (3 << 20) - 1];
            if (where >= (9 << 20) + 77)
                wanted = (unsigned char)"end"[where - (9 << 20) - 77];
            assert_int_equal(data[i], wanted);
        }
    }
    free(data);
}

static void what_mke2fs_wrote_is_read(void **state)
{
    char target[1024], long_target[201];

    (void)state;
    memset(long_target, 'x', 200);
    long_target[200] = '\0';
    host_file("empty", 0, 0);
    host_file("tiny", 40, 1);
    host_file("odd", 10007, 2);
    host_file("large", (5 << 20) + 123, 3);
    folder_make("folder");
    host_file("folder/inside", 5000, 4);
    link_make("folder/inside", "short");
    link_make("/folder", "absolute");
    link_make(long_target, "long");
    link_make("loop-b", "loop-a");
    link_make("loop-a", "loop-b");
    sparse_file("sparse");

    for (unsigned kind = 0; kind < KINDS; kind++) {
        fixture.unit = kinds[kind].unit;
        fs_fixture_format(&fixture, kinds[kind].options, "32M");
        assert_int_equal(fs_fixture_mount(&fixture, false), 0);

        expect_file("/empty", 0, 0);
        expect_file("/tiny", 40, 1);
        expect_file("/odd", 10007, 2);
        expect_file("/large", (5 << 20) + 123, 3);
        expect_file("/short", 5000, 4);
        expect_file("/absolute/inside", 5000, 4);
        expect_file("/folder/../folder/./inside", 5000, 4);
        expect_sparse();

        uint32_t large = lookup("/large").inode;
        expect_bytes(large, 4095, 4098, 4098, 3);
        expect_bytes(large, (5 << 20) + 100, 4096, 23, 3);
        expect_bytes(large, (5 << 20) + 123, 10, 0, 3);
        expect_bytes(large, UINT64_MAX - 5, 10, 0, 3);

        struct fs_status status;
        assert_int_equal(volume_lookup(fixture.volume, "/long", false, &status), 0);
        assert_int_equal(volume_readlink(fixture.volume, status.inode, target, sizeof(target)), 0);
        assert_string_equal(target, long_target);
        assert_int_equal(volume_readlink(fixture.volume, status.inode, target, 200), ENAMETOOLONG);
        assert_int_equal(volume_lookup(fixture.volume, "/short", false, &status), 0);
        assert_int_equal(volume_readlink(fixture.volume, status.inode, target, sizeof(target)), 0);
        assert_string_equal(target, "folder/inside");
        assert_int_equal(lookup("/folder").mode, S_IFDIR | 0750);

        assert_int_equal(lookup_error("/loop-a", true), ELOOP);
        assert_int_equal(lookup_error("/nothing", true), ENOENT);
        assert_int_equal(lookup_error("/long", true), ENOENT);
        assert_int_equal(lookup_error("/tiny/below", true), ENOTDIR);
        assert_int_equal(write_bytes(large, 0, 10, 0), EROFS);
        assert_int_equal(create_error("/new", 0644), EROFS);
        assert_int_equal(volume_remove(fixture.volume, "/tiny"), EROFS);
        assert_int_equal(volume_truncate(fixture.volume, large, 0), EROFS);
        assert_int_equal(fs_fixture_unmount(&fixture), 0);
        assert_int_equal(fs_fixture_writes, 0);
    }
}

static int entry_count(void *context, uint32_t inode, uint8_t type, const char *name,
                       uint8_t length)
{
    assert_true(inode != 0 && length != 0);
    assert_true(type == 1 || type == 2 || type == 7);
    assert_null(memchr(name, '/', length));
    ++*(unsigned *)context;
    return 0;
}

static unsigned count_entries(const char *path)
{
    unsigned count = 0;

    assert_int_equal(volume_list(fixture.volume, lookup(path).inode, entry_count, &count), 0);
    return count;
}

static void a_session_of_writes(void)
{
    char path[300];
    uint32_t inode;

    create("/new", S_IFDIR | 0755);
    create("/new/sub", S_IFDIR | 0700);
    assert_int_equal(lookup("/new/sub").mode, S_IFDIR | 0700);
    assert_int_equal(create_error("/new", S_IFDIR | 0755), EEXIST);
    for (unsigned i = 0; i < 300; i++) {
        snprintf(path, sizeof(path), "/new/file-with-a-rather-long-name-so-that-blocks-fill-%u", i);
        inode = create(path, S_IFREG | 0640);
        assert_int_equal(write_bytes(inode, 0, 1 + i * 37, i), 0);
    }
    assert_int_equal(count_entries("/new"), 301);

    inode = create("/new/big", 0600);
    for (uint32_t at = 0; at < 6 << 20; at += 1 << 20)
        assert_int_equal(write_bytes(inode, at, 1 << 20, 9), 0);
    assert_int_equal(write_bytes(inode, 777, 5000, 9), 0); /* over what is there */
    expect_file("/new/big", 6 << 20, 9);
    assert_int_equal(volume_truncate(fixture.volume, inode, (2 << 20) + 5), 0);
    expect_file("/new/big", (2 << 20) + 5, 9);

    inode = create("/new/holes", 0600);
    assert_int_equal(write_bytes(inode, (4 << 20) + 3, 100, 5), 0);
    expect_bytes(inode, (4 << 20) + 3, 200, 100, 5);
    assert_int_equal(volume_truncate(fixture.volume, inode, 8 << 20), 0);
    assert_int_equal(lookup("/new/holes").size, 8 << 20);

    for (unsigned i = 0; i < 300; i += 2) {
        snprintf(path, sizeof(path), "/new/file-with-a-rather-long-name-so-that-blocks-fill-%u", i);
        assert_int_equal(volume_remove(fixture.volume, path), 0);
    }
    assert_int_equal(volume_remove(fixture.volume, "/new"), ENOTEMPTY);
    assert_int_equal(volume_remove(fixture.volume, "/new/sub"), 0);
    assert_int_equal(lookup_error("/new/sub", true), ENOENT);
    assert_int_equal(count_entries("/new"), 152);
}

static void what_is_written_satisfies_e2fsck(void **state)
{
    (void)state;
    host_file("old", 30000, 8);
    folder_make("folder");
    link_make("old", "link");
    for (unsigned kind = 0; kind < KINDS; kind++) {
        fixture.unit = kinds[kind].unit;
        fs_fixture_format(&fixture, kinds[kind].options, "32M");
        assert_int_equal(fs_fixture_mount(&fixture, true), 0);
        a_session_of_writes();
        assert_int_equal(volume_remove(fixture.volume, "/old"), 0);
        assert_int_equal(volume_remove(fixture.volume, "/link"), 0);
        assert_int_equal(volume_remove(fixture.volume, "/folder"), 0);
        assert_int_equal(fs_fixture_unmount(&fixture), 0);
        assert_true(fs_fixture_flushes > 0);
        fs_fixture_check(&fixture);

        assert_int_equal(fs_fixture_mount(&fixture, false), 0);
        expect_file("/new/big", (2 << 20) + 5, 9);
        expect_file("/new/file-with-a-rather-long-name-so-that-blocks-fill-299", 1 + 299 * 37, 299);
        assert_int_equal(fs_fixture_unmount(&fixture), 0);
    }
}

/* Growing a file again must not show what was cut off. */
static void what_was_cut_off_does_not_come_back(void **state)
{
    unsigned char data[9000];
    uint32_t done;

    (void)state;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        fixture.unit = kinds[kind].unit;
        fs_fixture_format(&fixture, kinds[kind].options, "32M");
        assert_int_equal(fs_fixture_mount(&fixture, true), 0);
        uint32_t inode = create("/file", 0600);
        assert_int_equal(write_bytes(inode, 0, 9000, 1), 0);
        assert_int_equal(volume_truncate(fixture.volume, inode, 100), 0);
        assert_int_equal(volume_truncate(fixture.volume, inode, 9000), 0);
        assert_int_equal(volume_read(fixture.volume, inode, 100, 8900, data, &done), 0);
        assert_int_equal(done, 8900);
        for (unsigned i = 0; i < done; i++)
            assert_int_equal(data[i], 0);
        expect_bytes(inode, 0, 100, 100, 1);
        assert_int_equal(fs_fixture_unmount(&fixture), 0);
        fs_fixture_check(&fixture);
    }
}

static void times_and_owners_are_whole(void **state)
{
    (void)state;
    host_file("future", 10, 1);
    host_file("past", 10, 1);
    fs_fixture_format(&fixture, "-t ext4 -I 256", "16M");
    /* 2040: past the end of a signed 32-bit clock. */
    assert_int_equal(fs_fixture_run(&fixture, "debugfs -w -R 'sif /future mtime 20400101' %s"), 0);
    assert_int_equal(fs_fixture_run(&fixture, "debugfs -w -R 'sif /past mtime 19650101' %s"), 0);
    assert_int_equal(fs_fixture_mount(&fixture, false), 0);
    int64_t modified = lookup("/future").modified;
    assert_true(modified > INT64_C(2208900000) && modified < INT64_C(2209100000));
    assert_true(lookup("/past").modified < 0);
    assert_int_equal(fs_fixture_unmount(&fixture), 0);
}

static void hard_links_are_counted(void **state)
{
    (void)state;
    host_file("one", 50000, 1);
    fs_fixture_format(&fixture, "-t ext4", "16M");
    assert_int_equal(fs_fixture_run(&fixture, "debugfs -w -R 'ln /one /two' %s"), 0);
    assert_int_equal(fs_fixture_run(&fixture, "debugfs -w -R 'sif /one links_count 2' %s"), 0);
    fs_fixture_check(&fixture);

    assert_int_equal(fs_fixture_mount(&fixture, true), 0);
    uint32_t inode = lookup("/one").inode;
    assert_int_equal(volume_remove(fixture.volume, "/one"), 0);
    expect_file("/two", 50000, 1);
    assert_int_equal(lookup("/two").links, 1);
    assert_int_equal(volume_sync(fixture.volume), 0);
    assert_int_equal(volume_remove(fixture.volume, "/two"), 0);
    unsigned char byte;
    uint32_t done;
    assert_int_equal(volume_read(fixture.volume, inode, 0, 1, &byte, &done), ENOENT);
    assert_int_equal(fs_fixture_unmount(&fixture), 0);
    fs_fixture_check(&fixture);
}

static void paths_and_numbers_from_clients(void **state)
{
    char name[300], target[100];
    unsigned char byte = 0;
    uint32_t done;

    (void)state;
    host_file("file", 10, 1);
    folder_make("folder");
    fs_fixture_format(&fixture, "-t ext4", "16M");
    assert_int_equal(fs_fixture_mount(&fixture, true), 0);

    memset(name, 'n', sizeof(name));
    name[0] = '/';
    name[256] = '\0';
    create(name, 0600); /* 255: as long as a name can be */
    name[256] = 'n';
    name[257] = '\0';
    assert_int_equal(create_error(name, 0600), ENAMETOOLONG);
    assert_int_equal(lookup_error(name, true), ENAMETOOLONG);

    assert_int_equal(lookup("/").inode, 2);
    assert_int_equal(lookup("/..").inode, 2);
    assert_int_equal(lookup_error("/file/", true), ENOTDIR);
    assert_int_not_equal(create_error("/", S_IFDIR | 0755), 0);
    assert_int_not_equal(create_error("", 0644), 0);
    assert_int_equal(create_error("/none/file", 0644), ENOENT);
    assert_int_equal(create_error("/file/below", 0644), ENOTDIR);
    assert_int_not_equal(volume_remove(fixture.volume, "/"), 0);
    assert_int_not_equal(volume_remove(fixture.volume, "/folder/."), 0);
    assert_int_not_equal(volume_remove(fixture.volume, "/folder/.."), 0);
    assert_int_equal(volume_remove(fixture.volume, "/none"), ENOENT);

    uint32_t folder = lookup("/folder").inode, file = lookup("/file").inode;
    assert_int_equal(volume_read(fixture.volume, folder, 0, 1, &byte, &done), EISDIR);
    assert_int_equal(volume_write(fixture.volume, folder, 0, &byte, 1), EISDIR);
    assert_int_equal(volume_truncate(fixture.volume, folder, 0), EISDIR);
    assert_int_equal(volume_list(fixture.volume, file, entry_count, &done), ENOTDIR);
    assert_int_equal(volume_readlink(fixture.volume, file, target, sizeof(target)), EINVAL);

    /* The numbers of no file: none, the journal's and its like, unallocated, past the end. */
    static const uint32_t numbers[] = {0, 1, 5, 7, 8, 9, 3000, 1u << 20, UINT32_MAX};
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (volume_write(fixture.volume, numbers[i], 0, &byte, 1) == 0)
            fail_msg("inode %u was written", numbers[i]);
        if (volume_truncate(fixture.volume, numbers[i], 0) == 0)
            fail_msg("inode %u was truncated", numbers[i]);
    }
    assert_int_not_equal(volume_write(fixture.volume, file, UINT64_MAX - 1, &byte, 1), 0);
    assert_int_not_equal(volume_write(fixture.volume, file, UINT64_C(1) << 60, &byte, 1), 0);
    assert_int_not_equal(volume_truncate(fixture.volume, file, UINT64_MAX), 0);
    expect_file("/file", 10, 1);
    assert_int_equal(fs_fixture_unmount(&fixture), 0);
    fs_fixture_check(&fixture);
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    fs_fixture_format(&fixture, "-t ext4 -b 1024 -N 40", "2M");
    assert_int_equal(fs_fixture_mount(&fixture, true), 0);
    uint32_t inode = create("/fill", 0600);
    int error = 0;
    for (uint32_t at = 0; error == 0 && at < 4 << 20; at += 1 << 18)
        error = write_bytes(inode, at, 1 << 18, 1);
    assert_int_equal(error, ENOSPC);
    assert_int_equal(create_error("/folder", S_IFDIR | 0755), ENOSPC);
    assert_int_equal(volume_remove(fixture.volume, "/fill"), 0);

    char path[32];
    error = 0;
    for (unsigned i = 0; error == 0 && i < 60; i++) {
        snprintf(path, sizeof(path), "/%u", i);
        error = create_error(path, 0600);
    }
    assert_int_equal(error, ENOSPC);
    assert_int_equal(fs_fixture_unmount(&fixture), 0);
    fs_fixture_check(&fixture);
}

static void images_that_are_refused(void **state)
{
    static const unsigned char unknown_feature = 0x40, zeroes[1024];

    (void)state;
    fs_fixture_format(&fixture, "-t ext4", "16M");
    assert_int_equal(truncate(fixture.image, 4 << 20), 0);
    assert_int_equal(fs_fixture_mount(&fixture, false), EIO);
    assert_non_null(strstr(last_log, "truncated"));

    fs_fixture_format(&fixture, "-t ext4", "16M");
    fs_fixture_poke(&fixture, 1024, zeroes, sizeof(zeroes));
    assert_int_equal(fs_fixture_mount(&fixture, false), EINVAL);
    assert_true(last_log[0] != '\0');

    fs_fixture_format(&fixture, "-t ext4 -O metadata_csum", "16M");
    fs_fixture_poke(&fixture, 1024 + 0x78, "spoilt", 6); /* the volume's name */
    assert_int_equal(fs_fixture_mount(&fixture, false), EINVAL);

    fs_fixture_format(&fixture, "-t ext4 -O ^metadata_csum,^uninit_bg", "16M");
    fs_fixture_poke(&fixture, 1024 + 0x63, &unknown_feature, 1); /* s_feature_incompat, bit 30 */
    assert_int_equal(fs_fixture_mount(&fixture, false), EOPNOTSUPP);

    assert_int_equal(truncate(fixture.image, 512), 0);
    assert_int_not_equal(fs_fixture_mount(&fixture, false), 0);
    assert_int_equal(truncate(fixture.image, 0), 0);
    assert_int_not_equal(fs_fixture_mount(&fixture, false), 0);
}

static void what_is_dirty_may_only_be_read(void **state)
{
    (void)state;
    host_file("file", 10, 1);
    fs_fixture_format(&fixture, "-t ext4", "16M");
    assert_int_equal(fs_fixture_run(&fixture, "debugfs -w -R 'feature needs_recovery' %s"), 0);
    assert_int_equal(fs_fixture_mount(&fixture, true), EROFS);
    assert_non_null(strstr(last_log, "journal"));
    assert_int_equal(fs_fixture_mount(&fixture, false), 0);
    expect_file("/file", 10, 1);
    assert_int_equal(fs_fixture_unmount(&fixture), 0);

    /* A service that was killed. */
    fs_fixture_format(&fixture, "-t ext4", "16M");
    assert_int_equal(fs_fixture_mount(&fixture, true), 0);
    create("/new", 0600);
    assert_int_equal(volume_sync(fixture.volume), 0);
    fs_fixture_writes_left = 0;
    assert_int_equal(fs_fixture_unmount(&fixture), EIO);
    fs_fixture_writes_left = ULONG_MAX;
    assert_int_equal(fs_fixture_mount(&fixture, true), EROFS);
    assert_int_equal(fs_fixture_mount(&fixture, false), 0);
    lookup("/new");
    assert_int_equal(fs_fixture_unmount(&fixture), 0);
    assert_true(fs_fixture_run(&fixture, "e2fsck -fp %s") <= 1); /* 1: it has put it right */
}

/* Whenever the disk stops taking writes while the volume is closed: what claims to be clean is. */
static void what_is_marked_clean_is_clean(void **state)
{
    (void)state;
    host_file("file", 100000, 1);
    bool closed = false;
    for (unsigned long writes = 0; !closed && writes < 100; writes++) {
        fs_fixture_format(&fixture, "-t ext4", "16M");
        fs_fixture_writes_left = ULONG_MAX;
        assert_int_equal(fs_fixture_mount(&fixture, true), 0);
        create("/folder", S_IFDIR | 0755);
        assert_int_equal(write_bytes(create("/folder/new", 0600), 0, 50000, 1), 0);
        assert_int_equal(volume_remove(fixture.volume, "/file"), 0);
        fs_fixture_writes_left = writes;
        closed = fs_fixture_unmount(&fixture) == 0;
        if (fs_fixture_run(&fixture, "dumpe2fs -h %s | grep -q 'state: *clean'") == 0)
            fs_fixture_check(&fixture);
        else
            assert_false(closed);
    }
    assert_true(closed);
}

static void a_disk_that_fails_is_an_error(void **state)
{
    (void)state;
    host_file("file", 3 << 20, 1);
    fs_fixture_format(&fixture, "-t ext4 -b 4096", "16M");
    for (unsigned long reads = 0; reads < 12; reads++) {
        fs_fixture_reads_left = reads;
        if (fs_fixture_mount(&fixture, false) == 0) {
            unsigned char *data = malloc(1 << 20);
            uint32_t done;
            struct fs_status status;
            int error = volume_lookup(fixture.volume, "/file", true, &status);
            if (error == 0) {
                fs_fixture_reads_left = 0;
                error = volume_read(fixture.volume, status.inode, 1 << 20, 1 << 20, data, &done);
            }
            assert_int_equal(error, EIO);
            free(data);
            fs_fixture_unmount(&fixture);
        }
    }
    fs_fixture_reads_left = ULONG_MAX;

    assert_int_equal(fs_fixture_mount(&fixture, true), 0);
    create("/new", 0600);
    fs_fixture_writes_left = 0;
    assert_int_equal(volume_sync(fixture.volume), EIO);
    assert_int_equal(volume_sync(fixture.volume), EIO); /* still not durable: still an error */
    fs_fixture_writes_left = ULONG_MAX;
    assert_int_equal(volume_sync(fixture.volume), 0);
    assert_int_equal(fs_fixture_unmount(&fixture), 0);
    fs_fixture_check(&fixture);
}

static void large_files_travel_in_large_requests(void **state)
{
    (void)state;
    host_file("large", 8 << 20, 1);
    fs_fixture_format(&fixture, "-t ext4 -b 4096", "32M");
    assert_int_equal(fs_fixture_mount(&fixture, true), 0);
    unsigned long before = fs_fixture_reads;
    expect_file("/large", 8 << 20, 1);
    assert_true(fs_fixture_reads - before < 40);

    uint32_t inode = create("/copy", 0600);
    before = fs_fixture_writes;
    unsigned long reads = fs_fixture_reads;
    for (uint32_t at = 0; at < 8 << 20; at += 1 << 20)
        assert_int_equal(write_bytes(inode, at, 1 << 20, 1), 0);
    assert_int_equal(volume_sync(fixture.volume), 0);
    assert_true(fs_fixture_writes - before < 100);
    assert_true(fs_fixture_reads - reads < 100);
    assert_int_equal(fs_fixture_unmount(&fixture), 0);
    fs_fixture_check(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_mke2fs_wrote_is_read, begin, end),
        cmocka_unit_test_setup_teardown(what_is_written_satisfies_e2fsck, begin, end),
        cmocka_unit_test_setup_teardown(what_was_cut_off_does_not_come_back, begin, end),
        cmocka_unit_test_setup_teardown(times_and_owners_are_whole, begin, end),
        cmocka_unit_test_setup_teardown(hard_links_are_counted, begin, end),
        cmocka_unit_test_setup_teardown(paths_and_numbers_from_clients, begin, end),
        cmocka_unit_test_setup_teardown(a_full_disk_is_an_error, begin, end),
        cmocka_unit_test_setup_teardown(images_that_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(what_is_dirty_may_only_be_read, begin, end),
        cmocka_unit_test_setup_teardown(what_is_marked_clean_is_clean, begin, end),
        cmocka_unit_test_setup_teardown(a_disk_that_fails_is_an_error, begin, end),
        cmocka_unit_test_setup_teardown(large_files_travel_in_large_requests, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
