/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A port's way to a device that works (AHCI 1.3.1, 6.2.2, 7.3, 10.1.2, 10.4.2):
 *
 *   STOP -> (RESET ->) LINK -> ASK -> OPEN
 *     \-> EMPTY
 *
 * It is the same for what was there at the beginning (from RESET on), for what is connected later,
 * and after an error: the engine is stopped, which takes all commands back; the device says which
 * of them failed, if it can, and goes on with the others. Nothing is waited for in place: whatever
 * a device does, the other ports have their turn, and the supervisor its answer.
 *
 * After an error of the link the link is reset, and whatever is connected then is offered anew. If
 * it is what was there before, its clients go on with it after writing again what it may have lost
 * (doc/recovery.md): nothing has to be known of it here.
 *
 * If a command of the driver's own fails, all that begins again; the link is reset once on the way,
 * as a disk whose log cannot be read after an error refuses all else until then.
 */
#include <kit/log.h>

#include "ahci.h"

#define STEP_PERIOD    (1 * CLOCK_MILLISECOND)
#define LOOK_PERIOD    (2 * CLOCK_SECOND)
#define ENGINE_LIMIT   (500 * CLOCK_MILLISECOND) /* 10.1.2: for CR to clear */
#define RESET_TIME     (2 * CLOCK_MILLISECOND)   /* 10.4.2: at least 1 ms */
#define PRESENCE_LIMIT (15 * CLOCK_MILLISECOND)  /* 10.10.1: 10 ms; a clock may tick in 10 */
#define LINK_LIMIT     (1 * CLOCK_SECOND)
#define ANSWER_LIMIT   (800 * CLOCK_MILLISECOND)
#define WAKE_LIMIT     (31 * CLOCK_SECOND) /* as long as a disk may take to spin up */

enum { RESTARTS_MAX = 16 };

static const char unplugged[] = "it was unplugged, or its link does not come back";

/* An optical drive is looked at now and then, whether it has a medium, as not all of them tell. */
static void timer_set(struct ahci_port *port)
{
    bool is_drive = port->is_packet && (port->stage == AHCI_EMPTY || port->stage == AHCI_OPEN);

    if (port->stage > AHCI_OPEN || is_drive)
        clock_timer_start(&port->timer, is_drive ? LOOK_PERIOD : STEP_PERIOD, ahci_port_step, port);
    else
        clock_timer_cancel(&port->timer);
}

void ahci_port_stage_set(struct ahci_port *port, enum ahci_stage stage)
{
    port->stage = stage;
    port->since = clock_now();
    ahci_io_interrupts_set(port);
    timer_set(port);
}

static bool is_late(const struct ahci_port *port, uint64_t limit)
{
    return clock_now() - port->since >= limit;
}

void ahci_port_restart(struct ahci_port *port, bool reset)
{
    if (++port->restarts > RESTARTS_MAX)
        port->why = "it fails again and again";
    port->is_reset = reset || port->restarts == RESTARTS_MAX / 2;
    AHCI_WRITE(port, cmd, AHCI_READ(port, cmd) & ~AHCI_CMD_START);
    ahci_port_stage_set(port, AHCI_STOP);
}

void ahci_port_leave(struct ahci_port *port, const char *why)
{
    ahci_port_restart(port, false);
    port->why = why;
}

void ahci_port_recover(struct ahci_port *port, uint32_t cause)
{
    bool is_severe = cause & AHCI_IS_SEVERE;

    if (is_severe && log_is_worth(++port->errors))
        log_warning("port %u: an error of the link or the bus (PxIS %08x, PxSERR %08x, %u so far): "
                    "the link is reset",
                    port->number, cause, AHCI_READ(port, serr), port->errors);
    port->error = AHCI_TFD_ERROR(AHCI_READ(port, tfd));
    port->is_asked_why = true;
    ahci_port_restart(port, is_severe);
}

/* What was connected before it could be told of is seen here. */
static void rest(struct ahci_port *port)
{
    const char *why = port->why;

    port->why = NULL;
    port->restarts = 0;
    port->is_packet &= why != unplugged;
    if (why != port->said && (why != unplugged || port->memory))
        log_warning("port %u is not used: %s", port->number, why);
    port->said = why;
    AHCI_WRITE(port, cmd, AHCI_READ(port, cmd) & ~AHCI_CMD_RECEIVE); /* 10.3.2: now */
    AHCI_WRITE(port, serr, UINT32_MAX);
    AHCI_WRITE(port, is, UINT32_MAX);
    ahci_port_stage_set(port, AHCI_EMPTY);
    if (why == unplugged && AHCI_SSTS_DET(AHCI_READ(port, ssts)) == AHCI_DET_UP)
        ahci_port_restart(port, true);
}

static void stop_step(struct ahci_port *port)
{
    /* 3.3.14: PxCI is cleared with ST. A controller that keeps it would carry that out again. */
    if (AHCI_READ(port, cmd) & AHCI_CMD_RUNNING || AHCI_READ(port, ci) != 0) {
        /* Only the system can take the memory out of its reach, and does so when we are gone; which
         * has time until the other disks are flushed, if we are to go. */
        if (is_late(port, ENGINE_LIMIT) && !ahci_hba.is_ending)
            block_give_up("a port does not stop, or the controller is gone");
        return;
    }
    port->is_reset |= AHCI_READ(port, tfd) & AHCI_TFD_BUSY;
    if (port->is_reset || port->why)
        ahci_io_withdraw(port);
    else
        ahci_io_take_back(port);
    ahci_port_stage_set(port, port->is_reset ? AHCI_RESET : AHCI_LINK);
    if (port->why)
        rest(port);
    else if (port->is_reset)
        AHCI_WRITE(port, sctl, AHCI_SCTL_AWAKE | AHCI_SCTL_RESET);
}

/* Also the first of all. 10.10: where disks are spun up one by one, after those before it; one that
 * has failed meanwhile is not waited for. */
static void reset_step(struct ahci_port *port)
{
    bool wait = !is_late(port, RESET_TIME);

    for (const struct ahci_port *other = ahci_hba.port; other < port; other++)
        wait |= ahci_hba.cap & AHCI_CAP_STAGGERED && other->stage >= AHCI_RESET && !other->restarts;
    if (wait)
        return;
    AHCI_WRITE(port, sctl, AHCI_SCTL_AWAKE);
    AHCI_WRITE(port, cmd, AHCI_READ(port, cmd) | AHCI_CMD_SPIN_UP | AHCI_CMD_POWER_ON);
    ahci_port_stage_set(port, AHCI_LINK);
}

/* 10.3.2: where FISes go has to be said before they are received. */
static bool receive(struct ahci_port *port)
{
    struct dma_buffer buffer = {port->memory, port->address, 0};

    if (!port->memory && dma_buffer_create(ahci_hba.device, sizeof(*port->memory), &buffer) != 0)
        return false;
    uint64_t list = buffer.address, received = list + offsetof(struct ahci_memory, received);
    port->memory = buffer.memory;
    port->address = list;
    AHCI_WRITE(port, clb, (uint32_t)list);
    AHCI_WRITE(port, clbu, (uint32_t)(list >> 32));
    AHCI_WRITE(port, fb, (uint32_t)received);
    AHCI_WRITE(port, fbu, (uint32_t)(received >> 32));
    AHCI_WRITE(port, cmd, AHCI_READ(port, cmd) | AHCI_CMD_RECEIVE);
    return true;
}

/* 10.3.1, 10.4.2. While nothing was ever there only its presence is waited for (10.10.1). */
static void link_step(struct ahci_port *port)
{
    uint32_t presence = AHCI_SSTS_DET(AHCI_READ(port, ssts)), command = AHCI_READ(port, cmd);
    bool receives = port->memory && command & AHCI_CMD_RECEIVE;

    if (presence != AHCI_DET_UP) {
        if (is_late(port, port->memory || presence ? LINK_LIMIT : PRESENCE_LIMIT))
            ahci_port_leave(port, unplugged);
    } else if (!receives && !receive(port)) {
        ahci_port_leave(port, "there is no memory for its commands");
    } else if (port->block && AHCI_READ(port, is) & AHCI_IS_PLUG) {
        ahci_port_restart(port, true); /* it was away while the port was stopped */
    } else if (AHCI_READ(port, tfd) & AHCI_TFD_BUSY) {
        if (is_late(port, WAKE_LIMIT))
            ahci_port_leave(port, "the device does not become ready");
    } else {
        if (!(command & AHCI_CMD_START)) {
            AHCI_WRITE(port, serr, UINT32_MAX); /* that it was reset is no error */
            AHCI_WRITE(port, is, UINT32_MAX);
            AHCI_WRITE(port, cmd, AHCI_READ(port, cmd) | AHCI_CMD_START);
        }
        ahci_device_look(port);
    }
}

/* What is over at once is followed at once, but for what begins again: before that the other ports
 * have their turn. A drive that is busy is not looked at: it says by itself that the medium is
 * gone, as its commands fail. */
void ahci_port_step(void *context)
{
    struct ahci_port *port = context;

    for (enum ahci_stage before = AHCI_CLOSED; port->stage > before;) {
        before = port->stage;
        if (before == AHCI_STOP)
            stop_step(port);
        else if (before == AHCI_RESET)
            reset_step(port);
        else if (before == AHCI_LINK)
            link_step(port);
        else if (before == AHCI_ASK)
            ahci_device_hear(port, is_late(port, ANSWER_LIMIT));
        else if (port->is_packet && !port->used && is_late(port, LOOK_PERIOD))
            ahci_port_stage_set(port, AHCI_LINK);
    }
    timer_set(port);
}

void ahci_port_close(struct ahci_port *port)
{
    if (port->said || port->is_packet)
        ahci_port_stage_set(port, AHCI_CLOSED);
    else if (port->stage == AHCI_OPEN && !port->used)
        ahci_port_stage_set(port, AHCI_LINK);
}

bool ahci_port_interrupt(struct ahci_port *port)
{
    if (port->stage != AHCI_EMPTY)
        return ahci_io_look(port);
    uint32_t status = AHCI_READ(port, is);
    AHCI_WRITE(port, serr, UINT32_MAX);
    AHCI_WRITE(port, is, status);
    if (status & AHCI_IS_PLUG)
        ahci_port_restart(port, true);
    return status != 0;
}
