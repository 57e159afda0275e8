/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A block client's transport. The completion port is not in the event loop's set: whoever submits
 * waits for it alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mach/notify.h>

#include <interface/block_class_user.h>
#include <interface/block_session_user.h>
#include <kernel/mach_port_user.h>

#include <host/mach/error.h>
#include <host/mach/port.h>
#include <host/mach/shared.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <kit/block_client_core.h>

/* block_completions_deliver: the first routine of subsystem 71500. */
enum { BLOCK_COMPLETIONS_DELIVER = 71500 };

struct block_client_link {
    mach_port_t session;     /* send right */
    mach_port_t completions; /* receive right */
    struct shared_memory buffer[BLOCK_BUFFERS];
    unsigned buffer_count;
};

struct opened {
    struct block_client client;
    struct block_client_link link;
};

/* Have the driver's death told on the port where we wait. */
static int death_request(struct block_client_link *link)
{
    mach_port_t previous = MACH_PORT_NULL;
    int error = error_from_kernel(
        mach_port_request_notification(mach_task_self(), link->session, MACH_NOTIFY_DEAD_NAME, 1,
                                       link->completions, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));

    port_release(previous);
    return error;
}

static int session_open(const char *name, bool write, struct block_client_link *link,
                        struct block_info *info)
{
    mach_port_t class;
    char record[2048];
    mach_msg_type_number_t size = sizeof(record);
    int error = startup_capability(name, &class);

    if (error != 0)
        return error;
    error = error_from_kernel(
        mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &link->completions));
    if (error == 0)
        error = error_from_kernel(
            block_class_open(class, write, link->completions, &link->session, record, &size));
    port_release(class);
    if (error == 0)
        error = death_request(link);
    if (error != 0)
        return error;
    if (size != sizeof(*info))
        return EPROTO;
    memcpy(info, record, sizeof(*info));
    return block_info_is_possible(info) ? 0 : EPROTO;
}

static void link_close(struct block_client_link *link)
{
    port_release(link->session);
    if (link->completions != MACH_PORT_NULL)
        mach_port_mod_refs(mach_task_self(), link->completions, MACH_PORT_RIGHT_RECEIVE, -1);
    for (unsigned i = 0; i < link->buffer_count; i++)
        shared_memory_free(&link->buffer[i]);
}

int block_client_open(const char *name, bool write, struct block_client **result)
{
    struct opened *opened = calloc(1, sizeof(*opened));
    struct block_info info;

    if (!opened)
        return ENOMEM;
    int error = session_open(name, write, &opened->link, &info);
    if (error != 0) {
        link_close(&opened->link);
        free(opened);
        return error;
    }
    block_client_init(&opened->client, &info, &opened->link);
    *result = &opened->client;
    return 0;
}

void block_client_close(struct block_client *client)
{
    link_close(client->link);
    free(client); /* the first member of struct opened */
}

int block_client_buffer(struct block_client *client, size_t size, void **memory, uint32_t *buffer)
{
    struct block_client_link *link = client->link;
    mach_port_t lease;
    uint64_t attached = 0;

    if (link->buffer_count == BLOCK_BUFFERS)
        return ENOSPC;
    struct shared_memory *shared = &link->buffer[link->buffer_count];
    int error = shared_memory_allocate(size, shared);
    if (error != 0)
        return error;
    error = shared_memory_lease(shared, &lease);
    if (error == 0) {
        error = error_from_kernel(block_link_attach(link->session, lease, buffer, &attached));
        port_release(lease);
    }
    if (error == 0 && attached < shared->size)
        error = EPROTO;
    if (error != 0) {
        shared_memory_free(shared);
        return error;
    }
    link->buffer_count++;
    *memory = shared->address;
    return 0;
}

int block_client_link_send(struct block_client_link *link,
                           const struct block_submission *submissions, unsigned count)
{
    return error_from_kernel(
        block_link_submit(link->session, (record_t)submissions, count * sizeof(*submissions)));
}

/* block_completions_deliver as MIG lays it out: a run of bytes behind its type. */
struct delivery {
    mach_msg_header_t header;
    mach_msg_type_t type;
    unsigned char records[2048];
    unsigned char trailer[64]; /* room to spare */
};

int block_client_link_receive(struct block_client_link *link, struct block_completion *completions,
                              unsigned limit, unsigned *count)
{
    for (;;) {
        struct delivery message;
        mach_msg_return_t code = mach_msg(&message.header, MACH_RCV_MSG, 0, sizeof(message),
                                          link->completions, 0, MACH_PORT_NULL);
        if (code != MACH_MSG_SUCCESS)
            return ENODEV;
        if (message.header.msgh_id == MACH_NOTIFY_DEAD_NAME &&
            MACH_MSGH_BITS_LOCAL(message.header.msgh_bits) == MACH_MSG_TYPE_PORT_SEND_ONCE) {
            port_release(link->session); /* the reference that the notification brought */
            return ENODEV;
        }
        size_t header = offsetof(struct delivery, records);
        if (message.header.msgh_id != BLOCK_COMPLETIONS_DELIVER ||
            (message.header.msgh_bits & MACH_MSGH_BITS_COMPLEX) ||
            message.header.msgh_size < header || message.type.msgt_name != MACH_MSG_TYPE_CHAR ||
            message.type.msgt_number > message.header.msgh_size - header ||
            message.type.msgt_number > sizeof(message.records)) {
            mach_msg_destroy(&message.header);
            continue;
        }
        *count = message.type.msgt_number / sizeof(*completions);
        if (*count > limit)
            *count = limit;
        memcpy(completions, message.records, *count * sizeof(*completions));
        return 0;
    }
}
