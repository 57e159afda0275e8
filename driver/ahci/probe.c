/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe.h"

#include <errno.h>
#include <string.h>

#include <kit/log.h>

#include "disk.h"

enum { TRIES_MAX = 3 };

#define STEP_PERIOD    CLOCK_MILLISECOND
#define IDENTIFY_LIMIT (10 * CLOCK_SECOND)
#define MEDIUM_PERIOD  (2 * CLOCK_SECOND)

#define READ(disk, name)         ahci_port_read(&(disk)->port, AHCI_PORT_REGISTER(name))
#define WRITE(disk, name, value) ahci_port_write(&(disk)->port, AHCI_PORT_REGISTER(name), value)

static void timer_expired(void *context)
{
    ahci_probe_step(context);
}

static void timer_start(struct ahci_disk *disk)
{
    uint64_t period = disk->probe.stage == AHCI_PROBE_PAUSE ? MEDIUM_PERIOD : STEP_PERIOD;

    clock_timer_start(&disk->probe.timer, period, timer_expired, disk);
}

static void begin(struct ahci_disk *disk)
{
    ahci_port_restart(&disk->port, true);
    disk->probe.stage = AHCI_PROBE_PORT;
    timer_start(disk);
}

void ahci_probe_begin(struct ahci_disk *disk)
{
    disk->probe.is_empty = false;
    disk->probe.begun = 0;
    begin(disk);
}

void ahci_probe_medium(struct ahci_disk *disk)
{
    WRITE(disk, ie, 0);
    ahci_medium_begin(&disk->port, &disk->identity, false, &disk->medium);
    disk->probe.stage = AHCI_PROBE_MEDIUM;
    timer_start(disk);
}

/* Later again; if it is unplugged meanwhile, the controller says so. */
static void pause(struct ahci_disk *disk)
{
    if (!disk->probe.is_empty)
        log_info("port %u: the optical drive: there is no medium in it that can be read",
                 disk->port.number);
    disk->probe.is_empty = true;
    WRITE(disk, ie, AHCI_IS_PLUG);
    disk->probe.stage = AHCI_PROBE_PAUSE;
    timer_start(disk);
}

void ahci_probe_cancel(struct ahci_disk *disk)
{
    clock_timer_cancel(&disk->probe.timer);
    disk->probe.stage = AHCI_PROBE_NONE;
}

static const char *problem_of(int error)
{
    switch (error) {
    case ETIMEDOUT:
        return "the device does not become ready";
    case EFBIG:
        return "the controller does not reach memory above 4 GiB";
    case EIO:
    case ENXIO:
        return "the device does not answer as it should";
    default:
        return strerror(error);
    }
}

void ahci_probe_leave(struct ahci_disk *disk, int error)
{
    if (error != ENODEV && error != ENOTSUP) /* why it is not supported was said */
        log_warning("port %u is not used: %s", disk->port.number, problem_of(error));
    disk->probe.is_linked = ahci_port_is_linked(&disk->port);
    ahci_port_rest(&disk->port);
    disk->probe.stage = AHCI_PROBE_REST;
    timer_start(disk);
}

void ahci_probe_identify(struct ahci_disk *disk)
{
    uint32_t signature = READ(disk, sig);

    switch (signature) {
    case AHCI_SIG_DISK:
    case AHCI_SIG_PACKET:
        disk->probe.is_packet = signature == AHCI_SIG_PACKET;
        ahci_port_ask_begin(&disk->port, ahci_disk_identify_task(disk->probe.is_packet),
                            IDENTIFY_LIMIT);
        disk->probe.stage = AHCI_PROBE_IDENTIFY;
        timer_start(disk);
        return;
    case AHCI_SIG_MULTIPLIER:
        log_warning("port %u: port multipliers are not supported; connect the disks directly",
                    disk->port.number);
        break;
    default:
        log_warning("port %u: what is connected is neither disk nor optical drive (signature %08x)",
                    disk->port.number, signature);
    }
    ahci_probe_leave(disk, ENOTSUP);
}

static void identified(struct ahci_disk *disk)
{
    memcpy(&disk->identity, ahci_port_memory(&disk->port)->answer, sizeof(disk->identity));
    if (disk->probe.is_packet) {
        ahci_probe_medium(disk);
        return;
    }
    ahci_probe_cancel(disk);
    int error = ahci_disk_offer(disk);
    if (error != 0)
        ahci_probe_leave(disk, error);
}

static void medium_found(struct ahci_disk *disk)
{
    ahci_probe_cancel(disk);
    int error = ahci_disk_offer_medium(disk);
    if (error == ENOMEDIUM)
        pause(disk);
    else if (error != 0)
        ahci_probe_leave(disk, error);
    else
        disk->probe.is_empty = false;
}

/* A port whose engine does not stop stays as it is, with what it may still write to. */
static void rested(struct ahci_disk *disk, int error)
{
    ahci_probe_cancel(disk);
    if (error != 0)
        return;
    ahci_port_leave(&disk->port);
    if (!disk->probe.is_linked && ahci_port_is_linked(&disk->port))
        ahci_probe_begin(disk); /* it was connected before that was noticed */
}

static int stage_step(struct ahci_disk *disk)
{
    switch (disk->probe.stage) {
    case AHCI_PROBE_PORT:
    case AHCI_PROBE_REST:
        return ahci_port_step(&disk->port);
    case AHCI_PROBE_IDENTIFY:
        return ahci_port_ask_step(&disk->port, ahci_disk_identify_task(disk->probe.is_packet));
    case AHCI_PROBE_MEDIUM:
        return ahci_medium_step(&disk->medium);
    case AHCI_PROBE_PAUSE: /* it is over when the timer is */
        return disk->probe.timer.running ? EAGAIN : 0;
    case AHCI_PROBE_NONE:
        break;
    }
    return EAGAIN;
}

/* The stage is over. */
static void stage_end(struct ahci_disk *disk, int error)
{
    enum ahci_probe_stage stage = disk->probe.stage;

    if (stage == AHCI_PROBE_REST)
        rested(disk, error);
    else if (error == ENXIO && ++disk->probe.begun <= TRIES_MAX)
        begin(disk); /* another one, perhaps */
    else if (stage == AHCI_PROBE_MEDIUM && error == ENOMEDIUM)
        pause(disk);
    else if (stage == AHCI_PROBE_IDENTIFY && (error == EIO || error == ETIMEDOUT))
        ahci_disk_refuse(disk, "it cannot be identified");
    else if (error != 0)
        ahci_probe_leave(disk, error);
    else if (stage == AHCI_PROBE_PORT)
        ahci_probe_identify(disk);
    else if (stage == AHCI_PROBE_IDENTIFY)
        identified(disk);
    else if (stage == AHCI_PROBE_MEDIUM)
        medium_found(disk);
    else
        ahci_probe_medium(disk);
}

bool ahci_probe_step(struct ahci_disk *disk)
{
    /* What is over at once is followed at once. */
    for (unsigned i = 0; i < 4 && disk->probe.stage != AHCI_PROBE_NONE; i++) {
        int error = stage_step(disk);
        if (error != EAGAIN)
            stage_end(disk, error);
    }
    if (disk->probe.stage != AHCI_PROBE_NONE && !disk->probe.timer.running)
        timer_start(disk);
    return disk->probe.stage != AHCI_PROBE_NONE && disk->probe.stage != AHCI_PROBE_PAUSE;
}

bool ahci_probe_interrupt(struct ahci_disk *disk)
{
    uint32_t status = READ(disk, is);

    if (disk->probe.stage != AHCI_PROBE_NONE && disk->probe.stage != AHCI_PROBE_PAUSE)
        return false;
    WRITE(disk, serr, UINT32_MAX);
    WRITE(disk, is, status);
    if (!(status & AHCI_IS_PLUG))
        return status != 0;
    if (ahci_port_is_linked(&disk->port)) {
        if (log_is_worth(++disk->probe.connected))
            log_info("port %u: a device was connected (%u so far)", disk->port.number,
                     disk->probe.connected);
        ahci_probe_begin(disk);
    } else if (disk->probe.stage == AHCI_PROBE_PAUSE) {
        ahci_probe_leave(disk, ENODEV);
    }
    return true;
}
