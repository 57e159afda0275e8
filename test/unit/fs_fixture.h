/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * File system images made by mke2fs, behind a block client that is a file.
 */
#ifndef TEST_UNIT_FS_FIXTURE_H
#define TEST_UNIT_FS_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <service/fs/disk.h>
#include <service/fs/volume.h>

struct fs_fixture {
    char folder[64]; /* everything of this test; removed at the end */
    char image[96];
    char tree[96]; /* what the image was made from */
    uint32_t unit; /* the device's block size */
    struct block_client *client;
    struct disk *disk;
    struct volume *volume;
};

/* Make an empty `tree`. */
void fs_fixture_begin(struct fs_fixture *fixture);
void fs_fixture_end(struct fs_fixture *fixture);

/* `options` are mke2fs's; the image is filled from `tree`. */
void fs_fixture_format(struct fs_fixture *fixture, const char *options, const char *size);

/* 0 or what volume_open said. */
int fs_fixture_mount(struct fs_fixture *fixture, bool write);
/* volume_close, and the client after it. */
int fs_fixture_unmount(struct fs_fixture *fixture);
/* The exit status of a shell command; %s is the image. */
int fs_fixture_run(const struct fs_fixture *fixture, const char *format);
void fs_fixture_check(const struct fs_fixture *fixture); /* e2fsck -fn finds nothing */

/* Overwrite bytes of the image. */
void fs_fixture_poke(const struct fs_fixture *fixture, long offset, const void *data, size_t size);

/* From now on, how many more requests of that kind succeed before every one fails with EIO. */
extern unsigned long fs_fixture_reads_left, fs_fixture_writes_left;
/* Since the last mount. */
extern unsigned long fs_fixture_reads, fs_fixture_writes, fs_fixture_flushes;

#endif
