/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A server's demultiplexer (SERVER) and mach_msg_destroy on any message that the kernel can
 * deliver. The input is the message; what the kernel vouches for is made true: the size, no longer
 * than the event loop's buffer; in a complex message descriptors that lie within it, and memory
 * where they say so. A message that is not complex may have anything in its body.
 */
#include <string.h>

#include <mach/mig_errors.h>
#include <mach/mig_support.h>

#include <host/mach/port_internal.h>
#include <host/mach/trap.h>
#include <interface/mig_types.h>
#include <test/fuzz/fuzz.h>
#include FUZZ_SERVER_HEADER

enum { AREAS_MAX = 256, OUTGOING = 64 * 1024, RECORD_MAX = 2048 /* record_t */ };

/* Out-of-line memory that came with the message: it goes once and whole, or stays a routine's. */
static struct area {
    uint8_t *memory;
    size_t size;
} areas[AREAS_MAX];
static unsigned area_count;
static uint32_t stub_seed;
static volatile unsigned sink;
static char outgoing[OUTGOING];

/* The kernel, as far as mig.c asks it. */

mach_port_t mach_task_self_trap(void)
{
    return 1;
}

/* No task's port for a trap: as in a driver, it goes by message. */
kern_return_t syscall_vm_allocate(mach_port_t task, vm_address_t *address, vm_size_t size,
                                  boolean_t anywhere)
{
    return MACH_SEND_INTERRUPTED;
}

kern_return_t syscall_vm_deallocate(mach_port_t task, vm_address_t address, vm_size_t size)
{
    return MACH_SEND_INTERRUPTED;
}

mach_port_t mach_reply_port(void)
{
    return 2;
}

mach_msg_return_t mach_msg_trap(mach_msg_header_t *message, mach_msg_option_t option,
                                mach_msg_size_t send_size, mach_msg_size_t receive_limit,
                                mach_port_t receive_name, mach_msg_timeout_t timeout,
                                mach_port_t notify)
{
    abort(); /* nothing here sends */
}

kern_return_t mach_port_deallocate(mach_port_t task, mach_port_t name)
{
    return KERN_SUCCESS;
}

kern_return_t mach_port_mod_refs(mach_port_t task, mach_port_t name, mach_port_right_t right,
                                 mach_port_delta_t delta)
{
    return KERN_SUCCESS;
}

kern_return_t vm_allocate(mach_port_t task, vm_address_t *address, vm_size_t size, boolean_t where)
{
    *address = (vm_address_t)calloc(1, size);
    return *address ? KERN_SUCCESS : KERN_NO_SPACE;
}

kern_return_t vm_deallocate(mach_port_t task, vm_address_t address, vm_size_t size)
{
    for (unsigned i = 0; i < area_count; i++) {
        if (areas[i].memory != (uint8_t *)address)
            continue;
        fuzz_require(areas[i].size == size);
        free(areas[i].memory);
        areas[i].memory = NULL;
        return KERN_SUCCESS;
    }
    fuzz_require(!"memory that came with the message");
    return KERN_INVALID_ADDRESS;
}

/* What the generated routines are made of; not every server has arguments of every kind. */

static void stub_bytes_read(const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sink += (unsigned char)bytes[i];
}

/* MIG rounds a record's length up in 32 bits before it compares it with the message's, so that
 * 2^32 - 1 passes with nothing behind it. Servers bound it themselves (block_server.c). */
static void stub_record_read(const char *record, size_t size)
{
    if (size <= RECORD_MAX)
        stub_bytes_read(record, size);
}

/* MIG ends every string. */
static void stub_string_read(const char *string, size_t size)
{
    fuzz_require(memchr(string, '\0', size));
    stub_bytes_read(string, strlen(string));
}

static void stub_value_read(uint64_t value)
{
    sink += (unsigned)value;
}

static void stub_value_fill(void *value, size_t size)
{
    memset(value, 0x5a, size);
}

static void stub_string_fill(char *string, size_t size)
{
    memset(string, 'x', size - 1);
    string[size - 1] = '\0';
}

static void stub_record_fill(char *record, mach_msg_type_number_t *count, size_t size)
{
    memset(record, 0x5a, *count * size);
    *count = stub_seed % (*count + 1);
}

static void stub_records_make(char **records, mach_msg_type_number_t *count, size_t size)
{
    *records = outgoing;
    *count = stub_seed % (unsigned)(OUTGOING / size + 1);
}

static kern_return_t stub_result(void)
{
    return stub_seed & 1 ? KERN_SUCCESS : (kern_return_t)stub_seed;
}

#include FUZZ_SERVER_STUBS

/* One descriptor as ipc_kmsg_copyin_body sees it; bytes that it takes, 0 if it is refused. */
static size_t item_accept(uint8_t *item, size_t left, bool *complex)
{
    mach_msg_type_t type;

    if (left < sizeof(type))
        return 0;
    memcpy(&type, item, sizeof(type));
    size_t bytes = ((uint64_t)type.msgt_number * type.msgt_size + 7) / 8;
    bool port = MACH_MSG_TYPE_PORT_ANY(type.msgt_name);
    if ((port && type.msgt_size != (type.msgt_inline ? 64 : 32)) || type.msgt_unused != 0 ||
        (type.msgt_deallocate && type.msgt_inline))
        return 0;
    *complex |= port || !type.msgt_inline;

    size_t inside = type.msgt_inline ? bytes : sizeof(void *);
    if (inside > left - sizeof(type))
        return 0;
    if (!type.msgt_inline) {
        uint8_t *memory = NULL;
        if (area_count == AREAS_MAX || bytes > OUTGOING)
            return 0;
        if (bytes != 0) {
            memory = calloc(1, bytes);
            areas[area_count++] = (struct area){.memory = memory, .size = bytes};
        }
        memcpy(item + sizeof(type), &memory, sizeof(memory));
    }
    return sizeof(type) + ((inside + 7) & ~(size_t)7);
}

static bool body_accept(mach_msg_header_t *message)
{
    uint8_t *item = (uint8_t *)(message + 1);
    size_t left = message->msgh_size - sizeof(*message);
    bool complex = false;

    while (left > 0) {
        size_t length = item_accept(item, left, &complex);
        if (length == 0)
            return false;
        if (length > left)
            length = left;
        item += length;
        left -= length;
    }
    if (!complex)
        message->msgh_bits &= ~MACH_MSGH_BITS_COMPLEX;
    return true;
}

/* A reply's descriptors must lie within it: the kernel would refuse it, and the client wait. */
static void reply_check(const mach_msg_header_t *reply)
{
    const uint8_t *item = (const uint8_t *)(reply + 1);

    fuzz_require(reply->msgh_size >= sizeof(*reply));
    fuzz_require(reply->msgh_size <= sizeof(union port_message) && reply->msgh_size % 8 == 0);
    for (size_t left = reply->msgh_size - sizeof(*reply); left > 0;) {
        mach_msg_type_t type;
        fuzz_require(left >= sizeof(type));
        memcpy(&type, item, sizeof(type));
        size_t bytes = ((uint64_t)type.msgt_number * type.msgt_size + 7) / 8;
        size_t inside = type.msgt_inline ? (bytes + 7) & ~(size_t)7 : sizeof(void *);
        fuzz_require(inside <= left - sizeof(type));
        item += sizeof(type) + inside;
        left -= sizeof(type) + inside;
    }
}

static void message_serve(mach_msg_header_t *request, union port_message *reply)
{
    boolean_t known = FUZZ_SERVER(request, &reply->header);
    bool simple = !(reply->header.msgh_bits & MACH_MSGH_BITS_COMPLEX);

    if (simple && (!known || reply->result.RetCode != KERN_SUCCESS))
        mach_msg_destroy(request); /* as port.c does */
    else if (reply->result.RetCode != MIG_NO_REPLY)
        reply_check(&reply->header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mach_msg_header_t header;

    if (size < sizeof(header))
        return 0;
    memcpy(&header, data, sizeof(header));
    header.msgh_size &= ~7u;
    if (header.msgh_size < sizeof(header) || header.msgh_size > sizeof(union port_message))
        return 0;
    header.msgh_bits &= MACH_MSGH_BITS_COMPLEX | MACH_MSGH_BITS_PORTS_MASK;
    stub_seed = header.msgh_seqno;

    /* Of just that size, so that what is read past the message's end is seen. */
    mach_msg_header_t *request = calloc(1, header.msgh_size);
    union port_message *reply = malloc(sizeof(*reply));
    area_count = 0;
    memcpy(request, data, size < header.msgh_size ? size : header.msgh_size);
    memcpy(request, &header, sizeof(header));
    memset(reply, 0xa5, sizeof(*reply));
    if (!(header.msgh_bits & MACH_MSGH_BITS_COMPLEX) || body_accept(request))
        message_serve(request, reply);
    for (unsigned i = 0; i < area_count; i++)
        free(areas[i].memory);
    free(reply);
    free(request);
    return 0;
}
