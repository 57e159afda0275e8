/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kit/block_client.h>
#include <test/unit/cmocka.h>
#include <test/unit/fs_fixture.h>

unsigned long fs_fixture_reads_left = ULONG_MAX, fs_fixture_writes_left = ULONG_MAX;
unsigned long fs_fixture_reads, fs_fixture_writes, fs_fixture_flushes;

struct block_client {
    int file;
    bool write;
    struct block_info info;
    unsigned char *memory;
    size_t size;
};

static struct fs_fixture *opening;

int block_client_open(const char *name, bool write, struct block_client **result)
{
    struct block_client *client = calloc(1, sizeof(*client));
    struct stat status;

    (void)name;
    assert_non_null(client);
    client->file = open(opening->image, write ? O_RDWR : O_RDONLY);
    client->write = write;
    assert_true(client->file >= 0);
    assert_int_equal(fstat(client->file, &status), 0);
    client->info = (struct block_info){
        .blocks = (uint64_t)status.st_size / opening->unit,
        .block_size = opening->unit,
        .max_transfer = 128 << 10,
    };
    *result = client;
    return 0;
}

void block_client_close(struct block_client *client)
{
    close(client->file);
    free(client->memory);
    free(client);
}

const struct block_info *block_client_info(const struct block_client *client)
{
    return &client->info;
}

int block_client_buffer(struct block_client *client, size_t size, void **memory, uint32_t *buffer)
{
    assert_null(client->memory);
    client->memory = calloc(1, size);
    client->size = size;
    *memory = client->memory;
    *buffer = 7;
    return 0;
}

/* The range is inside the buffer, or the service is at fault. */
static unsigned char *buffer_at(struct block_client *client, uint32_t buffer, uint64_t offset,
                                uint64_t length)
{
    assert_int_equal(buffer, 7);
    assert_true(offset <= client->size && length <= client->size - offset);
    return client->memory + offset;
}

int block_client_transfer(struct block_client *client, enum block_operation operation,
                          uint64_t block, uint64_t count, uint32_t buffer, uint64_t offset)
{
    if (operation == BLOCK_FLUSH) {
        fs_fixture_flushes++;
        return 0;
    }
    if (block > client->info.blocks || count > client->info.blocks - block)
        return ERANGE;
    if (operation == BLOCK_WRITE && !client->write)
        return EROFS;

    size_t length = count * client->info.block_size;
    off_t where = (off_t)(block * client->info.block_size);
    unsigned char *memory = buffer_at(client, buffer, offset, length);
    unsigned long *left =
        operation == BLOCK_READ ? &fs_fixture_reads_left : &fs_fixture_writes_left;
    if (*left == 0)
        return EIO;
    if (*left != ULONG_MAX)
        --*left;
    if (operation == BLOCK_READ) {
        fs_fixture_reads++;
        assert_int_equal(pread(client->file, memory, length, where), length);
    } else {
        fs_fixture_writes++;
        assert_int_equal(pwrite(client->file, memory, length, where), length);
    }
    return 0;
}

void fs_fixture_begin(struct fs_fixture *fixture)
{
    *fixture = (struct fs_fixture){.unit = 512};
    strcpy(fixture->folder, "/tmp/outboard-fs-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->image, sizeof(fixture->image), "%s/image", fixture->folder);
    snprintf(fixture->tree, sizeof(fixture->tree), "%s/tree", fixture->folder);
    assert_int_equal(mkdir(fixture->tree, 0755), 0);
    fs_fixture_reads_left = fs_fixture_writes_left = ULONG_MAX;
}

void fs_fixture_end(struct fs_fixture *fixture)
{
    char command[160];

    snprintf(command, sizeof(command), "rm -rf '%s'", fixture->folder);
    assert_int_equal(system(command), 0);
}

int fs_fixture_run(const struct fs_fixture *fixture, const char *format)
{
    char command[1024];
    const char *image = strstr(format, "%s");

    assert_non_null(image);
    snprintf(command, sizeof(command), "PATH=$PATH:/usr/sbin:/sbin; exec >>%s.log 2>&1; %.*s%s%s",
             fixture->image, (int)(image - format), format, fixture->image, image + 2);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void fs_fixture_format(struct fs_fixture *fixture, const char *options, const char *size)
{
    char command[512];

    snprintf(command, sizeof(command), "mke2fs -q -F %s -d %s %%s %s", options, fixture->tree,
             size);
    remove(fixture->image);
    assert_int_equal(fs_fixture_run(fixture, command), 0);
}

void fs_fixture_check(const struct fs_fixture *fixture)
{
    if (fs_fixture_run(fixture, "e2fsck -fn %s") != 0) {
        fs_fixture_run(fixture, "tail -40 %s.log >&2");
        char command[160];
        snprintf(command, sizeof(command), "tail -40 '%s.log' >&2", fixture->image);
        fail_msg("e2fsck finds damage (%d)", system(command));
    }
}

static void disk_close(struct fs_fixture *fixture)
{
    disk_destroy(fixture->disk);
    block_client_close(fixture->client);
}

int fs_fixture_mount(struct fs_fixture *fixture, bool write)
{
    opening = fixture;
    fs_fixture_reads = fs_fixture_writes = fs_fixture_flushes = 0;
    assert_int_equal(block_client_open("block", write, &fixture->client), 0);
    assert_int_equal(disk_create(fixture->client, &fixture->disk), 0);
    int error = volume_open(fixture->disk, write, &fixture->volume);
    if (error != 0)
        disk_close(fixture);
    return error;
}

int fs_fixture_unmount(struct fs_fixture *fixture)
{
    int error = volume_close(fixture->volume);

    disk_close(fixture);
    return error;
}

void fs_fixture_poke(const struct fs_fixture *fixture, long offset, const void *data, size_t size)
{
    int file = open(fixture->image, O_WRONLY);

    assert_true(file >= 0);
    assert_int_equal(pwrite(file, data, size, offset), size);
    close(file);
}
