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

#include <test/unit/cmocka.h>
#include <test/unit/fs_step.h>

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

    snprintf(path, sizeof(path), "%s/%s", fs_step_fixture.tree, name);
    int file = open(path, O_WRONLY | O_CREAT, 0644);
    assert_int_equal(pwrite(file, "end", 3, (9 << 20) + 77), 3);
    assert_int_equal(pwrite(file, "middle", 6, (3 << 20) + 1), 6);
    close(file);
}

static void link_make(const char *target, const char *name)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", fs_step_fixture.tree, name);
    assert_int_equal(symlink(target, path), 0);
}

static void folder_make(const char *name)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", fs_step_fixture.tree, name);
    assert_int_equal(mkdir(path, 0750), 0);
}

static void expect_sparse(void)
{
    struct fs_status status = fs_step_lookup("/sparse");
    unsigned char *data = malloc(1 << 20);
    uint32_t done;

    assert_int_equal(status.size, (9 << 20) + 80);
    assert_true(status.blocks * 512 < 1 << 20);
    for (uint64_t at = 0; at < status.size; at += done) {
        assert_int_equal(
            volume_read(fs_step_fixture.volume, status.inode, at, 1 << 20, data, &done), 0);
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
    fs_step_host_file("empty", 0, 0);
    fs_step_host_file("tiny", 40, 1);
    fs_step_host_file("odd", 10007, 2);
    fs_step_host_file("large", (5 << 20) + 123, 3);
    folder_make("folder");
    fs_step_host_file("folder/inside", 5000, 4);
    link_make("folder/inside", "short");
    link_make("/folder", "absolute");
    link_make(long_target, "long");
    link_make("loop-b", "loop-a");
    link_make("loop-a", "loop-b");
    sparse_file("sparse");

    for (unsigned kind = 0; kind < KINDS; kind++) {
        fs_step_fixture.unit = kinds[kind].unit;
        fs_fixture_format(&fs_step_fixture, kinds[kind].options, "32M");
        assert_int_equal(fs_fixture_mount(&fs_step_fixture, false), 0);

        fs_step_expect_file("/empty", 0, 0);
        fs_step_expect_file("/tiny", 40, 1);
        fs_step_expect_file("/odd", 10007, 2);
        fs_step_expect_file("/large", (5 << 20) + 123, 3);
        fs_step_expect_file("/short", 5000, 4);
        fs_step_expect_file("/absolute/inside", 5000, 4);
        fs_step_expect_file("/folder/../folder/./inside", 5000, 4);
        expect_sparse();

        uint32_t large = fs_step_lookup("/large").inode;
        fs_step_expect_bytes(large, 4095, 4098, 4098, 3);
        fs_step_expect_bytes(large, (5 << 20) + 100, 4096, 23, 3);
        fs_step_expect_bytes(large, (5 << 20) + 123, 10, 0, 3);
        fs_step_expect_bytes(large, UINT64_MAX - 5, 10, 0, 3);

        struct fs_status status;
        assert_int_equal(volume_lookup(fs_step_fixture.volume, "/long", false, &status), 0);
        assert_int_equal(
            volume_readlink(fs_step_fixture.volume, status.inode, target, sizeof(target)), 0);
        assert_string_equal(target, long_target);
        assert_int_equal(volume_readlink(fs_step_fixture.volume, status.inode, target, 200),
                         ENAMETOOLONG);
        assert_int_equal(volume_lookup(fs_step_fixture.volume, "/short", false, &status), 0);
        assert_int_equal(
            volume_readlink(fs_step_fixture.volume, status.inode, target, sizeof(target)), 0);
        assert_string_equal(target, "folder/inside");
        assert_int_equal(fs_step_lookup("/folder").mode, S_IFDIR | 0750);

        assert_int_equal(fs_step_lookup_error("/loop-a", true), ELOOP);
        assert_int_equal(fs_step_lookup_error("/nothing", true), ENOENT);
        assert_int_equal(fs_step_lookup_error("/long", true), ENOENT);
        assert_int_equal(fs_step_lookup_error("/tiny/below", true), ENOTDIR);
        assert_int_equal(fs_step_write(large, 0, 10, 0), EROFS);
        assert_int_equal(fs_step_create_error("/new", 0644), EROFS);
        assert_int_equal(volume_remove(fs_step_fixture.volume, "/tiny"), EROFS);
        assert_int_equal(volume_truncate(fs_step_fixture.volume, large, 0), EROFS);
        assert_int_equal(fs_fixture_unmount(&fs_step_fixture), 0);
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

    assert_int_equal(
        volume_list(fs_step_fixture.volume, fs_step_lookup(path).inode, entry_count, &count), 0);
    return count;
}

static void a_session_of_writes(void)
{
    char path[300];
    uint32_t inode;

    fs_step_create("/new", S_IFDIR | 0755);
    fs_step_create("/new/sub", S_IFDIR | 0700);
    assert_int_equal(fs_step_lookup("/new/sub").mode, S_IFDIR | 0700);
    assert_int_equal(fs_step_create_error("/new", S_IFDIR | 0755), EEXIST);
    for (unsigned i = 0; i < 300; i++) {
        snprintf(path, sizeof(path), "/new/file-with-a-rather-long-name-so-that-blocks-fill-%u", i);
        inode = fs_step_create(path, S_IFREG | 0640);
        assert_int_equal(fs_step_write(inode, 0, 1 + i * 37, i), 0);
    }
    assert_int_equal(count_entries("/new"), 301);

    inode = fs_step_create("/new/big", 0600);
    for (uint32_t at = 0; at < 6 << 20; at += 1 << 20)
        assert_int_equal(fs_step_write(inode, at, 1 << 20, 9), 0);
    assert_int_equal(fs_step_write(inode, 777, 5000, 9), 0); /* over what is there */
    fs_step_expect_file("/new/big", 6 << 20, 9);
    assert_int_equal(volume_truncate(fs_step_fixture.volume, inode, (2 << 20) + 5), 0);
    fs_step_expect_file("/new/big", (2 << 20) + 5, 9);

    inode = fs_step_create("/new/holes", 0600);
    assert_int_equal(fs_step_write(inode, (4 << 20) + 3, 100, 5), 0);
    fs_step_expect_bytes(inode, (4 << 20) + 3, 200, 100, 5);
    assert_int_equal(volume_truncate(fs_step_fixture.volume, inode, 8 << 20), 0);
    assert_int_equal(fs_step_lookup("/new/holes").size, 8 << 20);

    for (unsigned i = 0; i < 300; i += 2) {
        snprintf(path, sizeof(path), "/new/file-with-a-rather-long-name-so-that-blocks-fill-%u", i);
        assert_int_equal(volume_remove(fs_step_fixture.volume, path), 0);
    }
    assert_int_equal(volume_remove(fs_step_fixture.volume, "/new"), ENOTEMPTY);
    assert_int_equal(volume_remove(fs_step_fixture.volume, "/new/sub"), 0);
    assert_int_equal(fs_step_lookup_error("/new/sub", true), ENOENT);
    assert_int_equal(count_entries("/new"), 152);
}

static void what_is_written_satisfies_e2fsck(void **state)
{
    (void)state;
    fs_step_host_file("old", 30000, 8);
    folder_make("folder");
    link_make("old", "link");
    for (unsigned kind = 0; kind < KINDS; kind++) {
        fs_step_fixture.unit = kinds[kind].unit;
        fs_fixture_format(&fs_step_fixture, kinds[kind].options, "32M");
        assert_int_equal(fs_fixture_mount(&fs_step_fixture, true), 0);
        a_session_of_writes();
        assert_int_equal(volume_remove(fs_step_fixture.volume, "/old"), 0);
        assert_int_equal(volume_remove(fs_step_fixture.volume, "/link"), 0);
        assert_int_equal(volume_remove(fs_step_fixture.volume, "/folder"), 0);
        assert_int_equal(fs_fixture_unmount(&fs_step_fixture), 0);
        assert_true(fs_fixture_flushes > 0);
        fs_fixture_check(&fs_step_fixture);

        assert_int_equal(fs_fixture_mount(&fs_step_fixture, false), 0);
        fs_step_expect_file("/new/big", (2 << 20) + 5, 9);
        fs_step_expect_file("/new/file-with-a-rather-long-name-so-that-blocks-fill-299",
                            1 + 299 * 37, 299);
        assert_int_equal(fs_fixture_unmount(&fs_step_fixture), 0);
    }
}

/* Growing a file again must not show what was cut off. */
static void what_was_cut_off_does_not_come_back(void **state)
{
    unsigned char data[9000];
    uint32_t done;

    (void)state;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        fs_step_fixture.unit = kinds[kind].unit;
        fs_fixture_format(&fs_step_fixture, kinds[kind].options, "32M");
        assert_int_equal(fs_fixture_mount(&fs_step_fixture, true), 0);
        uint32_t inode = fs_step_create("/file", 0600);
        assert_int_equal(fs_step_write(inode, 0, 9000, 1), 0);
        assert_int_equal(volume_truncate(fs_step_fixture.volume, inode, 100), 0);
        assert_int_equal(volume_truncate(fs_step_fixture.volume, inode, 9000), 0);
        assert_int_equal(volume_read(fs_step_fixture.volume, inode, 100, 8900, data, &done), 0);
        assert_int_equal(done, 8900);
        for (unsigned i = 0; i < done; i++)
            assert_int_equal(data[i], 0);
        fs_step_expect_bytes(inode, 0, 100, 100, 1);
        assert_int_equal(fs_fixture_unmount(&fs_step_fixture), 0);
        fs_fixture_check(&fs_step_fixture);
    }
}

static void times_and_owners_are_whole(void **state)
{
    (void)state;
    fs_step_host_file("future", 10, 1);
    fs_step_host_file("past", 10, 1);
    fs_fixture_format(&fs_step_fixture, "-t ext4 -I 256", "16M");
    /* 2040: past the fs_step_end of a signed 32-bit clock. */
    assert_int_equal(
        fs_fixture_run(&fs_step_fixture, "debugfs -w -R 'sif /future mtime 20400101' %s"), 0);
    assert_int_equal(
        fs_fixture_run(&fs_step_fixture, "debugfs -w -R 'sif /past mtime 19650101' %s"), 0);
    assert_int_equal(fs_fixture_mount(&fs_step_fixture, false), 0);
    int64_t modified = fs_step_lookup("/future").modified;
    assert_true(modified > INT64_C(2208900000) && modified < INT64_C(2209100000));
    assert_true(fs_step_lookup("/past").modified < 0);
    assert_int_equal(fs_fixture_unmount(&fs_step_fixture), 0);
}

static void hard_links_are_counted(void **state)
{
    (void)state;
    fs_step_host_file("one", 50000, 1);
    fs_fixture_format(&fs_step_fixture, "-t ext4", "16M");
    assert_int_equal(fs_fixture_run(&fs_step_fixture, "debugfs -w -R 'ln /one /two' %s"), 0);
    assert_int_equal(fs_fixture_run(&fs_step_fixture, "debugfs -w -R 'sif /one links_count 2' %s"),
                     0);
    fs_fixture_check(&fs_step_fixture);

    assert_int_equal(fs_fixture_mount(&fs_step_fixture, true), 0);
    uint32_t inode = fs_step_lookup("/one").inode;
    assert_int_equal(volume_remove(fs_step_fixture.volume, "/one"), 0);
    fs_step_expect_file("/two", 50000, 1);
    assert_int_equal(fs_step_lookup("/two").links, 1);
    assert_int_equal(volume_sync(fs_step_fixture.volume), 0);
    assert_int_equal(volume_remove(fs_step_fixture.volume, "/two"), 0);
    unsigned char byte;
    uint32_t done;
    assert_int_equal(volume_read(fs_step_fixture.volume, inode, 0, 1, &byte, &done), ENOENT);
    assert_int_equal(fs_fixture_unmount(&fs_step_fixture), 0);
    fs_fixture_check(&fs_step_fixture);
}

static void paths_and_numbers_from_clients(void **state)
{
    char name[300], target[100];
    unsigned char byte = 0;
    uint32_t done;

    (void)state;
    fs_step_host_file("file", 10, 1);
    folder_make("folder");
    fs_fixture_format(&fs_step_fixture, "-t ext4", "16M");
    assert_int_equal(fs_fixture_mount(&fs_step_fixture, true), 0);

    memset(name, 'n', sizeof(name));
    name[0] = '/';
    name[256] = '\0';
    fs_step_create(name, 0600); /* 255: as long as a name can be */
    name[256] = 'n';
    name[257] = '\0';
    assert_int_equal(fs_step_create_error(name, 0600), ENAMETOOLONG);
    assert_int_equal(fs_step_lookup_error(name, true), ENAMETOOLONG);

    assert_int_equal(fs_step_lookup("/").inode, 2);
    assert_int_equal(fs_step_lookup("/..").inode, 2);
    assert_int_equal(fs_step_lookup_error("/file/", true), ENOTDIR);
    assert_int_not_equal(fs_step_create_error("/", S_IFDIR | 0755), 0);
    assert_int_not_equal(fs_step_create_error("", 0644), 0);
    assert_int_equal(fs_step_create_error("/none/file", 0644), ENOENT);
    assert_int_equal(fs_step_create_error("/file/below", 0644), ENOTDIR);
    assert_int_not_equal(volume_remove(fs_step_fixture.volume, "/"), 0);
    assert_int_not_equal(volume_remove(fs_step_fixture.volume, "/folder/."), 0);
    assert_int_not_equal(volume_remove(fs_step_fixture.volume, "/folder/.."), 0);
    assert_int_equal(volume_remove(fs_step_fixture.volume, "/none"), ENOENT);

    uint32_t folder = fs_step_lookup("/folder").inode, file = fs_step_lookup("/file").inode;
    assert_int_equal(volume_read(fs_step_fixture.volume, folder, 0, 1, &byte, &done), EISDIR);
    assert_int_equal(volume_write(fs_step_fixture.volume, folder, 0, &byte, 1), EISDIR);
    assert_int_equal(volume_truncate(fs_step_fixture.volume, folder, 0), EISDIR);
    assert_int_equal(volume_list(fs_step_fixture.volume, file, entry_count, &done), ENOTDIR);
    assert_int_equal(volume_readlink(fs_step_fixture.volume, file, target, sizeof(target)), EINVAL);

    /* The numbers of no file: none, the journal's and its like, unallocated, past the fs_step_end.
     */
    static const uint32_t numbers[] = {0, 1, 5, 7, 8, 9, 3000, 1u << 20, UINT32_MAX};
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (volume_write(fs_step_fixture.volume, numbers[i], 0, &byte, 1) == 0)
            fail_msg("inode %u was written", numbers[i]);
        if (volume_truncate(fs_step_fixture.volume, numbers[i], 0) == 0)
            fail_msg("inode %u was truncated", numbers[i]);
    }
    assert_int_not_equal(volume_write(fs_step_fixture.volume, file, UINT64_MAX - 1, &byte, 1), 0);
    assert_int_not_equal(volume_write(fs_step_fixture.volume, file, UINT64_C(1) << 60, &byte, 1),
                         0);
    assert_int_not_equal(volume_truncate(fs_step_fixture.volume, file, UINT64_MAX), 0);
    fs_step_expect_file("/file", 10, 1);
    assert_int_equal(fs_fixture_unmount(&fs_step_fixture), 0);
    fs_fixture_check(&fs_step_fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_STEP_TEST(what_mke2fs_wrote_is_read),
        FS_STEP_TEST(what_is_written_satisfies_e2fsck),
        FS_STEP_TEST(what_was_cut_off_does_not_come_back),
        FS_STEP_TEST(times_and_owners_are_whole),
        FS_STEP_TEST(hard_links_are_counted),
        FS_STEP_TEST(paths_and_numbers_from_clients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
