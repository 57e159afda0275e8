/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Block requests as commands of a port.
 */
#include "ahci.h"

static struct block_request *slot_end(struct ahci_port *port, unsigned slot)
{
    uint32_t others = ~(UINT32_C(1) << slot);

    port->used &= others;
    port->plain &= others;
    port->issued &= others;
    port->suspects &= others;
    port->loud &= others;
    port->restarts = 0;
    return port->request[slot];
}

/* ACS-3, 6.2; SPC-4, 4.5.6. What the device does not blame on the medium it just could not do. */
void ahci_io_fail(struct ahci_port *port, unsigned slot, uint8_t error)
{
    bool is_medium = port->is_packet ? error >> 4 == SENSE_MEDIUM
                                     : error & (ATA_ERROR_UNCORRECTABLE | ATA_ERROR_NOT_FOUND);

    block_request_failed(slot_end(port, slot),
                         is_medium ? BLOCK_STATUS_MEDIUM : BLOCK_STATUS_DEVICE, error);
}

/* Which slots are next: suspects one by one; else what is queued, or (while it waits no others are
 * accepted) the plain one. */
static uint32_t next_get(const struct ahci_port *port)
{
    uint32_t waiting = port->used & ~port->issued, queued = waiting & ~port->plain;

    if (port->suspects)
        return port->issued ? 0 : port->suspects & -port->suspects;
    if (queued)
        return port->issued & port->plain ? 0 : queued;
    return port->issued ? 0 : waiting;
}

/* Of an open port errors always, and completions while somebody waits for that. 7.3.1: of one at
 * rest only that something is connected, or goes. */
void ahci_io_interrupts_set(struct ahci_port *port)
{
    uint32_t completions = port->issued & port->loud ? AHCI_IS_DONE : 0;
    uint32_t wanted = port->stage == AHCI_OPEN    ? AHCI_IS_ERRORS | completions
                      : port->stage == AHCI_EMPTY ? AHCI_IS_PLUG
                                                  : 0;

    if (port->enabled != wanted)
        AHCI_WRITE(port, ie, wanted);
    port->enabled = wanted;
}

static void io_kick(void *context)
{
    struct ahci_port *port = context;
    uint32_t next = port->stage == AHCI_OPEN ? next_get(port) : 0;

    if (next == 0)
        return;
    /* Built when it is issued, and again each time: a slot's memory may have been used for a
     * command of the driver's own meanwhile. */
    for (uint32_t left = next; left; left &= left - 1)
        ahci_command_request_fill(port, (unsigned)__builtin_ctz(left));
    port->issued |= next;
    ahci_io_interrupts_set(port);
    /* 5.5.1: PxSACT before PxCI; in both, zeroes do nothing. */
    if (!(next & port->plain))
        AHCI_WRITE(port, sact, next);
    AHCI_WRITE(port, ci, next);
}

static void commands_take(struct ahci_port *port, uint32_t done)
{
    for (; done; done &= done - 1) {
        unsigned slot = (unsigned)__builtin_ctz(done);
        const volatile struct ahci_header *header = &port->memory->list[slot];
        const struct block_request *request = port->request[slot];
        /* 4.2.2: of queued commands this is not known. */
        bool is_short = (port->plain >> slot & 1) && request->operation == BLOCK_READ &&
                        header->moved != request->length;
        if (is_short)
            ahci_io_fail(port, slot, 0);
        else
            block_request_done(slot_end(port, slot), BLOCK_STATUS_OK);
    }
}

/* Which of those that were issued are not completed. Queued ones are in PxSACT for as long as the
 * device has them, the other in PxCI (5.3). */
static uint32_t active_get(const struct ahci_port *port)
{
    return !port->issued                ? 0
           : port->issued & port->plain ? AHCI_READ(port, ci)
                                        : AHCI_READ(port, sact);
}

/* Status after activity: what failed was so before it was no longer active, should a controller
 * take back its bit, which it should not (5.3). What was completed between the two is not told of
 * once status is cleared, so both are read again if somebody waits for that; what is completed
 * later is told of. */
bool ahci_io_look(struct ahci_port *port)
{
    if (port->stage != AHCI_OPEN)
        return false;
    uint32_t done = port->issued & ~active_get(port), status = AHCI_READ(port, is);

    if (status)
        AHCI_WRITE(port, is, status);
    if (status && port->issued & port->loud & ~done) {
        done = port->issued & ~active_get(port);
        status |= AHCI_READ(port, is);
    }
    bool failed = status & AHCI_IS_ERRORS;
    if (!failed || !(port->issued & port->plain))
        commands_take(port, done);
    if (failed) {
        ahci_port_recover(port, status);
    } else {
        io_kick(port);
        ahci_io_interrupts_set(port);
    }
    return status != 0 || done != 0;
}

/* Only refused while something is in use: its end brings it again. While a plain command waits for
 * the queued ones it gets to its turn because no others come. */
static bool io_start(void *context, struct block_request *request)
{
    struct ahci_port *port = context;
    bool is_data = request->operation == BLOCK_READ || request->operation == BLOCK_WRITE;
    bool is_plain = !is_data || !port->is_queued;

    unsigned slot = port->used == UINT32_MAX ? AHCI_SLOTS : (unsigned)__builtin_ctz(~port->used);
    if (slot >= port->depth || port->plain)
        return false;
    uint32_t bit = UINT32_C(1) << slot;
    port->request[slot] = request;
    port->used |= bit;
    port->loud |= request->silent ? 0 : bit;
    port->plain |= is_plain ? bit : 0;
    return true;
}

static void io_poll(void *context)
{
    ahci_io_look(context);
}

static bool io_is_ready(void *context)
{
    const struct ahci_port *port = context;

    return port->stage == AHCI_OPEN && port->issued & ~active_get(port);
}

/* Should an interrupt have been lost, what is completed is taken here. A command without an answer
 * is the class's to notice. */
static const char *io_watch(void *context)
{
    ahci_io_look(context);
    ahci_port_step(context);
    return NULL;
}

const struct block_device_ops ahci_io_ops = {
    .start = io_start,
    .kick = io_kick,
    .poll = io_poll,
    .ready = io_is_ready,
    .watch = io_watch,
};

/* Of several nobody knows which one failed: they are issued again one by one, so that it is plain.
 * What an optical drive fails for another medium, or a reset, it may carry out now. */
void ahci_io_take_back(struct ahci_port *port)
{
    uint32_t left = port->issued;
    unsigned key = port->error >> 4;
    bool is_doubtful = port->is_packet && (key == SENSE_ATTENTION || key == SENSE_NOT_READY);

    port->issued = 0;
    port->suspects |= left;
    port->together = left & (left - 1) ? left : 0;
    if (left && !port->together && !is_doubtful)
        ahci_io_fail(port, (unsigned)__builtin_ctz(left), port->error);
}

void ahci_io_resume(struct ahci_port *port)
{
    port->said = NULL;
    ahci_port_stage_set(port, AHCI_OPEN);
    io_kick(port);
}

void ahci_io_withdraw(struct ahci_port *port)
{
    if (port->block)
        block_device_withdraw(port->block);
    port->block = NULL;
    while (port->used)
        block_request_done(slot_end(port, (unsigned)__builtin_ctz(port->used)), BLOCK_STATUS_GONE);
}
