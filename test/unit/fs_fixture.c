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

enum { REQUESTS = 64, BUFFERS = 2 };

struct block_client {
    int file;
    bool write;
    struct block_info info;
    unsigned buffers;
    unsigned char *memory[BUFFERS];
    size_t size[BUFFERS];
    unsigned in_flight;
    struct request {
        enum block_operation operation;
        uint64_t block, count, offset;
        uint32_t buffer;
        block_client_done done;
        void *context;
    } request[REQUESTS];
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
    assert_int_equal(client->in_flight, 0);
    close(client->file);
    for (unsigned i = 0; i < client->buffers; i++)
        free(client->memory[i]);
    free(client);
}

const struct block_info *block_client_info(const struct block_client *client)
{
    return &client->info;
}

int block_client_buffer(struct block_client *client, size_t size, void **memory, uint32_t *buffer)
{
    assert_in_range(client->buffers, 0, BUFFERS - 1);
    client->memory[client->buffers] = calloc(1, size);
    client->size[client->buffers] = size;
    *memory = client->memory[client->buffers];
    *buffer = client->buffers++;
    return 0;
}

/* The range is inside the buffer, or the service is at fault. */
static unsigned char *buffer_at(struct block_client *client, uint32_t buffer, uint64_t offset,
                                uint64_t length)
{
    assert_in_range(buffer, 0, client->buffers - 1);
    assert_true(offset <= client->size[buffer] && length <= client->size[buffer] - offset);
    return client->memory[buffer] + offset;
}

static enum block_status request_carry_out(struct block_client *client,
                                           const struct request *request)
{
    if (request->operation == BLOCK_FLUSH) {
        fs_fixture_flushes++;
        return BLOCK_STATUS_OK;
    }
    if (request->operation == BLOCK_WRITE && !client->write)
        return BLOCK_STATUS_READ_ONLY;

    size_t length = request->count * client->info.block_size;
    off_t where = (off_t)(request->block * client->info.block_size);
    unsigned char *memory = buffer_at(client, request->buffer, request->offset, length);
    unsigned long *left =
        request->operation == BLOCK_READ ? &fs_fixture_reads_left : &fs_fixture_writes_left;
    if (*left == 0)
        return BLOCK_STATUS_MEDIUM;
    if (*left != ULONG_MAX)
        --*left;
    if (request->operation == BLOCK_READ) {
        fs_fixture_reads++;
        assert_int_equal(pread(client->file, memory, length, where), length);
    } else {
        fs_fixture_writes++;
        assert_int_equal(pwrite(client->file, memory, length, where), length);
    }
    return BLOCK_STATUS_OK;
}

int block_client_submit(struct block_client *client, enum block_operation operation, uint64_t block,
                        uint32_t count, uint32_t buffer, uint64_t offset, block_client_done done,
                        void *context)
{
    bool moves = operation != BLOCK_FLUSH;

    assert_true(!moves || (block <= client->info.blocks && count <= client->info.blocks - block &&
                           (uint64_t)count * client->info.block_size <= client->info.max_transfer));
    if (client->in_flight == REQUESTS)
        return EAGAIN;
    client->request[client->in_flight++] = (struct request){
        .operation = operation,
        .block = block,
        .count = count,
        .offset = offset,
        .buffer = buffer,
        .done = done,
        .context = context,
    };
    return 0;
}

/* In any order: a device need not keep one. */
static void request_finish(struct block_client *client)
{
    unsigned which = (unsigned)rand() % client->in_flight;
    struct request request = client->request[which];

    client->request[which] = client->request[--client->in_flight];
    request.done(request.context, request_carry_out(client, &request));
}

int block_client_wait(struct block_client *client, bool all)
{
    do {
        if (client->in_flight > 0)
            request_finish(client);
    } while (all && client->in_flight > 0);
    return 0;
}

int block_client_poll(struct block_client *client)
{
    if (client->in_flight > 0 && rand() % 2)
        request_finish(client);
    return 0;
}

int block_status_error(enum block_status status)
{
    return status == BLOCK_STATUS_OK ? 0 : status == BLOCK_STATUS_READ_ONLY ? EROFS : EIO;
}

static void transfer_done(void *context, enum block_status status)
{
    *(int *)context = block_status_error(status);
}

int block_client_transfer(struct block_client *client, enum block_operation operation,
                          uint64_t block, uint64_t count, uint32_t buffer, uint64_t offset)
{
    int error = 0;

    assert_int_equal(block_client_submit(client, operation, block, (uint32_t)count, buffer, offset,
                                         transfer_done, &error),
                     0);
    block_client_wait(client, true);
    return error;
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
