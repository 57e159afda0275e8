/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Many calls at a time, as the threads of a file system make them: each has a reply port of its
 * own, and a part of the scratch area where nobody else writes.
 */
#include <stdio.h>

#include <device/device_types.h>
#include <mach/mig_errors.h>
#include <mach/notify.h>

#include <interface/hurd/device_move_user.h>
#include <kernel/device_reply_server.h>
#include <kernel/device_request_user.h>

#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <kit/clock.h>

#include "stand_in.h"

enum { FLIGHT_MAX = 64, PAGE = 4096, FILE_WRITE = 128 << 10, FLUSH_ANSWER = 2910 };
/* A driver that was killed is back long before this. */
#define PATIENCE (30 * CLOCK_SECOND)

struct slot {
    const struct disk *disk;
    mach_port_t reply;
    uint64_t start, records; /* its part of the scratch area; none: it reads only */
    uint64_t quiet;          /* records at the beginning that nobody writes */
    enum { IDLE, READING, WRITING, FLUSHING } state;
    uint64_t record, bytes, since;
};

static struct slot slots[FLIGHT_MAX];
static uint64_t reads_done, writes_done, flushes_done, bytes_done;
static const char *const state_names[] = {"nothing", "read", "write", "flush"};
static struct slot *answered; /* the one whose answer is being looked at */

static void answer_check(io_return_t code, uint64_t moved)
{
    char what[80];

    snprintf(what, sizeof(what), "%s of %llu at %llu, one of many", state_names[answered->state],
             (unsigned long long)answered->bytes, (unsigned long long)answered->record);
    bool done = check_equal(what, D_SUCCESS, code) &&
                check_equal(what, (int64_t)answered->bytes, (int64_t)moved);
    bytes_done += moved;
    if (answered->state == WRITING)
        content_settle(answered->record, answered->bytes / answered->disk->record_size, done);
}

kern_return_t device_read_reply(mach_port_t port, kern_return_t code, io_buf_ptr_t data,
                                mach_msg_type_number_t size)
{
    (void)port;
    if (answered->state != READING) {
        check_failed("answer: expected a write's, got a read's");
    } else {
        answer_check(code, size);
        if (code == D_SUCCESS && size == answered->bytes)
            content_check("read, one of many", answered->record, size / answered->disk->record_size,
                          (unsigned char *)data);
        reads_done++;
    }
    memory_pages_free(data, size);
    return KERN_SUCCESS;
}

kern_return_t device_write_reply(mach_port_t port, kern_return_t code, int written)
{
    (void)port;
    if (answered->state != WRITING) {
        check_failed("answer: expected a read's, got a write's");
        return KERN_SUCCESS;
    }
    answer_check(code, (uint64_t)written);
    writes_done++;
    return KERN_SUCCESS;
}

kern_return_t device_open_reply(mach_port_t port, kern_return_t code, mach_port_t device)
{
    (void)port, (void)code, (void)device;
    return MIG_BAD_ID;
}

kern_return_t device_read_reply_inband(mach_port_t port, kern_return_t code,
                                       const io_buf_ptr_inband_t data, mach_msg_type_number_t size)
{
    (void)port, (void)code, (void)data, (void)size;
    return MIG_BAD_ID;
}

kern_return_t device_write_reply_inband(mach_port_t port, kern_return_t code, int written)
{
    (void)port, (void)code, (void)written;
    return MIG_BAD_ID;
}

static void answer_arrived(void *context, mach_msg_header_t *message)
{
    struct {
        mig_reply_header_t result;
        char rest[64];
    } ignored;
    const mig_reply_header_t *error = (const mig_reply_header_t *)message;

    answered = context;
    if (answered->state == IDLE)
        check_failed("answer: expected one for each call, got a second (id %d)", message->msgh_id);
    else if (message->msgh_id == MACH_NOTIFY_SEND_ONCE)
        check_failed("answer for record %llu: expected one, but its reply right was dropped",
                     (unsigned long long)answered->record);
    else if (message->msgh_size == sizeof(*error) && error->RetCode != KERN_SUCCESS)
        answer_check(error->RetCode, 0);
    else if (answered->state == FLUSHING && message->msgh_id == FLUSH_ANSWER &&
             message->msgh_size == sizeof(*error))
        flushes_done++;
    else if (!device_reply_server(message, &ignored.result.Head) ||
             ignored.result.RetCode == MIG_BAD_ARGUMENTS || ignored.result.RetCode == MIG_BAD_ID)
        check_failed("answer for record %llu: expected a %s's, got id %d of %u bytes",
                     (unsigned long long)answered->record, state_names[answered->state],
                     message->msgh_id, message->msgh_size);
    answered->state = IDLE;
}

static const struct port_type answer_type = {.name = "answer", .message = answer_arrived};

static uint64_t random_place(uint64_t records, uint64_t count)
{
    return random_next() % (records - count + 1);
}

static kern_return_t write_start(struct slot *slot, uint64_t bytes)
{
    uint64_t count = bytes / slot->disk->record_size;
    unsigned char *data = memory_pages_allocate(bytes);

    if (!data)
        return KERN_RESOURCE_SHORTAGE;
    slot->state = WRITING;
    slot->record = slot->start + random_place(slot->records, count);
    slot->bytes = bytes;
    content_make(slot->record, count, data);
    return device_write_move(slot->disk->port, slot->reply, 0, slot->record, (io_buf_ptr_t)data,
                             (unsigned)bytes);
}

static kern_return_t read_start(struct slot *slot, uint64_t bytes, bool own)
{
    uint64_t count = bytes / slot->disk->record_size;

    slot->state = READING;
    slot->record =
        own ? slot->start + random_place(slot->records, count) : random_place(slot->quiet, count);
    slot->bytes = bytes;
    return device_read_request(slot->disk->port, slot->reply, 0, slot->record, (int)bytes);
}

static kern_return_t flush_start(struct slot *slot)
{
    slot->state = FLUSHING;
    slot->record = slot->bytes = 0;
    return device_set_status_move(slot->disk->port, slot->reply, DEV_FLUSH_CACHE, NULL, 0);
}

/* What is read is what nobody else writes meanwhile. */
static void slot_start(struct slot *slot)
{
    uint64_t page = PAGE / slot->disk->record_size, file = FILE_WRITE / slot->disk->record_size;
    uint64_t choice = random_next() % 64;
    kern_return_t code;

    slot->since = clock_now();
    if (choice == 0)
        code = flush_start(slot);
    else if (slot->records >= file && choice < 8)
        code = write_start(slot, FILE_WRITE);
    else if (slot->records >= page && choice < 24)
        code = write_start(slot, PAGE);
    else if (slot->records >= file && choice < 32)
        code = read_start(slot, FILE_WRITE, true);
    else
        code = read_start(slot, PAGE, slot->records >= page && (choice < 48 || slot->quiet < page));
    if (!check_equal("call, one of many: sending it", KERN_SUCCESS, code))
        slot->state = IDLE;
}

static bool slots_wait(uint64_t count)
{
    uint64_t now = clock_now();

    for (uint64_t i = 0; i < count; i++)
        if (slots[i].state != IDLE && now - slots[i].since > PATIENCE) {
            check_failed("%s of %llu at %llu: expected an answer within %llu s",
                         state_names[slots[i].state], (unsigned long long)slots[i].bytes,
                         (unsigned long long)slots[i].record,
                         (unsigned long long)(PATIENCE / CLOCK_SECOND));
            return false;
        }
    loop_once(now + CLOCK_SECOND);
    return true;
}

static uint64_t slots_prepare(const struct disk *disk, const struct options *options)
{
    uint64_t count = options->flight < FLIGHT_MAX ? options->flight : FLIGHT_MAX;
    uint64_t part = disk->writable && count ? options->scratch_records / count : 0;
    uint64_t quiet = disk_quiet_records(disk, options), page = PAGE / disk->record_size;

    if (!check_true(count > 0 && (part >= page || quiet >= page), "calls at a time",
                    "some, with a page each"))
        return 0;
    for (uint64_t i = 0; i < count; i++) {
        slots[i] = (struct slot){.disk = disk,
                                 .start = options->scratch_start + i * part,
                                 .records = part,
                                 .quiet = quiet};
        if (!check_equal("a reply port", 0, port_create(&answer_type, &slots[i], &slots[i].reply)))
            return 0;
    }
    return count;
}

uint64_t flight_run(const struct disk *disk, const struct options *options)
{
    uint64_t count = slots_prepare(disk, options), left = options->reads, busy;
    uint64_t began = clock_now(), until = began + options->seconds * CLOCK_SECOND;

    do {
        busy = 0;
        for (uint64_t i = 0; i < count; i++) {
            if (slots[i].state == IDLE && (options->seconds ? clock_now() < until : left > 0)) {
                slot_start(&slots[i]);
                left -= left > 0;
            }
            busy += slots[i].state != IDLE;
        }
    } while (busy > 0 && slots_wait(count));

    check_note("%llu at a time: %llu reads, %llu writes and %llu flushes, %llu KiB in %llu ms",
               (unsigned long long)count, (unsigned long long)reads_done,
               (unsigned long long)writes_done, (unsigned long long)flushes_done,
               (unsigned long long)(bytes_done >> 10),
               (unsigned long long)((clock_now() - began) / CLOCK_MILLISECOND));
    check_true(reads_done > 0, "reads at a time", "more than none");
    return bytes_done;
}
