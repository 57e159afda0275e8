/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device service: the kernel's device interface (device/device.defs) for every block device,
 * over block sessions. Records are of 512 bytes whatever the device's blocks are: the Hurd wants a
 * size that divides 1024. Calls that move data are answered when the data has moved; others go on
 * meanwhile.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <device/device_types.h>

#include <interface/device_pass_user.h>
#include <kernel/device_reply_user.h>
#include <kernel/device_server.h>
#include <kernel/mach_port_user.h>

#include <host/mach/memory.h>
#include <host/mach/orphan.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <interface/types.h>
#include <kit/client/net.h>
#include <kit/core/setting.h>

#include "loan.h"
#include "unit.h"

enum {
    RECORD_SIZE = 512,
    LENGTH_MAX = 16 << 20, /* of one call */
    CALLS_MAX = 1024,      /* not yet answered, of all callers */
    OPENS_MAX = 1024,
};
#define PENDING_MAX (UINT64_C(64) << 20) /* bytes of all calls not yet answered */

struct opening {
    struct unit *unit;
    bool writable;
    mach_port_t port;
};

struct call {
    struct transfer transfer; /* the first */
    struct unit *unit;
    bool inband;
    bool lent;                /* the data of a read is where the device put it */
    mach_port_t reply_port;   /* a send-once right */
    mig_reply_header_t reply; /* of a flush */
    struct call *next;        /* of those that are over */
    unsigned char bytes[IO_INBAND_MAX];
};

static unsigned opens, calls, wired; /* wired: all memory of this task is */
static struct call *spare;           /* as many as there were at a time */
static uint64_t pending;
static const mig_reply_header_t *serving; /* the reply to the message that is being served */

static boolean_t request_serve(mach_msg_header_t *request, mach_msg_header_t *reply)
{
    serving = (const mig_reply_header_t *)reply;
    return device_server(request, reply);
}

static void opening_end(void *context)
{
    struct opening *opening = context;

    port_destroy(opening->port);
    unit_release(opening->unit);
    free(opening);
    opens--;
}

static const struct port_type master_type = {.name = "device master", .serve = request_serve};
static const struct port_type device_type = {
    .name = "device", .serve = request_serve, .no_senders = opening_end};

static struct opening *opening_of(mach_port_t device)
{
    return port_context(device, &device_type);
}

static io_return_t code_make(int error)
{
    switch (error) {
    case 0:
        return D_SUCCESS;
    case ENODEV:
        return D_DEVICE_DOWN;
    case ENOMEM:
    case ENOSPC:
        return D_NO_MEMORY;
    case ERANGE:
        return D_INVALID_RECNUM;
    case EROFS:
        return D_READ_ONLY;
    default:
        return D_IO_ERROR;
    }
}

static io_return_t opening_make(struct unit *unit, bool write, mach_port_t *device)
{
    struct opening *opening = calloc(1, sizeof(*opening));

    if (!opening)
        return D_NO_MEMORY;
    *opening = (struct opening){.unit = unit, .writable = write};
    if (port_create(&device_type, opening, &opening->port) != 0) {
        free(opening);
        return D_NO_MEMORY;
    }
    /* A caller that has much to ask should not have to wait until the first is begun. */
    mach_port_set_qlimit(mach_task_self(), opening->port, MACH_PORT_QLIMIT_MAX);
    *device = port_make_send(opening->port);
    opens++;
    return D_SUCCESS;
}

/* To a send-once right an answer can be sent without waiting, ever. */
static bool reply_is_possible(mach_msg_type_name_t type)
{
    return type == MACH_MSG_TYPE_PORT_SEND_ONCE;
}

/* Network cards are another service's, which answers the caller itself. */
static kern_return_t open_pass(mach_port_t reply_port, dev_mode_t mode, const_dev_name_t name)
{
    mach_port_t master;
    dev_name_t padded = "";

    if (startup_capability("net-master", &master) != 0)
        return D_DEVICE_DOWN;
    strcpy(padded, name);
    kern_return_t code = device_open_pass(master, reply_port, mode, padded);
    port_release(master);
    return code == KERN_SUCCESS ? MIG_NO_REPLY : D_DEVICE_DOWN;
}

/* What is being restarted may be one: who serves those waits for it, and knows what it is then. */
static bool is_network(const char *name)
{
    struct net_description description;
    int error = net_client_describe(name, &description);

    return error == 0 || error == EAGAIN || error == ENODEV;
}

/* A new session waits for the driver's answer, and everybody with it. */
kern_return_t ds_device_open(mach_port_t master, mach_port_t reply_port,
                             mach_msg_type_name_t reply_type, dev_mode_t mode,
                             const_dev_name_t name, mach_port_t *device,
                             mach_msg_type_name_t *device_type_name)
{
    struct unit *unit;

    (void)master;
    if (strlen(name) >= OUTBOARD_NAME_SIZE) /* cut off, it would be another's */
        return D_NO_SUCH_DEVICE;
    if (opens == OPENS_MAX)
        return D_NO_MEMORY;
    int error = unit_open(name, &unit);
    if (error != 0 && reply_is_possible(reply_type) && is_network(name))
        return open_pass(reply_port, mode, name);
    if (error != 0)
        return error == ENOMEM || error == ENOSPC ? D_NO_MEMORY : D_NO_SUCH_DEVICE;

    bool write = mode & D_WRITE;
    io_return_t code = write && !unit->writable ? D_READ_ONLY : opening_make(unit, write, device);
    if (code != D_SUCCESS)
        unit_release(unit);
    *device_type_name = MACH_MSG_TYPE_MOVE_SEND;
    return code;
}

kern_return_t ds_device_close(mach_port_t device)
{
    struct opening *opening = opening_of(device);

    if (!opening)
        return D_INVALID_OPERATION;
    opening_end(opening);
    return D_SUCCESS;
}

/* device_read_reply, as MIG lays it out (device/device_reply.defs). */
struct read_reply {
    mach_msg_header_t header;
    mach_msg_type_t code_type;
    kern_return_t code;
    mach_msg_type_long_t data_type;
    void *data;
};
static_assert(sizeof(struct read_reply) == 64, "device/device_reply.defs");
enum { READ_REPLY_ID = 2904 };

/* What MIG's stub sends, but that the memory stays ours: a loan, or wired, so that the kernel
 * copies it here and now. */
static void read_answer_lent(mach_port_t port, void *data, mach_msg_type_number_t length)
{
    struct read_reply reply = {
        .header = {.msgh_bits =
                       MACH_MSGH_BITS_COMPLEX | MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
                   .msgh_size = sizeof(reply),
                   .msgh_remote_port = port,
                   .msgh_id = READ_REPLY_ID},
        .code_type = {.msgt_name = MACH_MSG_TYPE_INTEGER_32,
                      .msgt_size = 32,
                      .msgt_number = 1,
                      .msgt_inline = TRUE},
        .code = D_SUCCESS,
        .data_type = {.msgtl_longform = TRUE,
                      .msgtl_name = MACH_MSG_TYPE_INTEGER_8,
                      .msgtl_size = 8,
                      .msgtl_number = length},
        .data = data,
    };

    loop_send(&reply.header);
}

static void read_answer(struct call *call, io_return_t code)
{
    struct transfer *transfer = &call->transfer;
    mach_msg_type_number_t length =
        code == D_SUCCESS ? (mach_msg_type_number_t)transfer->length : 0;

    if (call->inband) {
        if (ds_device_read_reply_inband(call->reply_port, MACH_MSG_TYPE_MOVE_SEND_ONCE, code,
                                        (const char *)call->bytes, length) != KERN_SUCCESS)
            port_release(call->reply_port);
        return;
    }
    if (call->lent && code == D_SUCCESS) {
        void *page = length == LOAN_SIZE && !wired ? loan_make(transfer->data) : NULL;
        read_answer_lent(call->reply_port, page ? page : transfer->data, length);
        return;
    }
    if (length == 0 && !call->lent)
        memory_pages_free(transfer->data, transfer->length);
    /* The pages move to the caller; if it is gone they and the right are still ours. */
    if (ds_device_read_reply(call->reply_port, MACH_MSG_TYPE_MOVE_SEND_ONCE, code,
                             length ? (char *)transfer->data : NULL, length) != KERN_SUCCESS) {
        memory_pages_free(transfer->data, length);
        port_release(call->reply_port);
    }
}

static void write_answer(struct call *call, io_return_t code)
{
    int written = code == D_SUCCESS ? (int)call->transfer.length : 0;
    kern_return_t sent;

    if (call->inband) {
        sent = ds_device_write_reply_inband(call->reply_port, MACH_MSG_TYPE_MOVE_SEND_ONCE, code,
                                            written);
    } else {
        memory_pages_free(call->transfer.data, call->transfer.length);
        sent = ds_device_write_reply(call->reply_port, MACH_MSG_TYPE_MOVE_SEND_ONCE, code, written);
    }
    if (sent != KERN_SUCCESS)
        port_release(call->reply_port);
}

static void flush_answer(struct call *call, io_return_t code)
{
    call->reply.RetCode = code;
    if (mach_msg(&call->reply.Head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(call->reply), 0,
                 MACH_PORT_NULL, 0, MACH_PORT_NULL) != MACH_MSG_SUCCESS)
        mach_msg_destroy(&call->reply.Head);
}

static void call_end(struct call *call)
{
    unit_release(call->unit);
    pending -= call->transfer.length;
    calls--;
    call->next = spare;
    spare = call;
}

static void call_done(struct transfer *transfer, int error)
{
    struct call *call = (struct call *)transfer;
    io_return_t code = code_make(error);

    if (transfer->operation == BLOCK_READ)
        read_answer(call, code);
    else if (transfer->operation == BLOCK_WRITE)
        write_answer(call, code);
    else
        flush_answer(call, code);
    call_end(call);
}

/* Null: no memory. */
static struct call *call_take(void)
{
    struct call *call = spare;

    if (!call)
        return malloc(sizeof(*call));
    spare = call->next;
    return call;
}

/* What a call wants to move, checked; `*code` says why it is refused. Null then. */
static struct call *call_make(mach_port_t device, enum block_operation operation, recnum_t record,
                              uint64_t length, io_return_t *code)
{
    struct opening *opening = opening_of(device);
    uint64_t size = opening ? disk_size(opening->unit->disk) : 0;
    struct call *call = NULL;

    if (!opening)
        *code = D_INVALID_OPERATION;
    else if (operation == BLOCK_WRITE && !opening->writable)
        *code = D_READ_ONLY;
    else if (operation != BLOCK_FLUSH && record >= size / RECORD_SIZE)
        *code = D_INVALID_RECNUM;
    else if (operation != BLOCK_FLUSH &&
             (length == 0 || length > LENGTH_MAX || length > size - record * RECORD_SIZE))
        *code = D_INVALID_SIZE;
    else if (calls == CALLS_MAX || length > PENDING_MAX - pending || !(call = call_take()))
        *code = D_NO_MEMORY;
    if (!call)
        return NULL;
    call->transfer.operation = operation;
    call->transfer.offset = record * RECORD_SIZE;
    call->transfer.length = length;
    call->transfer.data = call->bytes;
    call->transfer.done = call_done;
    call->unit = opening->unit;
    call->inband = call->lent = false;
    return call;
}

/* From here on the caller is answered by call_done. */
static void call_begin(struct call *call, mach_port_t reply_port)
{
    call->reply_port = reply_port;
    unit_use(call->unit);
    pending += call->transfer.length;
    calls++;
}

static kern_return_t call_start(struct call *call, mach_port_t reply_port)
{
    call_begin(call, reply_port);
    disk_start(call->unit->disk, &call->transfer);
    return MIG_NO_REPLY;
}

kern_return_t ds_device_read(mach_port_t device, mach_port_t reply_port,
                             mach_msg_type_name_t reply_type, dev_mode_t mode, recnum_t record,
                             int bytes_wanted, io_buf_ptr_t *data, mach_msg_type_number_t *size)
{
    io_return_t code = D_SUCCESS;

    (void)mode, (void)data, (void)size;
    if (!reply_is_possible(reply_type))
        return D_INVALID_OPERATION;
    if (bytes_wanted <= 0 || bytes_wanted % RECORD_SIZE != 0)
        return D_INVALID_SIZE;
    struct call *call = call_make(device, BLOCK_READ, record, (uint64_t)bytes_wanted, &code);
    if (!call)
        return code;
    call_begin(call, reply_port);
    call->lent = true;
    if (disk_lend(call->unit->disk, &call->transfer))
        return MIG_NO_REPLY;
    call->lent = false;
    call->transfer.data = memory_pages_allocate(call->transfer.length);
    if (!call->transfer.data) {
        call_end(call);
        return D_NO_MEMORY;
    }
    disk_start(call->unit->disk, &call->transfer);
    return MIG_NO_REPLY;
}

kern_return_t ds_device_write(mach_port_t device, mach_port_t reply_port,
                              mach_msg_type_name_t reply_type, dev_mode_t mode, recnum_t record,
                              io_buf_ptr_t data, mach_msg_type_number_t size, int *written)
{
    io_return_t code = D_SUCCESS;

    (void)mode, (void)written;
    if (!reply_is_possible(reply_type))
        return D_INVALID_OPERATION;
    if (size % RECORD_SIZE != 0)
        return D_INVALID_SIZE;
    struct call *call = call_make(device, BLOCK_WRITE, record, size, &code);
    if (!call)
        return code;
    call->transfer.data = (unsigned char *)data;
    return call_start(call, reply_port);
}

/* A message has no room for a record: inband calls move the beginning of one. */

kern_return_t ds_device_read_inband(mach_port_t device, mach_port_t reply_port,
                                    mach_msg_type_name_t reply_type, dev_mode_t mode,
                                    recnum_t record, int bytes_wanted, io_buf_ptr_inband_t data,
                                    mach_msg_type_number_t *size)
{
    io_return_t code = D_SUCCESS;

    (void)mode, (void)data, (void)size;
    if (!reply_is_possible(reply_type))
        return D_INVALID_OPERATION;
    if (bytes_wanted <= 0 || bytes_wanted > IO_INBAND_MAX)
        return D_INVALID_SIZE;
    struct call *call = call_make(device, BLOCK_READ, record, (uint64_t)bytes_wanted, &code);
    if (!call)
        return code;
    call->inband = true;
    return call_start(call, reply_port);
}

kern_return_t ds_device_write_inband(mach_port_t device, mach_port_t reply_port,
                                     mach_msg_type_name_t reply_type, dev_mode_t mode,
                                     recnum_t record, const io_buf_ptr_inband_t data,
                                     mach_msg_type_number_t size, int *written)
{
    io_return_t code = D_SUCCESS;

    (void)mode, (void)written;
    if (!reply_is_possible(reply_type))
        return D_INVALID_OPERATION;
    if (size > IO_INBAND_MAX)
        return D_INVALID_SIZE;
    struct call *call = call_make(device, BLOCK_WRITE, record, size, &code);
    if (!call)
        return code;
    call->inband = true;
    memcpy(call->bytes, data, size);
    return call_start(call, reply_port);
}

/* A number that the reply's field does not hold is unknown, which is 0. */
static int number_make(uint64_t value)
{
    return value <= INT32_MAX ? (int)value : 0;
}

kern_return_t ds_device_get_status(mach_port_t device, dev_flavor_t flavor, dev_status_t status,
                                   mach_msg_type_number_t *count)
{
    static_assert(DEV_GET_SIZE_COUNT == DEV_GET_RECORDS_COUNT, "one layout for both");
    const struct opening *opening = opening_of(device);

    if (!opening || (flavor != DEV_GET_SIZE && flavor != DEV_GET_RECORDS))
        return D_INVALID_OPERATION;
    if (*count < DEV_GET_SIZE_COUNT)
        return D_INVALID_SIZE;
    uint64_t records = disk_size(opening->unit->disk) / RECORD_SIZE;
    if (flavor == DEV_GET_SIZE) {
        status[DEV_GET_SIZE_DEVICE_SIZE] = number_make(records * RECORD_SIZE);
        status[DEV_GET_SIZE_RECORD_SIZE] = RECORD_SIZE;
    } else {
        status[DEV_GET_RECORDS_DEVICE_RECORDS] = number_make(records);
        status[DEV_GET_RECORDS_RECORD_SIZE] = RECORD_SIZE;
    }
    *count = DEV_GET_SIZE_COUNT;
    return D_SUCCESS;
}

/* The interface does not give this call its reply port: the reply as it stands is kept. */
kern_return_t ds_device_set_status(mach_port_t device, dev_flavor_t flavor,
                                   const dev_status_t status, mach_msg_type_number_t count)
{
    io_return_t code = D_SUCCESS;

    (void)status;
    if (flavor != DEV_FLUSH_CACHE)
        return D_INVALID_OPERATION;
    if (count != 0)
        return D_INVALID_SIZE;
    struct call *call = call_make(device, BLOCK_FLUSH, 0, 0, &code);
    if (!call)
        return code;
    call->reply = *serving;
    return call_start(call, MACH_PORT_NULL);
}

kern_return_t ds_device_set_filter(mach_port_t device, mach_port_t receiver, int priority,
                                   const filter_array_t filter, mach_msg_type_number_t count)
{
    (void)device, (void)receiver, (void)priority, (void)filter, (void)count;
    return D_INVALID_OPERATION;
}

/* What is offered is named after this instance: "device-master", "paging-master". "wired=1": all of
 * its memory is. */
int main(int argc, char **argv)
{
    char class[OUTBOARD_NAME_SIZE];
    mach_port_t master;

    if (argc < 2)
        return EXIT_FAILURE;
    snprintf(class, sizeof(class), "%s-master", argv[1]);
    unit_memory_is_wired(argc > 2 && setting_find(argv[2], "wired", &wired) && wired != 0);
    int error = port_create(&master_type, NULL, &master);
    if (error == 0)
        error = startup_offer("", class, master);
    return orphan_serve(error, loop_stop);
}
