/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What happens after an error (AHCI 1.3.1, 6.2.2; hot-plug: 7.3): the port is restarted, which
 * takes all commands back; the one that failed is found out and fails; the others are issued again.
 *
 * A queued command that failed is named by the device's log. If the log does not help, all that
 * were in flight are suspects: they are issued again one by one, so that a failure is plain.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/log.h>

#include "disk.h"
#include "io.h"

#define STEP_PERIOD CLOCK_MILLISECOND
#define OWN_LIMIT   (10 * CLOCK_SECOND)

enum { TRIES_MAX = 3, UNPROVOKED_MAX = 16 };

static void timer_expired(void *context)
{
    ahci_recovery_step(context);
}

#define READ(io, name) ahci_port_read((io)->port, AHCI_PORT_REGISTER(name))

static const struct ahci_task log_task = {
    .command = ATA_READ_LOG_EXT,
    .count = 1,
    .lba = ATA_LOG_QUEUE_ERROR,
    .length = sizeof(struct ata_queue_error),
};

static bool is_single(uint32_t bits)
{
    return bits && !(bits & (bits - 1));
}

/* The port is stopped. What is connected next is looked at anew. */
static void give_up(struct ahci_io *io, const char *why)
{
    log_error("port %u: the disk is given up: %s", io->port->number, why);
    ahci_disk_withdraw(ahci_disk_of(io));
    ahci_probe_leave(ahci_disk_of(io), ENODEV);
}

/* Nobody is known to have failed: try again, the suspects alone, but not for ever. */
static void others_resume(struct ahci_io *io, uint32_t left)
{
    struct ahci_recovery *recovery = &io->recovery;
    bool is_task = recovery->cause & AHCI_IS_TASK && !(recovery->cause & AHCI_IS_SEVERE);

    if (is_task && is_single(left)) {
        unsigned slot = (unsigned)__builtin_ctz(left);
        if (io->shape.is_packet && ahci_packet_is_doubtful(recovery->error) &&
            ++io->command[slot].tries <= TRIES_MAX) {
            recovery->is_doubtful = true;
            return;
        }
        ahci_io_fail(io, (unsigned)__builtin_ctz(left), recovery->error);
        return;
    }
    if (!recovery->late)
        io->suspects |= left;
    for (; left; left &= left - 1) {
        unsigned slot = (unsigned)__builtin_ctz(left);
        if (!recovery->late && ++io->command[slot].tries > TRIES_MAX)
            ahci_io_fail(io, slot, recovery->error);
    }
}

static void resume(struct ahci_io *io)
{
    struct ahci_recovery *recovery = &io->recovery;
    uint32_t left = io->issued;

    io->state = AHCI_IO_OPEN;
    io->issued = 0;
    for (uint32_t late = recovery->late; late; late &= late - 1)
        ahci_io_finish(io, (unsigned)__builtin_ctz(late), BLOCK_STATUS_TIMEOUT);
    left &= ~recovery->late;
    if (recovery->culprit >= 0)
        ahci_io_fail(io, (unsigned)recovery->culprit, recovery->error);
    else
        others_resume(io, left);
    io->enabled = 0; /* as they are since the port was stopped */
    if (recovery->is_doubtful) {
        ahci_recovery_medium(io);
        return;
    }
    ahci_io_interrupts_set(io);
    ahci_io_issue(io);
}

/* The page is copied and believed only if it is whole and names a command that was in flight. */
static void log_take(struct ahci_io *io)
{
    struct ata_queue_error page;
    uint8_t sum = 0;

    memcpy(&page, ahci_port_memory(io->port)->answer, sizeof(page));
    for (size_t i = 0; i < sizeof(page); i++)
        sum = (uint8_t)(sum + ((const uint8_t *)&page)[i]);
    unsigned tag = page.tag & ATA_QUEUE_ERROR_TAG;
    if (sum != 0 || page.tag & ATA_QUEUE_ERROR_NOT_QUEUED || !(io->issued >> tag & 1))
        return;
    io->recovery.culprit = (int)tag;
    io->recovery.error = page.error;
}

static void own_begin(struct ahci_io *io, enum ahci_recovery_stage stage,
                      const struct ahci_task *task)
{
    io->recovery.stage = stage;
    io->recovery.due = clock_now() + OWN_LIMIT;
    ahci_port_own_begin(io->port, task);
}

/* The port works again: what there is to ask. True: nothing. */
static bool port_ended(struct ahci_io *io)
{
    struct ahci_recovery *recovery = &io->recovery;
    bool is_queued = io->issued && !(io->issued & io->plain);

    /* What was plugged in may be another. And a device that failed the question for its log has an
     * error in its status until it has carried out something else: QEMU's repeats it with the next
     * queued command that it accepts. */
    if (io->port->was_reset || recovery->log_failed) {
        io->port->was_reset = recovery->log_failed = false;
        recovery->is_asked = true; /* it has forgotten */
        own_begin(io, AHCI_RECOVERY_IDENTIFY, ahci_disk_identify_task(io->shape.is_packet));
        return false;
    }
    /* Until it is asked, the device carries out nothing else. */
    if (is_queued && recovery->cause & AHCI_IS_TASK && !recovery->is_asked) {
        recovery->is_asked = true;
        own_begin(io, AHCI_RECOVERY_LOG, &log_task);
        return false;
    }
    return true;
}

static void restart(struct ahci_io *io, bool reset)
{
    io->recovery.stage = AHCI_RECOVERY_PORT;
    ahci_port_restart(io->port, reset);
}

static void hopeless_rest(struct ahci_io *io, const char *why)
{
    io->recovery.hopeless = why;
    io->recovery.stage = AHCI_RECOVERY_PORT;
    ahci_port_rest(io->port);
}

static void port_step(struct ahci_io *io)
{
    int error = ahci_port_step(io->port);

    switch (error) {
    case EAGAIN:
        return;
    case 0:
        if (io->recovery.hopeless) {
            give_up(io, io->recovery.hopeless);
            return;
        }
        if (!port_ended(io))
            return;
        resume(io);
        return;
    case ENODEV:
        give_up(io, "it was unplugged, or its link does not come back");
        return;
    case EBUSY:
        if (ahci_hba_is_gone(io->port->hba)) {
            ahci_io_gone(io);
            return;
        }
        /* Only the system can take the memory out of its reach, and does so when we are gone. */
        log_error("port %u does not stop: the driver ends, for the system to reset the controller",
                  io->port->number);
        exit(EXIT_FAILURE);
    default:
        give_up(io, "it does not become ready again");
        return;
    }
}

/* A disk that was away may have been without power, and its cache with it. What was completed and
 * not flushed is still with the clients, who write it again to what is offered anew. */
static bool cache_is_lost(const struct ahci_io *io)
{
    return io->recovery.cause & AHCI_IS_PLUG && io->shape.is_cached && io->is_dirty;
}

static void offer_again(struct ahci_io *io)
{
    struct ahci_disk *disk = ahci_disk_of(io);

    log_warning("port %u: the disk was away, and may have lost what was not flushed: it is offered "
                "anew, for that to be written again",
                io->port->number);
    ahci_disk_withdraw(disk);
    int error = ahci_disk_offer(disk);
    if (error != 0)
        ahci_probe_leave(disk, error);
}

static void connect_another(struct ahci_io *io)
{
    log_warning("port %u: the disk is given up: another one was connected", io->port->number);
    ahci_disk_withdraw(ahci_disk_of(io));
    ahci_probe_begin(ahci_disk_of(io));
}

static void own_step(struct ahci_io *io)
{
    struct ahci_recovery *recovery = &io->recovery;
    bool is_log = recovery->stage == AHCI_RECOVERY_LOG;
    int error = ahci_port_own_step(io->port, is_log ? &log_task
                                                    : ahci_disk_identify_task(io->shape.is_packet));

    if (error == EAGAIN && clock_now() < recovery->due)
        return;
    if (error != 0 && is_log) {
        recovery->log_failed = true;
        restart(io, error == EAGAIN);
        return;
    }
    if (is_log) {
        log_take(io);
    } else if (error != 0) {
        if (++recovery->identify_tries <= TRIES_MAX)
            restart(io, true);
        else
            hopeless_rest(io, "it does not say what it is");
        return;
    } else if (!ahci_disk_is_same(ahci_disk_of(io))) {
        connect_another(io);
        return;
    } else if (cache_is_lost(io)) {
        offer_again(io);
        return;
    }
    resume(io);
}

static void medium_lost(struct ahci_io *io, const char *what)
{
    struct ahci_disk *disk = ahci_disk_of(io);

    log_info("port %u: the medium in the optical drive %s", io->port->number, what);
    ahci_disk_withdraw(disk);
    disk->mediums++;
    disk->probe.is_empty = true; /* it was said */
}

static void medium_step(struct ahci_io *io)
{
    struct ahci_disk *disk = ahci_disk_of(io);
    const struct ahci_medium *medium = &disk->medium;
    int error = ahci_medium_step(&disk->medium);

    if (error == EAGAIN)
        return;
    if (error == 0 && !medium->changed && medium->blocks == disk->limits.blocks &&
        medium->block_size == disk->limits.block_size) {
        resume(io);
    } else if (error == 0 || error == ENOMEDIUM) {
        medium_lost(io, error == 0 ? "was changed" : "was taken out");
        ahci_probe_medium(disk);
    } else if (error == ENXIO) {
        connect_another(io);
    } else {
        give_up(io, "it does not answer any more");
    }
}

void ahci_recovery_step(struct ahci_io *io)
{
    /* What is over at once is followed at once: a restart, a question, an answer. */
    for (unsigned i = 0; i < 4 && io->state == AHCI_IO_RECOVERING; i++) {
        if (io->recovery.stage == AHCI_RECOVERY_PORT)
            port_step(io);
        else if (io->recovery.stage == AHCI_RECOVERY_MEDIUM)
            medium_step(io);
        else
            own_step(io);
    }
    if (io->state == AHCI_IO_RECOVERING)
        clock_timer_start(&io->recovery.timer, STEP_PERIOD, timer_expired, io);
    else
        clock_timer_cancel(&io->recovery.timer);
}

void ahci_recovery_medium(struct ahci_io *io)
{
    struct ahci_disk *disk = ahci_disk_of(io);
    unsigned unprovoked = io->recovery.unprovoked;
    bool has_failed = io->recovery.is_doubtful;

    clock_timer_cancel(&io->recovery.timer);
    io->recovery = (struct ahci_recovery){
        .stage = AHCI_RECOVERY_MEDIUM, .culprit = -1, .unprovoked = unprovoked};
    io->state = AHCI_IO_RECOVERING;
    io->enabled = 0;
    ahci_port_write(io->port, AHCI_PORT_REGISTER(ie), 0);
    ahci_medium_begin(io->port, &disk->identity, has_failed, &disk->medium);
    clock_timer_start(&io->recovery.timer, STEP_PERIOD, timer_expired, io);
}

void ahci_recovery_begin(struct ahci_io *io, uint32_t cause, uint32_t late)
{
    struct ahci_recovery *recovery = &io->recovery;

    recovery->cause = cause;
    recovery->late = late;
    recovery->is_asked = recovery->log_failed = false;
    recovery->culprit = -1;
    recovery->error = AHCI_TFD_ERROR(READ(io, tfd));
    io->state = AHCI_IO_RECOVERING;
    if (late)
        log_warning("port %u: no answer to %u commands within 30 s: the link is reset",
                    io->port->number, (unsigned)__builtin_popcount(late));
    else if (cause & AHCI_IS_SEVERE && log_is_worth(++io->errors))
        log_warning("port %u: an error of the link or the bus (PxIS %08x, PxSERR %08x, %u so far): "
                    "the link is reset",
                    io->port->number, cause, READ(io, serr), io->errors);
    recovery->hopeless = NULL;
    recovery->is_doubtful = false;
    recovery->identify_tries = 0;
    if (io->issued == 0 && ++recovery->unprovoked > UNPROVOKED_MAX)
        hopeless_rest(io, "it reports errors without end, with nothing to do");
    else
        restart(io, late || cause & AHCI_IS_SEVERE);
    ahci_recovery_step(io);
}
