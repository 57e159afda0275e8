/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A port's way to a device that works (AHCI 1.3.1, 6.2.2, 7.3, 10.1.2, 10.4.2):
 *
 *   STOP -> RESET -> LINK -> LOG -> IDENTIFY ----------------------------------> OPEN
 *      \__________/       \__/  \-> IDENTIFY_PACKET -> SENSE -> READY -> CAPACITY -/
 *                                                         \-> PAUSE -> STOP
 *
 * It is the same for what was there at the beginning (from LINK on), for what is connected later,
 * and after an error: the engine is stopped, which takes all commands back; the device's log names
 * the queued command that failed; it is asked whether it is well, and goes on with its requests.
 *
 * After an error of the link, or without an answer, the link is reset, and whatever is connected
 * then is offered anew. If it is what was there before, its clients go on with it after writing
 * again what it may have lost (doc/recovery.md): nothing has to be known of it here.
 *
 * If a command of the driver's own fails, all that begins again.
 */
#include <stdlib.h>
#include <string.h>

#include <kit/log.h>

#include "ahci.h"

#define STEP_PERIOD    (1 * CLOCK_MILLISECOND)
#define WATCH_PERIOD   (2 * CLOCK_SECOND)
#define ENGINE_LIMIT   (500 * CLOCK_MILLISECOND) /* 10.1.2: for CR to clear */
#define RESET_TIME     (2 * CLOCK_MILLISECOND)   /* 10.4.2: at least 1 ms */
#define PRESENCE_LIMIT (20 * CLOCK_MILLISECOND)  /* 10.10.1: a device is seen within 10 ms */
#define LINK_LIMIT     (1 * CLOCK_SECOND)
#define WAKE_LIMIT     (31 * CLOCK_SECOND) /* as long as a disk may take to spin up */
#define ANSWER_LIMIT   (10 * CLOCK_SECOND)
#define STOP_LIMIT     (5 * CLOCK_SECOND)

enum { RESTARTS_MAX = 16, MEDIUM_RESTARTS_MAX = 8 };

static const char unplugged[] = "it was unplugged, or its link does not come back";

static void stage_set(struct ahci_port *port, enum ahci_stage stage)
{
    port->stage = stage;
    port->since = clock_now();
}

static bool is_late(const struct ahci_port *port, uint64_t limit)
{
    return clock_now() - port->since >= limit;
}

static bool is_linked(const struct ahci_port *port)
{
    return AHCI_SSTS_DET(AHCI_READ(port, ssts)) == AHCI_DET_UP;
}

void ahci_port_begin(struct ahci_port *port, unsigned number)
{
    *port = (struct ahci_port){.number = number};
    uint32_t command = AHCI_READ(port, cmd) & ~(AHCI_CMD_STATE_MASK | AHCI_CMD_START);

    AHCI_WRITE(port, ie, 0);
    AHCI_WRITE(port, sctl, AHCI_SCTL_AWAKE);
    AHCI_WRITE(port, cmd, command | AHCI_CMD_STATE_ACTIVE | AHCI_CMD_SPIN_UP | AHCI_CMD_POWER_ON);
    stage_set(port, AHCI_LINK);
}

/* Begin again; but a device that fails without end is given up. */
static void restart(struct ahci_port *port, bool reset)
{
    if (++port->restarts > RESTARTS_MAX)
        port->why = "it fails again and again";
    port->is_reset = reset;
    port->enabled = 0;
    AHCI_WRITE(port, ie, 0);
    AHCI_WRITE(port, cmd, AHCI_READ(port, cmd) & ~AHCI_CMD_START);
    stage_set(port, AHCI_STOP);
}

void ahci_port_leave(struct ahci_port *port, const char *why)
{
    restart(port, false);
    port->why = why;
}

void ahci_port_recover(struct ahci_port *port, uint32_t cause, uint32_t late)
{
    bool is_severe = late || cause & AHCI_IS_SEVERE;

    if (late)
        log_warning("port %u: no answer to %u commands within 30 s: the link is reset",
                    port->number, (unsigned)__builtin_popcount(late));
    else if (is_severe && log_is_worth(++port->errors))
        log_warning("port %u: an error of the link or the bus (PxIS %08x, PxSERR %08x, %u so far): "
                    "the link is reset",
                    port->number, cause, AHCI_READ(port, serr), port->errors);
    port->late = late;
    port->error = AHCI_TFD_ERROR(AHCI_READ(port, tfd));
    port->is_anew |= is_severe;
    port->is_log_wanted = port->issued && !(port->issued & port->plain);
    port->is_sense_wanted = true;
    restart(port, is_severe);
    ahci_port_step(port);
}

/* 7.3.1: only what is connected, or goes, is told of from now on. What was connected before that
 * was noticed, too. */
static void rest(struct ahci_port *port)
{
    const char *why = port->why;

    port->why = NULL;
    port->restarts = 0;
    port->is_empty = false;
    if (port->block) {
        log_error("port %u: the device is given up: %s", port->number, why);
        ahci_disk_withdraw(port);
    } else if (why != unplugged) {
        log_warning("port %u is not used: %s", port->number, why);
    }
    AHCI_WRITE(port, cmd, AHCI_READ(port, cmd) & ~AHCI_CMD_RECEIVE); /* 10.3.2: now */
    AHCI_WRITE(port, serr, UINT32_MAX);
    AHCI_WRITE(port, is, UINT32_MAX);
    AHCI_WRITE(port, ie, AHCI_IS_PLUG);
    stage_set(port, AHCI_EMPTY);
    if (why == unplugged && is_linked(port))
        restart(port, true);
}

static void stop_step(struct ahci_port *port)
{
    /* 3.3.14: PxCI is cleared with ST. A controller that keeps it would carry that out again. */
    if (AHCI_READ(port, cmd) & AHCI_CMD_RUNNING || AHCI_READ(port, ci) != 0) {
        if (!is_late(port, ENGINE_LIMIT))
            return;
        /* Only the system can take the memory out of its reach, and does so when we are gone. */
        log_error("port %u does not stop, or the controller is gone: the driver ends, for the "
                  "system to reset the controller",
                  port->number);
        exit(EXIT_FAILURE);
    }
    ahci_io_end(port, port->late, BLOCK_STATUS_TIMEOUT);
    port->late = 0;
    port->is_reset |= AHCI_READ(port, tfd) & AHCI_TFD_BUSY;
    if (port->why) {
        rest(port);
    } else if (port->is_reset) {
        AHCI_WRITE(port, sctl, AHCI_SCTL_AWAKE | AHCI_SCTL_RESET);
        stage_set(port, AHCI_RESET);
    } else {
        stage_set(port, AHCI_LINK);
    }
}

static void reset_step(struct ahci_port *port)
{
    if (!is_late(port, RESET_TIME))
        return;
    AHCI_WRITE(port, sctl, AHCI_SCTL_AWAKE);
    stage_set(port, AHCI_LINK);
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

static void identify(struct ahci_port *port)
{
    uint32_t signature = AHCI_READ(port, sig);

    if (signature == AHCI_SIG_DISK || signature == AHCI_SIG_PACKET)
        ahci_port_ask(port, signature == AHCI_SIG_PACKET ? AHCI_IDENTIFY_PACKET : AHCI_IDENTIFY);
    else if (signature == AHCI_SIG_MULTIPLIER)
        ahci_port_leave(port, "port multipliers are not supported; connect the disks directly");
    else
        ahci_port_leave(port, "what is connected is neither disk nor optical drive");
}

/* 10.3.1, 10.4.2. While nothing was ever there only its presence is waited for (10.10.1). */
static void link_step(struct ahci_port *port)
{
    uint32_t presence = AHCI_SSTS_DET(AHCI_READ(port, ssts));
    bool is_known = port->memory || presence != AHCI_DET_NONE;
    bool receives = port->memory && AHCI_READ(port, cmd) & AHCI_CMD_RECEIVE;

    if (presence != AHCI_DET_UP) {
        if (is_late(port, is_known ? LINK_LIMIT : PRESENCE_LIMIT))
            ahci_port_leave(port, unplugged);
    } else if (!receives && !receive(port)) {
        ahci_port_leave(port, "there is no memory for its commands");
    } else if (AHCI_READ(port, tfd) & AHCI_TFD_BUSY) {
        if (is_late(port, WAKE_LIMIT))
            ahci_port_leave(port, "the device does not become ready");
    } else {
        AHCI_WRITE(port, serr, UINT32_MAX); /* that it was reset is no error */
        AHCI_WRITE(port, is, UINT32_MAX);
        AHCI_WRITE(port, cmd, AHCI_READ(port, cmd) | AHCI_CMD_START);
        /* Until its log is read the device carries out nothing else; a reset empties it. */
        bool is_log_wanted = port->is_log_wanted && !port->is_reset;
        port->is_log_wanted = false;
        if (is_log_wanted)
            ahci_port_ask(port, AHCI_LOG);
        else
            identify(port);
    }
}

/* The page is believed only if it is whole and names a command that was in flight. If it does not
 * help nobody is known to have failed. */
static void log_take(struct ahci_port *port, const uint8_t *page)
{
    unsigned tag = page[ATA_QUEUE_ERROR_TAG];
    uint8_t sum = 0;

    for (unsigned i = 0; i < AHCI_SECTOR; i++)
        sum = (uint8_t)(sum + page[i]);
    if (sum == 0 && !(tag & ATA_QUEUE_ERROR_NOT_QUEUED) &&
        port->issued >> (tag & ATA_QUEUE_ERROR_TAG_MASK) & 1) {
        port->failed = UINT32_C(1) << (tag & ATA_QUEUE_ERROR_TAG_MASK);
        port->error = page[ATA_QUEUE_ERROR_ERROR];
    }
    identify(port);
}

static void identity_take(struct ahci_port *port, const uint8_t *answer)
{
    if (port->block && port->is_anew)
        ahci_disk_withdraw(port);
    if (!port->block) {
        memcpy(port->identity, answer, sizeof(port->identity));
        port->is_packet = port->stage == AHCI_IDENTIFY_PACKET;
        /* ACS-3, PACKET: data goes by DMA, and some drives have to be told which way. */
        port->packet_feature = port->identity[ATA_PACKET_DMA_SHAPE] & ATA_PACKET_DIRECTION
                                   ? ATA_PACKET_DMA | ATA_PACKET_TO_HOST
                                   : ATA_PACKET_DMA;
    }
    if (port->is_packet)
        ahci_port_ask(port, port->is_sense_wanted ? AHCI_SENSE : AHCI_READY);
    else
        ahci_disk_offer(port);
}

/* Later again. If the drive goes meanwhile, the controller says so. */
static void pause(struct ahci_port *port)
{
    AHCI_WRITE(port, ie, AHCI_IS_PLUG);
    stage_set(port, AHCI_PAUSE);
}

static void medium_lost(struct ahci_port *port, const char *what)
{
    if (port->block) {
        log_info("port %u: the medium in the optical drive %s", port->number, what);
        ahci_disk_withdraw(port);
        port->mediums++;
    } else if (!port->is_empty) {
        log_info("port %u: the optical drive: there is no medium in it that can be read",
                 port->number);
    }
    port->is_empty = true;
    port->is_changed = false;
    port->restarts = 0;
    pause(port);
}

static void sense_take(struct ahci_port *port, const uint8_t *sense)
{
    unsigned key = sense[SCSI_SENSE_KEY] & 15, code = sense[SCSI_SENSE_CODE];

    port->is_sense_wanted = false;
    port->is_changed |= key == SENSE_ATTENTION && code == SENSE_MEDIUM_CHANGED;
    if (key == SENSE_NOT_READY && code == SENSE_NO_MEDIUM)
        medium_lost(port, "was taken out");
    else if (key != SENSE_NOT_READY)
        ahci_port_ask(port, AHCI_READY);
    else if (port->restarts > MEDIUM_RESTARTS_MAX)
        medium_lost(port, "does not become ready");
    else
        pause(port);
}

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void capacity_take(struct ahci_port *port, const uint8_t *answer)
{
    uint64_t blocks = (uint64_t)big_endian(answer) + 1;

    if (big_endian(answer + 4) != AHCI_PACKET_BLOCK) {
        medium_lost(port, "has blocks of a size that no disc has");
    } else if (port->block && (port->is_changed || blocks != port->blocks)) {
        medium_lost(port, "was changed");
    } else {
        port->is_changed = port->is_empty = false;
        port->blocks = blocks;
        ahci_disk_offer(port);
    }
}

/* The next question follows; the last is STANDBY. */
static void next_take(struct ahci_port *port, const uint8_t *nothing)
{
    (void)nothing;
    if (port->stage == AHCI_STANDBY)
        stage_set(port, AHCI_CLOSED);
    else
        ahci_port_ask(port, port->stage + 1);
}

static const struct question {
    void (*take)(struct ahci_port *port, const uint8_t *answer);
    struct ahci_task task;
} questions[] = {
    [AHCI_LOG] = {log_take, {ATA_READ_LOG_EXT, 512, .count = 1, .lba = ATA_LOG_QUEUE_ERROR}},
    [AHCI_IDENTIFY] = {identity_take, {ATA_IDENTIFY_DEVICE, 512}},
    [AHCI_IDENTIFY_PACKET] = {identity_take, {ATA_IDENTIFY_PACKET_DEVICE, 512}},
    [AHCI_SENSE] = {sense_take, {ATA_PACKET, 18, .packet = {SCSI_REQUEST_SENSE, [4] = 18}}},
    [AHCI_READY] = {next_take, {ATA_PACKET, 0, .packet = {SCSI_TEST_UNIT_READY}}},
    [AHCI_CAPACITY] = {capacity_take, {ATA_PACKET, 8, .packet = {SCSI_READ_CAPACITY}}},
    [AHCI_FLUSH] = {next_take, {ATA_FLUSH_CACHE_EXT, 0}},
    [AHCI_STANDBY] = {next_take, {ATA_STANDBY_IMMEDIATE, 0}},
};

void ahci_port_ask(struct ahci_port *port, enum ahci_stage question)
{
    struct ahci_task task = questions[question].task;

    task.address = port->address + offsetof(struct ahci_memory, answer);
    if (task.command == ATA_PACKET && task.length > 0)
        task.feature = port->packet_feature;
    memset(port->memory->answer, 0, AHCI_SECTOR);
    ahci_command_fill(port, 0, &task);
    AHCI_WRITE(port, ie, 0);
    port->enabled = 0;
    AHCI_WRITE(port, is, UINT32_MAX);
    AHCI_WRITE(port, ci, 1);
    stage_set(port, question);
}

/* A drive that was reset, or has another medium, says so by failing. */
static void question_failed(struct ahci_port *port, bool late)
{
    bool is_medium = port->stage == AHCI_READY || port->stage == AHCI_CAPACITY;
    bool was_away = AHCI_READ(port, is) & AHCI_IS_PLUG;

    port->is_anew |= was_away;
    port->is_sense_wanted = is_medium;
    if (late && port->stage != AHCI_LOG)
        ahci_port_leave(port, "it does not answer");
    else if (is_medium && port->restarts > MEDIUM_RESTARTS_MAX)
        medium_lost(port, "cannot be read");
    else
        restart(port, late || was_away);
}

static void question_step(struct ahci_port *port)
{
    const struct question *question = &questions[port->stage];
    const volatile struct ahci_header *header = &port->memory->list[0];
    bool is_issued = AHCI_READ(port, ci) & 1;
    /* After the other, for there are controllers that take back what failed. */
    bool failed = AHCI_READ(port, is) & AHCI_IS_ERRORS;
    bool is_packet = question->task.command == ATA_PACKET;
    uint8_t answer[AHCI_SECTOR];

    /* A device that gives less than was asked for has not carried it out. */
    if (!failed && !is_issued && (is_packet || header->moved >= question->task.length)) {
        memcpy(answer, port->memory->answer, sizeof(answer));
        question->take(port, answer);
    } else if (failed || !is_issued || is_late(port, ANSWER_LIMIT)) {
        question_failed(port, !failed && is_issued);
    }
}

static void pause_step(struct ahci_port *port)
{
    if (is_late(port, WATCH_PERIOD))
        restart(port, false);
}

static void tick(void *context)
{
    struct ahci_port *port = context;

    if (port->stage == AHCI_OPEN)
        ahci_io_watch(port);
    ahci_port_step(port);
}

/* An optical drive is asked now and then whether it still has the medium, as not all of them tell.
 */
void ahci_port_timer_set(struct ahci_port *port)
{
    bool is_watched = port->stage == AHCI_OPEN && (port->used || port->is_packet);

    if (port->stage > AHCI_OPEN || is_watched)
        clock_timer_start(&port->timer, port->stage > AHCI_PAUSE ? STEP_PERIOD : WATCH_PERIOD, tick,
                          port);
    else
        clock_timer_cancel(&port->timer);
}

/* What is over at once is followed at once. */
bool ahci_port_step(struct ahci_port *port)
{
    static void (*const steps[])(struct ahci_port *) = {
        [AHCI_PAUSE] = pause_step,
        [AHCI_STOP] = stop_step,
        [AHCI_RESET] = reset_step,
        [AHCI_LINK] = link_step,
    };
    enum ahci_stage before = AHCI_CLOSED;

    while (port->stage != before && port->stage > AHCI_OPEN) {
        before = port->stage;
        (before < AHCI_LOG ? steps[before] : question_step)(port);
    }
    ahci_port_timer_set(port);
    return port->stage > AHCI_PAUSE;
}

bool ahci_port_interrupt(struct ahci_port *port)
{
    if (port->stage == AHCI_OPEN)
        return ahci_io_look(port);
    if (port->stage != AHCI_EMPTY && port->stage != AHCI_PAUSE)
        return false;
    uint32_t status = AHCI_READ(port, is);
    AHCI_WRITE(port, serr, UINT32_MAX);
    AHCI_WRITE(port, is, status);
    if (status & AHCI_IS_PLUG && (is_linked(port) || port->stage == AHCI_PAUSE)) {
        port->is_anew = true;
        restart(port, true);
        ahci_port_step(port);
    }
    return status != 0;
}

void ahci_port_stop(struct ahci_port *port)
{
    uint64_t start = clock_now();

    while (port->used && clock_now() - start < STOP_LIMIT) {
        if (port->stage == AHCI_OPEN && ahci_io_look(port))
            continue;
        ahci_port_step(port);
        clock_sleep(CLOCK_MILLISECOND);
    }
    if (port->used) {
        log_error("port %u: requests are still in flight: the disk is stopped without a flush",
                  port->number);
    } else if (port->stage == AHCI_OPEN && !port->is_packet) {
        ahci_port_ask(port, port->is_cached ? AHCI_FLUSH : AHCI_STANDBY);
        while (port->stage >= AHCI_FLUSH && ahci_port_step(port))
            clock_sleep(CLOCK_MILLISECOND);
        if (port->stage != AHCI_CLOSED)
            log_error("port %u: the disk was not flushed, or not put to rest", port->number);
    }
    port->stage = AHCI_CLOSED;
    ahci_port_timer_set(port);
}
