/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io.h"

#include <errno.h>

#include <kit/log.h>

#include "packet.h"

#define WATCH_PERIOD (5 * CLOCK_SECOND)
#define SPIN_TIME    (2 * CLOCK_MILLISECOND)

enum { COMMAND_ROUNDS = 7 }; /* of the watch: a command may take 30 s, and 35 s at most */

#define READ(io, name)         ahci_port_read((io)->port, AHCI_PORT_REGISTER(name))
#define WRITE(io, name, value) ahci_port_write((io)->port, AHCI_PORT_REGISTER(name), value)

static struct block_request *command_end(struct ahci_io *io, unsigned slot)
{
    uint32_t others = ~(UINT32_C(1) << slot);

    io->used &= others;
    io->plain &= others;
    io->issued &= others;
    io->suspects &= others;
    io->loud &= others;
    return io->command[slot].request;
}

void ahci_io_finish(struct ahci_io *io, unsigned slot, enum block_status status)
{
    block_request_done(command_end(io, slot), status);
}

/* ACS-3, 6.2. What the device does not blame on the medium it just could not do. */
static enum block_status status_translate(uint8_t error)
{
    return error & (ATA_ERROR_UNCORRECTABLE | ATA_ERROR_NOT_FOUND) ? BLOCK_STATUS_MEDIUM
                                                                   : BLOCK_STATUS_DEVICE;
}

void ahci_io_fail(struct ahci_io *io, unsigned slot, uint8_t error)
{
    block_request_failed(command_end(io, slot),
                         io->shape.is_packet ? ahci_packet_status(error) : status_translate(error),
                         error);
}

/* ACS-3, DATA SET MANAGEMENT: ranges of 48 bits of address and 16 of length; those of length 0 are
 * passed over. */
static void ranges_fill(struct ahci_io *io, unsigned slot, const struct block_request *request)
{
    uint64_t *range = ahci_port_memory(io->port)->ranges[slot];
    uint64_t block = request->block;
    uint32_t left = request->count;

    for (unsigned i = 0; i < AHCI_RANGES; i++) {
        uint32_t count = left < ATA_RANGE_MAX ? left : ATA_RANGE_MAX;
        range[i] = count > 0 ? block | (uint64_t)count << 48 : 0;
        block += count;
        left -= count;
    }
}

static void disk_task(struct ahci_io *io, unsigned slot, struct ahci_task *task)
{
    const struct block_request *request = io->command[slot].request;
    bool is_write = request->operation == BLOCK_WRITE;

    if (request->operation == BLOCK_FLUSH) {
        task->command = ATA_FLUSH_CACHE_EXT;
    } else if (request->operation == BLOCK_DISCARD) {
        ranges_fill(io, slot, request);
        *task = (struct ahci_task){
            .command = ATA_DATA_SET_MANAGEMENT,
            .feature = ATA_TRIM,
            .count = 1,
            .is_write = true,
            .address = io->port->memory.address + offsetof(struct ahci_memory, ranges) +
                       slot * AHCI_SECTOR,
            .length = AHCI_SECTOR,
        };
    } else {
        task->lba = request->block;
        task->is_write = is_write;
        task->address = request->address;
        task->length = (uint32_t)request->length;
        task->segments = request->segments;
        task->segment_count = request->segment_count;
        if (io->shape
                .is_queued) { /* the count is where the features are, and the tag where it was */
            task->command = is_write ? ATA_WRITE_FPDMA_QUEUED : ATA_READ_FPDMA_QUEUED;
            task->feature = (uint16_t)request->count;
            task->count = (uint16_t)(slot << 3);
        } else {
            task->command = is_write ? ATA_WRITE_DMA_EXT : ATA_READ_DMA_EXT;
            task->count = (uint16_t)request->count;
        }
    }
}

static bool request_is_write(const struct block_request *request)
{
    return request->operation == BLOCK_WRITE || request->operation == BLOCK_DISCARD;
}

/* Built when it is issued, and again each time: a slot's memory may have been used for a command of
 * the driver's own meanwhile. */
static void slot_fill(struct ahci_io *io, unsigned slot)
{
    struct ahci_task task = {.command = 0};
    uint8_t packet[AHCI_PACKET_SIZE];

    if (io->shape.is_packet)
        ahci_packet_read(io->command[slot].request, io->identity, packet, &task);
    else
        disk_task(io, slot, &task);
    ahci_port_fill(io->port, slot, &task);
    io->command[slot].round = io->round;
    io->is_dirty |= request_is_write(io->command[slot].request);
}

/* Which slots are next: suspects one by one, then what is queued together, then the plain ones in
 * turn. */
static uint32_t next_get(const struct ahci_io *io)
{
    uint32_t waiting = io->used & ~io->issued, queued = waiting & ~io->plain;

    if (io->suspects)
        return io->issued ? 0 : io->suspects & -io->suspects;
    if (queued)
        return io->issued & io->plain ? 0 : queued;
    if (io->issued || !waiting)
        return 0;
    uint32_t after = waiting & ~((UINT32_C(2) << io->last) - 1);
    return after ? after & -after : waiting & -waiting;
}

/* Errors always; completions only while somebody waits for that. */
void ahci_io_interrupts_set(struct ahci_io *io)
{
    uint32_t wanted =
        AHCI_IS_ERRORS | (io->issued & io->loud ? AHCI_IS_REGISTER | AHCI_IS_BITS : 0);

    if (io->enabled != wanted)
        WRITE(io, ie, wanted);
    io->enabled = wanted;
}

void ahci_io_issue(struct ahci_io *io)
{
    uint32_t next = io->state == AHCI_IO_OPEN ? next_get(io) : 0;

    if (next == 0)
        return;
    for (uint32_t left = next; left; left &= left - 1)
        slot_fill(io, (unsigned)__builtin_ctz(left));
    io->issued |= next;
    ahci_io_interrupts_set(io);
    /* 5.5.1: PxSACT before PxCI; in both, zeroes do nothing. */
    if (next & io->plain)
        io->last = (unsigned)__builtin_ctz(next);
    else
        WRITE(io, sact, next);
    WRITE(io, ci, next);
}

static void commands_take(struct ahci_io *io, uint32_t done)
{
    for (; done; done &= done - 1) {
        unsigned slot = (unsigned)__builtin_ctz(done);
        const volatile struct ahci_header *header = &ahci_port_memory(io->port)->list[slot];
        const struct block_request *request = io->command[slot].request;
        /* 4.2.2: of queued commands this is not known. */
        bool is_short = (io->plain >> slot & 1) && request->operation == BLOCK_READ &&
                        header->moved != request->length;
        io->recovery.unprovoked = 0;
        io->is_dirty &= request->operation != BLOCK_FLUSH; /* it was alone */
        if (is_short)
            ahci_io_fail(io, slot, 0);
        else
            ahci_io_finish(io, slot, BLOCK_STATUS_OK);
    }
}

/* Which of those that were issued are not completed. Queued ones are in PxSACT for as long as the
 * device has them, the other in PxCI (5.3). */
static uint32_t active_get(const struct ahci_io *io)
{
    return !io->issued ? 0 : io->issued & io->plain ? READ(io, ci) : READ(io, sact);
}

/* Take what is completed. Status after activity: what failed was so before it was no longer active,
 * should a controller take back its bit, which it should not (5.3). */
static bool io_look(struct ahci_io *io)
{
    bool queued = !(io->issued & io->plain);
    uint32_t done = io->issued & ~active_get(io);
    uint32_t status = READ(io, is);

    if (status == AHCI_GONE && ahci_hba_is_gone(io->port->hba)) {
        ahci_io_gone(io);
        return true;
    }
    if (status)
        WRITE(io, is, status);
    bool failed = status & AHCI_IS_ERRORS;
    if (queued || !failed)
        commands_take(io, done);
    if (failed)
        ahci_recovery_begin(io, status, 0);
    ahci_io_issue(io);
    if (io->state == AHCI_IO_OPEN)
        ahci_io_interrupts_set(io);
    return status != 0 || done != 0;
}

bool ahci_io_interrupt(struct ahci_io *io)
{
    return io->state == AHCI_IO_OPEN && io_look(io);
}

static uint32_t late_get(const struct ahci_io *io)
{
    uint32_t late = 0;

    for (uint32_t left = io->issued; left; left &= left - 1) {
        unsigned slot = (unsigned)__builtin_ctz(left);
        if (io->round - io->command[slot].round >= COMMAND_ROUNDS)
            late |= UINT32_C(1) << slot;
    }
    return late;
}

static void watch(void *context)
{
    struct ahci_io *io = context;

    io->round++;
    if (io->state == AHCI_IO_OPEN)
        io_look(io); /* should an interrupt have been lost */
    if (io->state == AHCI_IO_OPEN && late_get(io))
        ahci_recovery_begin(io, 0, late_get(io));
    if (io->used && (io->state == AHCI_IO_OPEN || io->state == AHCI_IO_RECOVERING))
        clock_timer_start(&io->watch, WATCH_PERIOD, watch, io);
}

/* Which slot a request may have, or -1. While a plain one is in use among queued ones it gets to
 * its turn because no others come. Only refused while something is in use: its end brings it again.
 */
static int slot_find(const struct ahci_io *io)
{
    uint32_t all = UINT32_MAX >> (AHCI_SLOTS - io->shape.slots);

    if ((io->shape.is_queued && io->plain) || (io->used & all) == all)
        return -1;
    return __builtin_ctz(~io->used);
}

/* Whether any of the data is above 4 GiB. */
static bool is_high(const struct block_request *request)
{
    if (!request->segments)
        return (request->address + request->length) >> 32;
    for (unsigned i = 0; i < request->segment_count; i++) {
        if ((request->segments[i].address + request->segments[i].length) >> 32)
            return true;
    }
    return false;
}

static bool io_start(void *context, struct block_request *request)
{
    struct ahci_io *io = context;
    bool is_data = request->operation == BLOCK_READ || request->operation == BLOCK_WRITE;

    if (io->state != AHCI_IO_OPEN && io->state != AHCI_IO_RECOVERING) {
        block_request_done(request, BLOCK_STATUS_GONE);
        return true;
    }
    if (request->operation == BLOCK_FLUSH && !io->shape.is_cached) {
        block_request_done(request, BLOCK_STATUS_OK); /* what is completed is durable */
        return true;
    }
    if (!(io->port->hba->cap & AHCI_CAP_64) && is_high(request)) {
        io->errors++;
        if (log_is_worth(io->errors))
            log_warning("port %u: the controller does not reach memory above 4 GiB (%u so far)",
                        io->port->number, io->errors);
        block_request_done(request, BLOCK_STATUS_DEVICE);
        return true;
    }
    int slot = slot_find(io);
    if (slot < 0)
        return false;
    io->command[slot] = (struct ahci_io_command){.request = request};
    io->used |= UINT32_C(1) << slot;
    if (!request->silent)
        io->loud |= UINT32_C(1) << slot;
    if (!is_data || !io->shape.is_queued)
        io->plain |= UINT32_C(1) << slot;
    if (!io->watch.running)
        clock_timer_start(&io->watch, WATCH_PERIOD, watch, io);
    return true;
}

static void io_kick(void *context)
{
    ahci_io_issue(context);
}

static void io_poll(void *context)
{
    struct ahci_io *io = context;

    if (io->state == AHCI_IO_OPEN)
        io_look(io);
}

static bool io_is_ready(void *context)
{
    const struct ahci_io *io = context;

    return io->state == AHCI_IO_OPEN && io->issued & ~active_get(io);
}

const struct block_device_ops ahci_io_ops = {
    .start = io_start,
    .kick = io_kick,
    .poll = io_poll,
    .ready = io_is_ready,
};

void ahci_io_open(struct ahci_port *port, const struct ahci_shape *shape,
                  const struct ata_identity *identity, struct ahci_io *io)
{
    *io = (struct ahci_io){
        .port = port, .state = AHCI_IO_OPEN, .shape = *shape, .identity = identity};
    WRITE(io, serr, UINT32_MAX);
    WRITE(io, is, UINT32_MAX);
    ahci_io_interrupts_set(io);
}

int ahci_io_drain(struct ahci_io *io, uint64_t limit)
{
    uint64_t start = clock_now();

    ahci_io_issue(io);
    while (io->used) {
        uint64_t waited = clock_now() - start;
        if (waited > limit)
            return ETIMEDOUT;
        if (io->state == AHCI_IO_RECOVERING)
            ahci_recovery_step(io);
        else if (io->state == AHCI_IO_OPEN && io_look(io))
            continue;
        if (waited > SPIN_TIME)
            clock_sleep(CLOCK_MILLISECOND);
    }
    return 0;
}

void ahci_io_close(struct ahci_io *io)
{
    io->state = AHCI_IO_CLOSED;
    clock_timer_cancel(&io->watch);
    clock_timer_cancel(&io->recovery.timer);
}

void ahci_io_abandon(struct ahci_io *io, enum block_status status)
{
    while (io->used)
        ahci_io_finish(io, (unsigned)__builtin_ctz(io->used), status);
}

void ahci_io_gone(struct ahci_io *io)
{
    log_error("port %u: the disk is not there any more", io->port->number);
    ahci_io_close(io);
    io->state = AHCI_IO_GONE;
    ahci_io_abandon(io, BLOCK_STATUS_GONE);
}
