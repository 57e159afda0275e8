/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The volume when things go wrong: full, failing, dirty and broken disks; and what it costs a disk.
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

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    fs_fixture_format(&fs_step_fixture, "-t ext4 -b 1024 -N 40", "2M");
    assert_int_equal(fs_fixture_mount(&fs_step_fixture, true), 0);
    uint32_t inode = fs_step_create("/fill", 0600);
    int error = 0;
    for (uint32_t at = 0; error == 0 && at < 4 << 20; at += 1 << 18)
        error = fs_step_write(inode, at, 1 << 18, 1);
    assert_int_equal(error, ENOSPC);
    assert_int_equal(fs_step_create_error("/folder", S_IFDIR | 0755), ENOSPC);
    assert_int_equal(volume_remove(fs_step_fixture.volume, "/fill"), 0);

    char path[32];
    error = 0;
    for (unsigned i = 0; error == 0 && i < 60; i++) {
        snprintf(path, sizeof(path), "/%u", i);
        error = fs_step_create_error(path, 0600);
    }
    assert_int_equal(error, ENOSPC);
    assert_int_equal(fs_fixture_unmount(&fs_step_fixture), 0);
    fs_fixture_check(&fs_step_fixture);
}

static void images_that_are_refused(void **state)
{
    static const unsigned char unknown_feature = 0x40, zeroes[1024];

    (void)state;
    fs_fixture_format(&fs_step_fixture, "-t ext4", "16M");
    assert_int_equal(truncate(fs_step_fixture.image, 4 << 20), 0);
    assert_int_equal(fs_fixture_mount(&fs_step_fixture, false), EIO);
    assert_non_null(strstr(fs_step_log, "truncated"));

    fs_fixture_format(&fs_step_fixture, "-t ext4", "16M");
    fs_fixture_poke(&fs_step_fixture, 1024, zeroes, sizeof(zeroes));
    assert_int_equal(fs_fixture_mount(&fs_step_fixture, false), EINVAL);
    assert_true(fs_step_log[0] != '\0');

    fs_fixture_format(&fs_step_fixture, "-t ext4 -O metadata_csum", "16M");
    fs_fixture_poke(&fs_step_fixture, 1024 + 0x78, "spoilt", 6); /* the volume's name */
    assert_int_equal(fs_fixture_mount(&fs_step_fixture, false), EINVAL);

    fs_fixture_format(&fs_step_fixture, "-t ext4 -O ^metadata_csum,^uninit_bg", "16M");
    fs_fixture_poke(&fs_step_fixture, 1024 + 0x63, &unknown_feature,
                    1); /* s_feature_incompat, bit 30 */
    assert_int_equal(fs_fixture_mount(&fs_step_fixture, false), EOPNOTSUPP);

    assert_int_equal(truncate(fs_step_fixture.image, 512), 0);
    assert_int_not_equal(fs_fixture_mount(&fs_step_fixture, false), 0);
    assert_int_equal(truncate(fs_step_fixture.image, 0), 0);
    assert_int_not_equal(fs_fixture_mount(&fs_step_fixture, false), 0);
}

static void what_is_dirty_may_only_be_read(void **state)
{
    (void)state;
    fs_step_host_file("file", 10, 1);
    fs_fixture_format(&fs_step_fixture, "-t ext4", "16M");
    assert_int_equal(fs_fixture_run(&fs_step_fixture, "debugfs -w -R 'feature needs_recovery' %s"),
                     0);
    assert_int_equal(fs_fixture_mount(&fs_step_fixture, true), EROFS);
    assert_non_null(strstr(fs_step_log, "journal"));
    assert_int_equal(fs_fixture_mount(&fs_step_fixture, false), 0);
    fs_step_expect_file("/file", 10, 1);
    assert_int_equal(fs_fixture_unmount(&fs_step_fixture), 0);

    /* A service that was killed. */
    fs_fixture_format(&fs_step_fixture, "-t ext4", "16M");
    assert_int_equal(fs_fixture_mount(&fs_step_fixture, true), 0);
    fs_step_create("/new", 0600);
    assert_int_equal(volume_sync(fs_step_fixture.volume), 0);
    fs_fixture_writes_left = 0;
    assert_int_equal(fs_fixture_unmount(&fs_step_fixture), EIO);
    fs_fixture_writes_left = ULONG_MAX;
    assert_int_equal(fs_fixture_mount(&fs_step_fixture, true), EROFS);
    assert_int_equal(fs_fixture_mount(&fs_step_fixture, false), 0);
    fs_step_lookup("/new");
    assert_int_equal(fs_fixture_unmount(&fs_step_fixture), 0);
    assert_true(fs_fixture_run(&fs_step_fixture, "e2fsck -fp %s") <=
                1); /* 1: it has put it right */
}

/* Whenever the disk stops taking writes while the volume is closed: what claims to be clean is. */
static void what_is_marked_clean_is_clean(void **state)
{
    (void)state;
    fs_step_host_file("file", 100000, 1);
    bool closed = false;
    for (unsigned long writes = 0; !closed && writes < 100; writes++) {
        fs_fixture_format(&fs_step_fixture, "-t ext4", "16M");
        fs_fixture_writes_left = ULONG_MAX;
        assert_int_equal(fs_fixture_mount(&fs_step_fixture, true), 0);
        fs_step_create("/folder", S_IFDIR | 0755);
        assert_int_equal(fs_step_write(fs_step_create("/folder/new", 0600), 0, 50000, 1), 0);
        assert_int_equal(volume_remove(fs_step_fixture.volume, "/file"), 0);
        fs_fixture_writes_left = writes;
        closed = fs_fixture_unmount(&fs_step_fixture) == 0;
        if (fs_fixture_run(&fs_step_fixture, "dumpe2fs -h %s | grep -q 'state: *clean'") == 0)
            fs_fixture_check(&fs_step_fixture);
        else
            assert_false(closed);
    }
    assert_true(closed);
}

static void a_disk_that_fails_is_an_error(void **state)
{
    (void)state;
    fs_step_host_file("file", 3 << 20, 1);
    fs_fixture_format(&fs_step_fixture, "-t ext4 -b 4096", "16M");
    for (unsigned long reads = 0; reads < 12; reads++) {
        fs_fixture_reads_left = reads;
        if (fs_fixture_mount(&fs_step_fixture, false) == 0) {
            unsigned char *data = malloc(1 << 20);
            uint32_t done;
            struct fs_status status;
            int error = volume_lookup(fs_step_fixture.volume, "/file", true, &status);
            if (error == 0) {
                fs_fixture_reads_left = 0;
                error = volume_read(fs_step_fixture.volume, status.inode, 1 << 20, 1 << 20, data,
                                    &done);
            }
            assert_int_equal(error, EIO);
            free(data);
            fs_fixture_unmount(&fs_step_fixture);
        }
    }
    fs_fixture_reads_left = ULONG_MAX;

    assert_int_equal(fs_fixture_mount(&fs_step_fixture, true), 0);
    fs_step_create("/new", 0600);
    fs_fixture_writes_left = 0;
    assert_int_equal(volume_sync(fs_step_fixture.volume), EIO);
    assert_int_equal(volume_sync(fs_step_fixture.volume),
                     EIO); /* still not durable: still an error */
    fs_fixture_writes_left = ULONG_MAX;
    assert_int_equal(volume_sync(fs_step_fixture.volume), 0);
    assert_int_equal(fs_fixture_unmount(&fs_step_fixture), 0);
    fs_fixture_check(&fs_step_fixture);
}

static void large_files_travel_in_large_requests(void **state)
{
    (void)state;
    fs_step_host_file("large", 8 << 20, 1);
    fs_fixture_format(&fs_step_fixture, "-t ext4 -b 4096", "32M");
    assert_int_equal(fs_fixture_mount(&fs_step_fixture, true), 0);
    unsigned long before = fs_fixture_reads;
    fs_step_expect_file("/large", 8 << 20, 1);
    assert_true(fs_fixture_reads - before < 80); /* the device takes 128 KiB at a time */

    uint32_t inode = fs_step_create("/copy", 0600);
    before = fs_fixture_writes;
    unsigned long reads = fs_fixture_reads;
    for (uint32_t at = 0; at < 8 << 20; at += 1 << 20)
        assert_int_equal(fs_step_write(inode, at, 1 << 20, 1), 0);
    assert_int_equal(volume_sync(fs_step_fixture.volume), 0);
    assert_true(fs_fixture_writes - before < 100);
    assert_true(fs_fixture_reads - reads < 100);
    assert_int_equal(fs_fixture_unmount(&fs_step_fixture), 0);
    fs_fixture_check(&fs_step_fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_STEP_TEST(a_full_disk_is_an_error),
        FS_STEP_TEST(images_that_are_refused),
        FS_STEP_TEST(what_is_dirty_may_only_be_read),
        FS_STEP_TEST(what_is_marked_clean_is_clean),
        FS_STEP_TEST(a_disk_that_fails_is_an_error),
        FS_STEP_TEST(large_files_travel_in_large_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
