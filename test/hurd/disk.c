/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The disk as libstore and ext2fs use it, one call after the other.
 */
#include <stdio.h>
#include <string.h>

#include <device/device_types.h>

#include <kernel/device_user.h>

#include <host/mach/memory.h>
#include <host/mach/port.h>

#include "stand_in.h"

enum {
    PAGE = 4096,
    FILE_WRITE = 128 << 10,
    LONGEST = 1 << 20,
    QUIET_MAX = 16 << 20,
    REOPENS = 1500
};

/* What a store falls back on. */
static void size_check(const struct disk *disk)
{
    int status[DEV_STATUS_MAX] = {0};
    mach_msg_type_number_t count = DEV_STATUS_MAX;
    uint64_t size = disk->records * disk->record_size;

    if (!check_equal("device_get_status of the size", D_SUCCESS,
                     device_get_status(disk->port, DEV_GET_SIZE, status, &count)) ||
        !check_equal("device_get_status of the size: numbers", DEV_GET_SIZE_COUNT, count))
        return;
    check_equal("record size beside the size", disk->record_size, status[DEV_GET_SIZE_RECORD_SIZE]);
    if (size <= INT32_MAX) /* a larger one has no room there */
        check_equal("size", (int64_t)size, status[DEV_GET_SIZE_DEVICE_SIZE]);
}

/* As libstore opens a device: to write if it can be had. */
bool disk_open(mach_port_t master, const char *name, struct disk *disk)
{
    int status[DEV_STATUS_MAX] = {0};
    mach_msg_type_number_t count = DEV_STATUS_MAX;
    io_return_t code = device_open(master, D_READ | D_WRITE, name, &disk->port);

    disk->writable = code == D_SUCCESS;
    if (code == D_READ_ONLY)
        code = device_open(master, D_READ, name, &disk->port);
    if (!check_equal("device_open of the disk", D_SUCCESS, code) ||
        !check_true(MACH_PORT_VALID(disk->port), "device_open of the disk", "a port"))
        return false;

    code = device_get_status(disk->port, DEV_GET_RECORDS, status, &count);
    if (!check_equal("device_get_status of records", D_SUCCESS, code) ||
        !check_equal("device_get_status of records: numbers", DEV_GET_RECORDS_COUNT, count))
        return false;
    disk->records = (uint32_t)status[DEV_GET_RECORDS_DEVICE_RECORDS];
    disk->record_size = (uint32_t)status[DEV_GET_RECORDS_RECORD_SIZE];
    check_note("%s: %llu records of %u%s", name, (unsigned long long)disk->records,
               disk->record_size, disk->writable ? "" : ", read-only");
    size_check(disk);
    return check_true(status[DEV_GET_RECORDS_DEVICE_RECORDS] > 0, "records", "a positive number") &&
           check_true(disk->record_size >= 512 && 1024 % disk->record_size == 0, "record size",
                      "a divisor of 1024, of 512 or more");
}

void disk_reopen(mach_port_t master, const char *name)
{
    for (unsigned i = 0; i < REOPENS; i++) {
        mach_port_t port = MACH_PORT_NULL;
        if (!check_equal("device_open of the disk, again", D_SUCCESS,
                         device_open(master, D_READ, name, &port)))
            return;
        port_release(port);
    }
}

unsigned char *disk_read(const struct disk *disk, uint64_t record, uint64_t bytes)
{
    io_buf_ptr_t data = NULL;
    mach_msg_type_number_t size = 0;
    char what[60];
    io_return_t code = device_read(disk->port, 0, record, (int)bytes, &data, &size);

    snprintf(what, sizeof(what), "device_read of %llu at %llu", (unsigned long long)bytes,
             (unsigned long long)record);
    if (!check_equal(what, D_SUCCESS, code))
        return NULL;
    if (!check_equal(what, (int64_t)bytes, size)) {
        memory_pages_free(data, size);
        return NULL;
    }
    content_check(what, record, bytes / disk->record_size, (unsigned char *)data);
    return (unsigned char *)data;
}

static void disk_look(const struct disk *disk, uint64_t record, uint64_t bytes)
{
    memory_pages_free(disk_read(disk, record, bytes), bytes);
}

bool disk_write(const struct disk *disk, uint64_t record, uint64_t bytes)
{
    unsigned char *data = memory_pages_allocate(bytes);
    int written = 0;
    char what[60];

    if (!check_true(data != NULL, "memory for a write", "there"))
        return false;
    content_make(record, bytes / disk->record_size, data);
    io_return_t code =
        device_write(disk->port, 0, record, (io_buf_ptr_t)data, (unsigned)bytes, &written);
    memory_pages_free(data, bytes);
    snprintf(what, sizeof(what), "device_write of %llu at %llu", (unsigned long long)bytes,
             (unsigned long long)record);
    bool done = check_equal(what, D_SUCCESS, code) && check_equal(what, (int64_t)bytes, written);
    content_settle(record, bytes / disk->record_size, done);
    return done;
}

void disk_flush(const struct disk *disk)
{
    check_equal("device_set_status to flush", D_SUCCESS,
                device_set_status(disk->port, DEV_FLUSH_CACHE, NULL, 0));
}

/* From the scratch area if that is long enough, or from the beginning. */
static uint64_t place_of(const struct options *options, uint64_t records)
{
    return options->scratch_records >= records ? options->scratch_start : 0;
}

/* storeio passes sizes through. */
void disk_sizes(const struct disk *disk, const struct options *options)
{
    static const uint64_t sizes[] = {512,       1024,          1536,      PAGE,
                                     3 * PAGE,  16 * PAGE,     128 << 10, 192 << 10,
                                     512 << 10, LONGEST - 512, LONGEST};

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        uint64_t count = sizes[i] / disk->record_size;
        if (sizes[i] % disk->record_size != 0 || count + 1 > disk->records)
            continue;
        uint64_t record = place_of(options, count + 1);
        disk_look(disk, record, sizes[i]);
        disk_look(disk, record + 1, sizes[i]);
        disk_look(disk, disk->records - count, sizes[i]);
    }
}

static void read_refused(const struct disk *disk, const char *what, uint64_t record, int bytes)
{
    io_buf_ptr_t data = NULL;
    mach_msg_type_number_t size = 0;
    io_return_t code = device_read(disk->port, 0, record, bytes, &data, &size);

    if (!check_refused(what, code))
        memory_pages_free(data, size);
}

static void write_refused(const struct disk *disk, const char *what, uint64_t record,
                          uint64_t bytes)
{
    unsigned char *data = memory_pages_allocate(bytes ? bytes : 1);
    int written = 0;

    if (!check_true(data != NULL, "memory for a write", "there"))
        return;
    memset(data, 0xee, bytes ? bytes : 1);
    check_refused(
        what, device_write(disk->port, 0, record, (io_buf_ptr_t)data, (unsigned)bytes, &written));
    memory_pages_free(data, bytes ? bytes : 1);
}

void disk_mistakes(const struct disk *disk, const struct options *options)
{
    uint64_t end = disk->records;
    int size = (int)disk->record_size;

    read_refused(disk, "read at the end", end, size);
    read_refused(disk, "read far out", UINT64_MAX, size);
    read_refused(disk, "read where the offset wraps", UINT64_MAX / disk->record_size + 1, size);
    read_refused(disk, "read over the end", end - 1, 2 * size);
    read_refused(disk, "read of half a record", 0, size / 2);
    read_refused(disk, "read of a record and a byte", 0, size + 1);
    read_refused(disk, "read of less than nothing", 0, -size);
    if (!disk->writable || options->scratch_records == 0)
        return;
    write_refused(disk, "write at the end", end, disk->record_size);
    write_refused(disk, "write far out", UINT64_MAX, disk->record_size);
    write_refused(disk, "write over the end", end - 1, 2 * disk->record_size);
    write_refused(disk, "write of half a record", options->scratch_start, disk->record_size / 2);
    write_refused(disk, "write of a record and some", options->scratch_start,
                  disk->record_size + 8);
    disk_look(disk, options->scratch_start, disk->record_size);
    disk_look(disk, end - 1, disk->record_size);
}

uint64_t disk_quiet_records(const struct disk *disk, const struct options *options)
{
    uint64_t records = options->scratch_records ? options->scratch_start : disk->records;

    return records < QUIET_MAX / disk->record_size ? records : QUIET_MAX / disk->record_size;
}

static void range_look(const struct disk *disk, uint64_t start, uint64_t records)
{
    uint64_t step = FILE_WRITE / disk->record_size;

    for (uint64_t done = 0; done < records; done += step) {
        uint64_t count = records - done < step ? records - done : step;
        disk_look(disk, start + done, count * disk->record_size);
    }
}

void disk_survey(const struct disk *disk, const struct options *options)
{
    range_look(disk, 0, disk_quiet_records(disk, options));
    range_look(disk, options->scratch_start, options->scratch_records);
}

/* Pages, from the tree's part and the scratch area in turn. */
void disk_reads(const struct disk *disk, const struct options *options)
{
    uint64_t page = PAGE / disk->record_size;
    uint64_t quiet = disk_quiet_records(disk, options);

    for (uint64_t i = 0; i < options->reads; i++) {
        bool scratch = options->scratch_records >= page && (i % 2 == 1 || quiet < page);
        uint64_t start = scratch ? options->scratch_start : 0;
        uint64_t room = scratch ? options->scratch_records : quiet;
        if (!check_true(room >= page, "what there is to read", "at least a page"))
            return;
        disk_look(disk, start + random_next() % (room / page) * page, PAGE);
    }
}

void disk_writes(const struct disk *disk, const struct options *options)
{
    uint64_t page = PAGE / disk->record_size, file = FILE_WRITE / disk->record_size;
    uint64_t start = options->scratch_start, end = start + options->scratch_records;

    if (!disk->writable || options->scratch_records == 0)
        return;
    for (uint64_t record = start; record + file <= end; record += file)
        disk_write(disk, record, FILE_WRITE);
    for (uint64_t i = 0; i < 64 && options->scratch_records >= page; i++) {
        uint64_t record = start + random_next() % (options->scratch_records - page + 1);
        disk_write(disk, record, PAGE); /* at any record: the blocks under it may be larger */
        if (i % 16 == 0)
            disk_flush(disk);
    }
    disk_write(disk, start, disk->record_size);
    disk_flush(disk);
}
