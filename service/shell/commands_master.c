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
#include "pattern.h"
#include "shell.h"

enum { RECORD_SIZE = 512, BYTES_MAX = 64 << 20, PARTS_MAX = 256, OPERATIONS_MAX = 1 << 20 };

/* The kernel has no words for these. */
static const char *code_name(kern_return_t code)
{
    static const char *const names[] = {
        "D_IO_ERROR",    "D_WOULD_BLOCK",       "D_NO_SUCH_DEVICE", "D_ALREADY_OPEN",
        "D_DEVICE_DOWN", "D_INVALID_OPERATION", "D_INVALID_RECNUM", "D_INVALID_SIZE",
        "D_NO_MEMORY",   "D_READ_ONLY",
    };

    if (code == D_SUCCESS)
        return "D_SUCCESS";
    if (code >= D_IO_ERROR && code <= D_READ_ONLY)
        return names[code - D_IO_ERROR];
    return strerror(error_from_kernel(code));
}

static int complain(const char *command, const char *what, kern_return_t code)
{
    console_print("%s: %s: %s\n", command, what, code_name(code));
    return 1;
}

/* The device's port; null, and it was said why. */
static mach_port_t device_port(const char *command, const char *name, dev_mode_t mode)
{
    static mach_port_t master;
    mach_port_t device = MACH_PORT_NULL;
    dev_name_t padded = "";
    int error = master ? 0 : startup_capability("device-master", &master);

    if (error == 0 && strlen(name) >= sizeof(padded))
        error = ENAMETOOLONG;
    if (error != 0) {
        shell_complain(command, name, error);
        return MACH_PORT_NULL;
    }
    strcpy(padded, name); /* the interface sends all of it */
    kern_return_t code = device_open(master, mode, padded, &device);
    if (code != KERN_SUCCESS)
        complain(command, name, code);
    return code == KERN_SUCCESS ? device : MACH_PORT_NULL;
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

static kern_return_t reader_start(struct reader *reader, mach_port_t device, recnum_t record,
                                  int length)
{
    *reader = (struct reader){.code = MIG_SERVER_DIED};
    kern_return_t code =
        mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &reader->port);

    return code == KERN_SUCCESS ? device_read_request(device, reader->port, D_READ, record, length)
                                : code;
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
        code =
            reader_start(&readers[reader_count++], device, record + done / RECORD_SIZE, (int)part);
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
    console_print("%s: %s\n", what, code_name(code));
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

static kern_return_t reads_run(mach_port_t device, uint64_t operations, uint64_t size,
                               uint64_t positions)
{
    uint64_t position = 1;
    kern_return_t code = KERN_SUCCESS;

    for (uint64_t i = 0; i < operations && code == KERN_SUCCESS; i++) {
        char *data = NULL;
        mach_msg_type_number_t got = 0;
        position = position * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        code = device_read(device, D_READ, (position >> 33) % positions * (size / RECORD_SIZE),
                           (int)size, &data, &got);
        memory_pages_free(data, got);
    }
    return code;
}

static int device_bench_run(unsigned count, char **words)
{
    enum { WARM_UP = 16 };
    int records[DEV_GET_RECORDS_COUNT] = {0};
    mach_msg_type_number_t records_count = DEV_GET_RECORDS_COUNT;
    uint64_t operations, size = 4096;

    if (count < 3 || count > 4 || !shell_number(words[2], &operations) ||
        (count > 3 && !shell_number(words[3], &size)) || operations > OPERATIONS_MAX ||
        size < RECORD_SIZE || size > BYTES_MAX)
        return SHELL_USAGE;
    mach_port_t device = device_port(words[0], words[1], D_READ);
    if (device == MACH_PORT_NULL)
        return 1;
    kern_return_t code = device_get_status(device, DEV_GET_RECORDS, records, &records_count);
    uint64_t positions = (uint64_t)records[DEV_GET_RECORDS_DEVICE_RECORDS] / (size / RECORD_SIZE);
    if (code == KERN_SUCCESS && positions == 0)
        code = D_INVALID_SIZE;
    if (code == KERN_SUCCESS)
        code = reads_run(device, WARM_UP, size, positions);
    uint64_t start = clock_now();
    bench_mark_begin();
    if (code == KERN_SUCCESS)
        code = reads_run(device, operations, size, positions);
    bench_mark_end();
    uint64_t took = clock_now() - start;
    port_release(device);
    if (code != KERN_SUCCESS)
        return complain(words[0], words[1], code);
    console_print("%llu operations in %llu us\n", (unsigned long long)operations,
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
    {"device-bench", "DEVICE OPERATIONS [BYTES]", "device_read, random, one at a time",
     device_bench_run},
    {0},
};
