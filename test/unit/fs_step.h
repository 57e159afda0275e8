/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the file system tests do again and again, on one fixture. A step that should succeed fails
 * the test if it does not; those named _error return the errno value.
 */
#ifndef TEST_UNIT_FS_STEP_H
#define TEST_UNIT_FS_STEP_H

#include <interface/fs.h>
#include <interface/types.h>
#include <kit/log.h>
#include <test/unit/cmocka.h>
#include <test/unit/fs_fixture.h>

extern struct fs_fixture fs_step_fixture;
extern char fs_step_log[LOG_LINE_SIZE]; /* the last line that was logged */

/* cmocka's set-up and tear-down. */
int fs_step_begin(void **state);
int fs_step_end(void **state);
#define FS_STEP_TEST(name) cmocka_unit_test_setup_teardown(name, fs_step_begin, fs_step_end)

/* Contents that tell a byte's place. */
void fs_step_bytes(unsigned char *data, size_t size, uint64_t offset, unsigned seed);

/* A file of such contents for the image that is to be made. */
void fs_step_host_file(const char *name, size_t size, unsigned seed);

struct fs_status fs_step_lookup(const char *path);
int fs_step_lookup_error(const char *path, bool follow);

/* Reading `count` bytes gives `expected`, with those contents. */
void fs_step_expect_bytes(uint32_t inode, uint64_t offset, uint32_t count, uint32_t expected,
                          unsigned seed);
void fs_step_expect_file(const char *path, uint64_t size, unsigned seed);

uint32_t fs_step_create(const char *path, uint32_t mode);
int fs_step_create_error(const char *path, uint32_t mode);
int fs_step_write(uint32_t inode, uint64_t offset, uint32_t count, unsigned seed);

#endif
