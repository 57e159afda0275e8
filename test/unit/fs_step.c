/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <test/unit/cmocka.h>
#include <test/unit/fs_step.h>

struct fs_fixture fs_step_fixture;
char fs_step_log[LOG_LINE_SIZE];

void log_write(enum log_level level, const char *format, ...)
{
    va_list arguments;

    (void)level;
    va_start(arguments, format);
    vsnprintf(fs_step_log, sizeof(fs_step_log), format, arguments);
    va_end(arguments);
}

int fs_step_begin(void **state)
{
    (void)state;
    fs_step_log[0] = '\0';
    fs_fixture_begin(&fs_step_fixture);
    return 0;
}

int fs_step_end(void **state)
{
    (void)state;
    fs_fixture_end(&fs_step_fixture);
    return 0;
}

/* Contents that tell a byte's place. */
void fs_step_bytes(unsigned char *data, size_t size, uint64_t offset, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        uint64_t x = (offset + i) * UINT64_C(0x9e3779b97f4a7c15) + seed;
        data[i] = (unsigned char)(x >> 40);
    }
}

void fs_step_host_file(const char *name, size_t size, unsigned seed)
{
    char path[200];
    unsigned char *data = malloc(size + 1);

    snprintf(path, sizeof(path), "%s/%s", fs_step_fixture.tree, name);
    fs_step_bytes(data, size, 0, seed);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(file >= 0);
    assert_int_equal(write(file, data, size), size);
    close(file);
    free(data);
}

struct fs_status fs_step_lookup(const char *path)
{
    struct fs_status status;
    int error = volume_lookup(fs_step_fixture.volume, path, true, &status);

    if (error != 0)
        fail_msg("%s: %s", path, strerror(error));
    return status;
}

int fs_step_lookup_error(const char *path, bool follow)
{
    struct fs_status status;

    return volume_lookup(fs_step_fixture.volume, path, follow, &status);
}

void fs_step_expect_bytes(uint32_t inode, uint64_t offset, uint32_t count, uint32_t expected,
                          unsigned seed)
{
    unsigned char *data = malloc(count), *wanted = malloc(count);
    uint32_t done = 12345;

    fs_step_bytes(wanted, expected, offset, seed);
    assert_int_equal(volume_read(fs_step_fixture.volume, inode, offset, count, data, &done), 0);
    assert_int_equal(done, expected);
    assert_memory_equal(data, wanted, expected);
    free(data);
    free(wanted);
}

void fs_step_expect_file(const char *path, uint64_t size, unsigned seed)
{
    struct fs_status status = fs_step_lookup(path);

    assert_int_equal(status.size, size);
    for (uint64_t at = 0; at < size; at += 1 << 20)
        fs_step_expect_bytes(status.inode, at, 1 << 20,
                             size - at < 1 << 20 ? (uint32_t)(size - at) : 1 << 20, seed);
}

uint32_t fs_step_create(const char *path, uint32_t mode)
{
    uint32_t inode = 0;
    int error = volume_create(fs_step_fixture.volume, path, mode, &inode);

    if (error != 0)
        fail_msg("%s: %s", path, strerror(error));
    return inode;
}

int fs_step_create_error(const char *path, uint32_t mode)
{
    uint32_t inode;

    return volume_create(fs_step_fixture.volume, path, mode, &inode);
}

int fs_step_write(uint32_t inode, uint64_t offset, uint32_t count, unsigned seed)
{
    unsigned char *data = malloc(count);

    fs_step_bytes(data, count, offset, seed);
    int error = volume_write(fs_step_fixture.volume, inode, offset, data, count);
    free(data);
    return error;
}
