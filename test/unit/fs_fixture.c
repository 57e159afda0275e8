/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kit/core/block_client.h>
#include <test/unit/cmocka.h>
#include <test/unit/fs_fixture.h>

unsigned long fs_fixture_reads_left = ULONG_MAX, fs_fixture_writes_left = ULONG_MAX;
unsigned long fs_fixture_reads, fs_fixture_writes, fs_fixture_flushes;

enum { BUFFERS = 2 };

/* To an image. */
struct block_client_link {
    struct block_client client;
    int file;
    bool write;
    unsigned buffers;
    unsigned char *memory[BUFFERS];
    size_t size[BUFFERS];
    struct block_submission queue[BLOCK_SLOTS];
    unsigned queued;
};

static struct fs_fixture *opening;

int block_client_open(const char *name, bool write, struct block_client **result)
{
    struct block_client_link *link = calloc(1, sizeof(*link));
    struct stat status;

    (void)name;
    assert_non_null(link);
    link->file = open(opening->image, write ? O_RDWR : O_RDONLY);
    link->write = write;
    assert_true(link->file >= 0);
    assert_int_equal(fstat(link->file, &status), 0);
    const struct block_info info = {
        .blocks = (uint64_t)status.st_size / opening->unit,
        .block_size = opening->unit,
        .max_transfer = 128 << 10,
    };
    block_client_init(&link->client, &info, link);
    *result = &link->client;
    return 0;
}

void block_client_close(struct block_client *client)
{
    struct block_client_link *link = client->link;

    assert_int_equal(block_client_in_flight(client), 0);
    close(link->file);
    for (unsigned i = 0; i < link->buffers; i++)
        free(link->memory[i]);
    free(link);
}

int block_client_buffer(struct block_client *client, size_t size, void **memory, uint32_t *buffer)
{
    struct block_client_link *link = client->link;

    assert_in_range(link->buffers, 0, BUFFERS - 1);
    link->memory[link->buffers] = calloc(1, size);
    link->size[link->buffers] = size;
    *memory = link->memory[link->buffers];
    *buffer = link->buffers++;
    return 0;
}

int block_client_link_send(struct block_client_link *link,
                           const struct block_submission *submissions, unsigned count,
                           bool scattered)
{
    const struct block_info *info = &link->client.info;

    assert_false(scattered);
    assert_true(count <= BLOCK_SLOTS - link->queued);
    for (unsigned i = 0; i < count; i++) {
        const struct block_submission *submission = &submissions[i];
        if (submission->operation != BLOCK_FLUSH)
            assert_true(submission->block <= info->blocks &&
                        submission->count <= info->blocks - submission->block &&
                        (uint64_t)submission->count * info->block_size <= info->max_transfer);
        link->queue[link->queued++] = *submission;
    }
    return 0;
}

static enum block_status carry_out(struct block_client_link *link,
                                   const struct block_submission *submission)
{
    if (submission->operation == BLOCK_FLUSH) {
        fs_fixture_flushes++;
        return BLOCK_STATUS_OK;
    }
    if (submission->operation == BLOCK_WRITE && !link->write)
        return BLOCK_STATUS_READ_ONLY;

    const struct block_info *info = &link->client.info;
    size_t length = (size_t)submission->count * info->block_size;
    off_t where = (off_t)(submission->block * info->block_size);
    /* The range is inside the buffer, or the service is at fault. */
    assert_true(submission->buffer < link->buffers);
    size_t size = link->size[submission->buffer];
    assert_true(submission->offset <= size && length <= size - submission->offset);
    unsigned char *memory = link->memory[submission->buffer] + submission->offset;
    unsigned long *left =
        submission->operation == BLOCK_READ ? &fs_fixture_reads_left : &fs_fixture_writes_left;
    if (*left == 0)
        return BLOCK_STATUS_MEDIUM;
    if (*left != ULONG_MAX)
        --*left;
    if (submission->operation == BLOCK_READ) {
        fs_fixture_reads++;
        assert_int_equal(pread(link->file, memory, length, where), length);
    } else {
        fs_fixture_writes++;
        assert_int_equal(pwrite(link->file, memory, length, where), length);
    }
    return BLOCK_STATUS_OK;
}

/* In any order: a device need not keep one. */
int block_client_link_receive(struct block_client_link *link,
                              const volatile struct block_completion **completions, unsigned *count)
{
    static struct block_completion answer;

    assert_int_not_equal(link->queued, 0); /* else it would wait for ever */
    unsigned which = (unsigned)rand() % link->queued;
    struct block_submission submission = link->queue[which];
    link->queue[which] = link->queue[--link->queued];
    enum block_status status = carry_out(link, &submission);
    bool moved = status == BLOCK_STATUS_OK && submission.operation != BLOCK_FLUSH;
    answer = (struct block_completion){
        .slot = submission.slot,
        .status = (uint16_t)status,
        .generation = submission.generation,
        .length = moved ? submission.count * link->client.info.block_size : 0,
    };
    *completions = &answer;
    *count = 1;
    return 0;
}

int block_client_link_poll(struct block_client_link *link,
                           const volatile struct block_completion **completions, unsigned *count)
{
    *count = 0;
    return link->queued > 0 && rand() % 2 ? block_client_link_receive(link, completions, count) : 0;
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
