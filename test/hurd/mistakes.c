/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What no honest client does: each has a defined answer, and nobody else notices.
 */
#include <stdio.h>
#include <string.h>

#include <device/device_types.h>
#include <mach/mig_errors.h>

#include <kernel/device_request_user.h>
#include <kernel/device_user.h>
#include <kernel/mach_port_user.h>

#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/trap.h>

#include "stand_in.h"

enum { PAGE = 4096, DROPPED = 16, ANSWER_MS = 20000, NO_SUCH_FLAVOR = 999, ANSWER_ROOM = 2048 };

union message {
    mach_msg_header_t head;
    mig_reply_header_t answer;
    unsigned char bytes[ANSWER_ROOM];
};

/* A message of so many bytes, zeroes behind its header, and the code that it is answered with. */
static kern_return_t raw_call(mach_port_t port, mach_msg_id_t id, mach_msg_size_t size)
{
    mach_port_t reply = mach_reply_port();
    union message message = {
        .head = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
                 .msgh_size = size,
                 .msgh_remote_port = port,
                 .msgh_local_port = reply,
                 .msgh_id = id}};
    kern_return_t code = mach_msg(&message.head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
                                  size, sizeof(message), reply, ANSWER_MS, MACH_PORT_NULL);

    mach_port_mod_refs(mach_task_self(), reply, MACH_PORT_RIGHT_RECEIVE, -1);
    return code == MACH_MSG_SUCCESS ? message.answer.RetCode : code;
}

/* Shorter and longer than the call's. */
static void sizes_check(const char *name, mach_port_t port, mach_msg_id_t id)
{
    static const mach_msg_size_t sizes[] = {sizeof(mach_msg_header_t),
                                            sizeof(mach_msg_header_t) + 8, 1024};

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char what[60];
        snprintf(what, sizeof(what), "call %d on %s, %u bytes long", id, name, sizes[i]);
        check_equal(what, MIG_BAD_ARGUMENTS, raw_call(port, id, sizes[i]));
    }
}

static void messages_check(const struct privileges *privileges, const struct disk *disk)
{
    enum { OPEN = 2800, WRITE = 2802, READ = 2804, SET_STATUS = 2810, GET_STATUS = 2811 };
    static const mach_msg_id_t calls[] = {WRITE, READ, SET_STATUS, GET_STATUS};

    sizes_check("the device master", privileges->device_master, OPEN);
    for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        sizes_check("a disk", disk->port, calls[i]);
    check_equal("a call that nobody has, on a disk", MIG_BAD_ID,
                raw_call(disk->port, 2899, sizeof(mach_msg_header_t)));
}

static void flavors_check(const struct disk *disk)
{
    int status[DEV_STATUS_MAX] = {0};
    mach_msg_type_number_t count = DEV_STATUS_MAX, few = 1;
    mach_port_t pager = MACH_PORT_NULL;

    check_equal("device_get_status of a flavour unknown", D_INVALID_OPERATION,
                device_get_status(disk->port, NO_SUCH_FLAVOR, status, &count));
    check_equal("device_get_status with too little room", D_INVALID_SIZE,
                device_get_status(disk->port, DEV_GET_RECORDS, status, &few));
    check_equal("device_set_status of a flavour unknown", D_INVALID_OPERATION,
                device_set_status(disk->port, NO_SUCH_FLAVOR, status, 1));
    check_equal("device_set_status to flush, with numbers", D_INVALID_SIZE,
                device_set_status(disk->port, DEV_FLUSH_CACHE, status, 1));
    check_equal("device_map of a disk", D_INVALID_OPERATION,
                device_map(disk->port, VM_PROT_READ, 0, PAGE, &pager, 0));
}

/* Who opened it to read can do no more, whoever else writes meanwhile. */
static void modes_check(mach_port_t master, const char *name, const struct disk *disk)
{
    struct disk reader = *disk;
    unsigned char page[PAGE] = {0xee};
    int written = 0;

    if (!check_equal("device_open to read what is open to write", D_SUCCESS,
                     device_open(master, D_READ, name, &reader.port)))
        return;
    check_equal("device_write where it was opened to read", D_READ_ONLY,
                device_write(reader.port, 0, 0, (io_buf_ptr_t)page, PAGE, &written));
    memory_pages_free(disk_read(&reader, 0, PAGE), PAGE);
    memory_pages_free(disk_read(disk, 0, PAGE), PAGE);
    port_release(reader.port);
}

static unsigned reads_send(mach_port_t device, mach_port_t reply, uint64_t records)
{
    unsigned sent = 0;

    while (sent < DROPPED &&
           device_read_request(device, reply, 0, sent * records, PAGE) == KERN_SUCCESS)
        sent++;
    return sent;
}

static unsigned answers_receive(mach_port_t reply)
{
    unsigned answers = 0;
    union message message;

    while (answers < DROPPED &&
           mach_msg(&message.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(message), reply,
                    ANSWER_MS, MACH_PORT_NULL) == MACH_MSG_SUCCESS) {
        mach_msg_destroy(&message.head);
        answers++;
    }
    return answers;
}

/* The device's port in the middle of its calls, which are answered; and the port for the answers.
 */
static void drops_check(mach_port_t master, const char *name, const struct disk *disk)
{
    mach_port_t device = MACH_PORT_NULL, reply = mach_reply_port();
    uint64_t records = PAGE / disk->record_size;

    if (!check_equal("device_open of what will be dropped", D_SUCCESS,
                     device_open(master, D_READ, name, &device)))
        return;
    check_equal("reads sent", DROPPED, reads_send(device, reply, records));
    port_release(device);
    check_equal("answers to reads of a port that was dropped", DROPPED, answers_receive(reply));

    check_equal("reads sent", DROPPED, reads_send(disk->port, reply, records));
    mach_port_mod_refs(mach_task_self(), reply, MACH_PORT_RIGHT_RECEIVE, -1);
    memory_pages_free(disk_read(disk, 0, PAGE), PAGE);
}

void mistakes_check(const struct privileges *privileges, const struct disk *disk, const char *name)
{
    messages_check(privileges, disk);
    flavors_check(disk);
    modes_check(privileges->device_master, name, disk);
    drops_check(privileges->device_master, name, disk);
}
