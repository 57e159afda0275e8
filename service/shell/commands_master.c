/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Block devices through the kernel's device interface, which the device service has.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <device/device_types.h>
#include <sha2.h>

#include <kernel/device_reply_server.h>
#include <kernel/device_request_user.h>
#include <kernel/device_user.h>
#include <kernel/mach_port_user.h>

#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <kit/clock.h>

#include "console.h"
#include "device_port.h"
#include "pattern.h"
#include "shell.h"

enum { RECORD_SIZE = 512, BYTES_MAX = 64 << 20, PARTS_MAX = 256, OPERATIONS_MAX = 1 << 20 };

static int complain(const char *command, const char *what, kern_return_t code)
{
    console_print("%s: %s: %s\n", command, what, device_code_name(code));
    return 1;
}

/* Each request that is in flight has a reply port of its own. */
static struct reader {
    mach_port_t port;
    kern_return_t code;
    char *data;
    mach_msg_type_number_t size;
} readers[PARTS_MAX];
static unsigned reader_count;

kern_return_t device_read_reply(mach_port_t port, kern_return_t code, io_buf_ptr_t data,
                                mach_msg_type_number_t size)
{
    for (unsigned i = 0; i < reader_count; i++) {
        if (readers[i].port == port) {
            readers[i].code = code;
            readers[i].data = data;
            readers[i].size = size;
            return KERN_SUCCESS;
        }
    }
    return KERN_INVALID_ARGUMENT;
}

static kern_return_t reader_open(struct reader *reader)
{
    *reader = (struct reader){.code = MIG_SERVER_DIED};
    return mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &reader->port);
}

/* A refusal comes as a plain error, which has no data. */
static void reader_wait(struct reader *reader)
{
    union {
        mach_msg_header_t header;
        mig_reply_header_t result;
        char bytes[256];
    } message, ignored;

    if (mach_msg(&message.header, MACH_RCV_MSG, 0, sizeof(message), reader->port, 0,
                 MACH_PORT_NULL) != MACH_MSG_SUCCESS)
        return;
    if (message.header.msgh_size == sizeof(mig_reply_header_t) &&
        !(message.header.msgh_bits & MACH_MSGH_BITS_COMPLEX))
        reader->code = message.result.RetCode;
    else
        device_reply_server(&message.header, &ignored.header);
}

static void reader_end(struct reader *reader)
{
    memory_pages_free(reader->data, reader->size);
    if (reader->port != MACH_PORT_NULL)
        mach_port_mod_refs(mach_task_self(), reader->port, MACH_PORT_RIGHT_RECEIVE, -1);
}

/* All requests are sent before the first answer is taken. */
static kern_return_t parts_read(mach_port_t device, recnum_t record, uint64_t bytes, unsigned parts,
                                SHA2_CTX *sum)
{
    uint64_t each = (bytes / parts + RECORD_SIZE - 1) / RECORD_SIZE * RECORD_SIZE;
    kern_return_t code = KERN_SUCCESS;

    reader_count = 0;
    for (uint64_t done = 0; (done < bytes || done == 0) && code == KERN_SUCCESS;) {
        uint64_t part = bytes - done < each || parts == 1 ? bytes - done : each;
        struct reader *reader = &readers[reader_count++];
        code = reader_open(reader);
        if (code == KERN_SUCCESS)
            code = device_read_request(device, reader->port, D_READ, record + done / RECORD_SIZE,
                                       (int)part);
        done += part ? part : 1;
    }
    for (unsigned i = 0; i < reader_count; i++) {
        if (code == KERN_SUCCESS || i + 1 < reader_count)
            reader_wait(&readers[i]);
        if (code == KERN_SUCCESS)
            code = readers[i].code;
        if (code == KERN_SUCCESS)
            SHA256Update(sum, (const uint8_t *)readers[i].data, readers[i].size);
        reader_end(&readers[i]);
    }
    return code;
}

static int device_read_run(unsigned count, char **words)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    uint64_t record, bytes, parts = 1;
    SHA2_CTX sum;

    if (count < 4 || count > 5 || !shell_number(words[2], &record) ||
        !shell_number(words[3], &bytes) || (count > 4 && !shell_number(words[4], &parts)) ||
        bytes > BYTES_MAX || parts == 0 || parts > PARTS_MAX)
        return SHELL_USAGE;
    mach_port_t device = device_port(words[0], words[1], D_READ);
    if (device == MACH_PORT_NULL)
        return 1;
    SHA256Init(&sum);
    kern_return_t code = parts_read(device, record, bytes, (unsigned)parts, &sum);
    port_release(device);
    if (code != KERN_SUCCESS)
        return complain(words[0], words[1], code);
    SHA256Final(digest, &sum);
    for (unsigned i = 0; i < sizeof(digest); i++)
        console_print("%02x", digest[i]);
    console_print("  %s\n", words[1]);
    return 0;
}

static int device_write_run(unsigned count, char **words)
{
    uint64_t record, bytes, seed;
    int written = 0;

    if (count != 5 || !shell_number(words[2], &record) || !shell_number(words[3], &bytes) ||
        !shell_number(words[4], &seed) || bytes > BYTES_MAX || bytes % 8 != 0)
        return SHELL_USAGE;
    unsigned char *data = memory_pages_allocate(bytes + RECORD_SIZE);
    if (!data)
        return shell_complain(words[0], words[1], ENOMEM);
    mach_port_t device = device_port(words[0], words[1], D_READ | D_WRITE);
    if (device == MACH_PORT_NULL) {
        memory_pages_free(data, bytes + RECORD_SIZE);
        return 1;
    }
    for (uint64_t done = 0; done < bytes; done += RECORD_SIZE)
        pattern_fill(data + done, RECORD_SIZE, record + done / RECORD_SIZE, seed);
    kern_return_t code = device_write(device, D_WRITE, record, (char *)data,
                                      (mach_msg_type_number_t)bytes, &written);
    if (code == KERN_SUCCESS)
        code = device_set_status(device, DEV_FLUSH_CACHE, NULL, 0);
    port_release(device);
    memory_pages_free(data, bytes + RECORD_SIZE);
    if (code != KERN_SUCCESS)
        return complain(words[0], words[1], code);
    console_print("%s: wrote %d bytes\n", words[1], written);
    return 0;
}

static int device_status_run(unsigned count, char **words)
{
    int size[DEV_STATUS_MAX], records[DEV_STATUS_MAX];
    mach_msg_type_number_t size_count = DEV_GET_SIZE_COUNT, records_count = DEV_STATUS_MAX;

    if (count != 2)
        return SHELL_USAGE;
    mach_port_t device = device_port(words[0], words[1], 0);
    if (device == MACH_PORT_NULL)
        return 1;
    kern_return_t code = device_get_status(device, DEV_GET_SIZE, size, &size_count);
    if (code == KERN_SUCCESS)
        code = device_get_status(device, DEV_GET_RECORDS, records, &records_count);
    port_release(device);
    if (code != KERN_SUCCESS)
        return complain(words[0], words[1], code);
    console_print("%s: size %d (%u), records %d of %d (%u)\n", words[1],
                  size[DEV_GET_SIZE_DEVICE_SIZE], size_count,
                  records[DEV_GET_RECORDS_DEVICE_RECORDS], records[DEV_GET_RECORDS_RECORD_SIZE],
                  records_count);
    return 0;
}

static void told(const char *what, kern_return_t code)
{
    console_print("%s: %s\n", what, device_code_name(code));
}

/* Calls that no other command makes. The first record is written to. */
static void calls_try(mach_port_t device)
{
    char text[IO_INBAND_MAX] = "written inband", bytes[IO_INBAND_MAX] = "";
    int status[DEV_STATUS_MAX], one = 1, written = 0;
    mach_msg_type_number_t size = 0, count = 1;
    mach_port_t pager = MACH_PORT_NULL;

    told("map", device_map(device, VM_PROT_READ, 0, 4096, &pager, 0));
    told("get_status with room for one", device_get_status(device, DEV_GET_SIZE, status, &count));
    count = DEV_STATUS_MAX;
    told("get_status 99", device_get_status(device, 99, status, &count));
    told("set_status 99", device_set_status(device, 99, &one, 1));
    told("flush with a status", device_set_status(device, DEV_FLUSH_CACHE, &one, 1));
    told("flush", device_set_status(device, DEV_FLUSH_CACHE, NULL, 0));
    told("write_inband", device_write_inband(device, 0, 0, text, 14, &written));
    size = sizeof(bytes); /* the room there is */
    told("read_inband", device_read_inband(device, 0, 0, 20, bytes, &size));
    console_print("%d written, %u read: %.14s\n", written, size, bytes);
    told("read_inband of 0", device_read_inband(device, 0, 0, 0, bytes, &size));
    told("read_inband of 129", device_read_inband(device, 0, 0, IO_INBAND_MAX + 1, bytes, &size));
    told("write of 0", device_write(device, 0, 0, bytes, 0, &written));
    told("read of -512", device_read(device, 0, 0, -512, &(char *){NULL}, &size));
    told("close", device_close(device));
    told("read when closed", device_read(device, 0, 0, 512, &(char *){NULL}, &size));
}

static int device_calls_run(unsigned count, char **words)
{
    if (count != 2)
        return SHELL_USAGE;
    mach_port_t device = device_port(words[0], words[1], D_READ | D_WRITE);
    if (device == MACH_PORT_NULL)
        return 1;
    calls_try(device);
    port_release(device);
    return 0;
}

struct reads {
    mach_port_t device;
    uint64_t operations, size, depth;
    uint64_t positions, position;
};

static recnum_t record_next(struct reads *reads)
{
    reads->position =
        reads->position * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (reads->position >> 33) % reads->positions * (reads->size / RECORD_SIZE);
}

static kern_return_t reads_run_alone(struct reads *reads, uint64_t operations)
{
    kern_return_t code = KERN_SUCCESS;

    for (uint64_t i = 0; i < operations && code == KERN_SUCCESS; i++) {
        char *data = NULL;
        mach_msg_type_number_t got = 0;
        code =
            device_read(reads->device, D_READ, record_next(reads), (int)reads->size, &data, &got);
        if (code == KERN_SUCCESS && got > 0)
            (void)*(volatile char *)data; /* who reads looks at it */
        memory_pages_free(data, got);
    }
    return code;
}

/* As many requests as the depth says, then as many answers, and again. */
static kern_return_t reads_run_many(struct reads *reads, uint64_t operations)
{
    kern_return_t code = KERN_SUCCESS;

    for (uint64_t done = 0; done < operations && code == KERN_SUCCESS; done += reader_count) {
        unsigned sent = 0, count = reader_count;
        while (sent < count && code == KERN_SUCCESS) {
            code = device_read_request(reads->device, readers[sent].port, D_READ,
                                       record_next(reads), (int)reads->size);
            sent += code == KERN_SUCCESS;
        }
        for (unsigned i = 0; i < sent; i++) {
            reader_wait(&readers[i]);
            if (readers[i].code != KERN_SUCCESS)
                code = readers[i].code;
            memory_pages_free(readers[i].data, readers[i].size);
            readers[i].data = NULL;
            readers[i].size = 0;
        }
    }
    return code;
}

static kern_return_t reads_run(struct reads *reads, uint64_t operations)
{
    return reads->depth == 1 ? reads_run_alone(reads, operations)
                             : reads_run_many(reads, operations);
}

static kern_return_t reads_prepare(struct reads *reads)
{
    int records[DEV_GET_RECORDS_COUNT] = {0};
    mach_msg_type_number_t count = DEV_GET_RECORDS_COUNT;
    kern_return_t code = device_get_status(reads->device, DEV_GET_RECORDS, records, &count);

    reads->positions =
        (uint64_t)records[DEV_GET_RECORDS_DEVICE_RECORDS] / (reads->size / RECORD_SIZE);
    if (code == KERN_SUCCESS && reads->positions == 0)
        code = D_INVALID_SIZE;
    for (reader_count = 0; reader_count < reads->depth && code == KERN_SUCCESS; reader_count++)
        code = reader_open(&readers[reader_count]);
    return code == KERN_SUCCESS ? reads_run(reads, reads->depth) : code; /* first touches */
}

static kern_return_t reads_measure(struct reads *reads, uint64_t *took)
{
    uint64_t start = clock_now();

    bench_mark_begin();
    kern_return_t code = reads_run(reads, reads->operations);
    bench_mark_end();
    *took = clock_now() - start;
    return code;
}

static int device_bench_run(unsigned count, char **words)
{
    struct reads reads = {.size = 4096, .depth = 1};
    uint64_t took = 0;

    if (count < 3 || count > 5 || !shell_number(words[2], &reads.operations) ||
        (count > 3 && !shell_number(words[3], &reads.size)) ||
        (count > 4 && !shell_number(words[4], &reads.depth)) || reads.operations > OPERATIONS_MAX ||
        reads.size < RECORD_SIZE || reads.size > BYTES_MAX || reads.depth == 0 ||
        reads.depth > PARTS_MAX || reads.operations % reads.depth != 0)
        return SHELL_USAGE;
    reads.device = device_port(words[0], words[1], D_READ);
    if (reads.device == MACH_PORT_NULL)
        return 1;
    kern_return_t code = reads_prepare(&reads);
    if (code == KERN_SUCCESS)
        code = reads_measure(&reads, &took);
    for (unsigned i = 0; i < reader_count; i++)
        reader_end(&readers[i]);
    port_release(reads.device);
    if (code != KERN_SUCCESS)
        return complain(words[0], words[1], code);
    console_print("%llu operations in %llu us\n", (unsigned long long)reads.operations,
                  (unsigned long long)(took / 1000));
    return 0;
}

const struct command commands_master[] = {
    {"device-read", "DEVICE RECORD BYTES [PARTS]", "SHA-256 of what device_read gives",
     device_read_run},
    {"device-write", "DEVICE RECORD BYTES SEED", "device_write of a pattern in 512-byte records",
     device_write_run},
    {"device-status", "DEVICE", "device_get_status", device_status_run},
    {"device-calls", "DEVICE", "what other calls answer; writes into record 0", device_calls_run},
    {"device-bench", "DEVICE OPERATIONS [BYTES [DEPTH]]",
     "device_read, random; DEPTH, of which OPERATIONS is a multiple, at a time", device_bench_run},
    {0},
};
