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

/* The port is stopped. */
static void give_up(struct ahci_io *io, const char *why)
{
    log_error("port %u: the disk is given up: %s", io->port->number, why);
    ahci_io_close(io);
    io->state = AHCI_IO_GONE;
    ahci_port_leave(io->port);
    ahci_io_abandon(io, BLOCK_STATUS_GONE);
}

/* Nobody is known to have failed: try again, the suspects alone, but not for ever. */
static void others_resume(struct ahci_io *io, uint32_t left)
{
    struct ahci_recovery *recovery = &io->recovery;
    bool is_task = recovery->cause & AHCI_IS_TASK && !(recovery->cause & AHCI_IS_SEVERE);

    if (is_task && is_single(left)) {
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

/* True: recovery goes on. */
static bool port_step(struct ahci_io *io)
{
    int error = ahci_port_step(io->port);

    switch (error) {
    case EAGAIN:
        return true;
    case 0:
        if (io->recovery.hopeless) {
            give_up(io, io->recovery.hopeless);
            return false;
        }
        if (!port_ended(io))
            return true;
        resume(io);
        return false;
    case ENODEV:
        give_up(io, "it was unplugged, or its link does not come back");
        return false;
    case EBUSY:
        if (ahci_hba_is_gone(io->port->hba)) {
            ahci_io_gone(io);
            return false;
        }
        /* Only the system can take the memory out of its reach, and does so when we are gone. */
        log_error("port %u does not stop: the driver ends, for the system to reset the controller",
                  io->port->number);
        exit(EXIT_FAILURE);
    default:
        give_up(io, "it does not become ready again");
        return false;
    }
}

/* A disk that was away may have been without power, and its cache with it. What was completed and
 * not flushed is still with the clients, who write it again to the next driver. */
static void cache_check(const struct ahci_io *io)
{
    if (!(io->recovery.cause & AHCI_IS_PLUG) || !io->shape.is_cached || !io->is_dirty)
        return;
    log_error(
        "port %u: the disk was away, and may have lost what was not flushed: the driver ends, "
        "for that to be written again",
        io->port->number);
    exit(EXIT_FAILURE);
}

/* True: recovery goes on. */
static bool own_step(struct ahci_io *io)
{
    struct ahci_recovery *recovery = &io->recovery;
    bool is_log = recovery->stage == AHCI_RECOVERY_LOG;
    int error = ahci_port_own_step(io->port, is_log ? &log_task
                                                    : ahci_disk_identify_task(io->shape.is_packet));

    if (error == EAGAIN && clock_now() < recovery->due)
        return true;
    if (error != 0 && is_log) {
        recovery->log_failed = true;
        restart(io, error == EAGAIN);
        return true;
    }
    if (is_log) {
        log_take(io);
    } else if (error != 0) {
        if (++recovery->identify_tries <= TRIES_MAX)
            restart(io, true);
        else
            hopeless_rest(io, "it does not say what it is");
        return true;
    } else if (!ahci_disk_is_same(io)) {
        hopeless_rest(io, "another one was connected; restart the driver to use it");
        return true;
    }
    if (!is_log)
        cache_check(io);
    resume(io);
    return false;
}

static void timer_expired(void *context)
{
    ahci_recovery_step(context);
}

void ahci_recovery_step(struct ahci_io *io)
{
    bool goes_on = true;

    /* What is over at once is followed at once: a restart, a question, an answer. */
    for (unsigned i = 0; goes_on && i < 4; i++)
        goes_on = io->recovery.stage == AHCI_RECOVERY_PORT ? port_step(io) : own_step(io);
    if (goes_on)
        clock_timer_start(&io->recovery.timer, STEP_PERIOD, timer_expired, io);
    else
        clock_timer_cancel(&io->recovery.timer);
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
    else if (cause & AHCI_IS_SEVERE && ahci_io_is_worth_logging(++io->errors))
        log_warning("port %u: an error of the link or the bus (PxIS %08x, PxSERR %08x, %u so far): "
                    "the link is reset",
                    io->port->number, cause, READ(io, serr), io->errors);
    recovery->hopeless = NULL;
    recovery->identify_tries = 0;
    if (io->issued == 0 && ++recovery->unprovoked > UNPROVOKED_MAX)
        hopeless_rest(io, "it reports errors without end, with nothing to do");
    else
        restart(io, late || cause & AHCI_IS_SEVERE);
    ahci_recovery_step(io);
}
