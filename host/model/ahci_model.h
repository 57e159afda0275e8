/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A model of an AHCI controller with disks and optical drives (Serial ATA AHCI 1.3.1; ACS-3). What
 * the specifications forbid a driver to do is a violation.
 */
#ifndef HOST_MODEL_AHCI_MODEL_H
#define HOST_MODEL_AHCI_MODEL_H

#include "model.h"

enum { AHCI_MODEL_PORTS = 4, AHCI_MODEL_SLOTS = 32, AHCI_MODEL_SECTOR = 512 };

enum ahci_model_kind {
    AHCI_MODEL_NOTHING = 0, /* not connected */
    AHCI_MODEL_DISK,
    AHCI_MODEL_PACKET,
    AHCI_MODEL_MULTIPLIER,
};

/* What the log of queued errors is like. */
enum ahci_model_log {
    AHCI_MODEL_LOG_RIGHT = 0,
    AHCI_MODEL_LOG_NONE,       /* the command fails */
    AHCI_MODEL_LOG_DAMAGED,    /* the sum is wrong */
    AHCI_MODEL_LOG_OTHER,      /* it names a tag that is not in flight */
    AHCI_MODEL_LOG_WAITING,    /* likewise, if but one was: of one that waits, most likely */
    AHCI_MODEL_LOG_NOT_QUEUED, /* it is about another kind of command */
    AHCI_MODEL_LOG_SILENT,     /* no answer at all */
};

enum { AHCI_MODEL_REGIONS = 8 };

struct ahci_model_slot {
    bool accepted; /* the device has the command */
    bool lost;     /* and will not answer */
    uint64_t due;
    uint8_t fis[20];
    uint8_t packet[12];
    uint32_t flags, length;
    unsigned region_count;
    struct {
        uint64_t address;
        uint32_t length;
    } region[AHCI_MODEL_REGIONS];
};

struct ahci_model_port {
    /* What is connected; may change at any time by ahci_model_plug. */
    enum ahci_model_kind kind;
    uint16_t identity[256];
    uint8_t *disk;
    uint64_t sectors;
    bool no_medium;
    bool unit_attention; /* the first command after a reset fails */
    bool medium_changed; /* and so does the first after a change of the medium */

    /* How it misbehaves. */
    uint64_t bad_first, bad_count; /* blocks that cannot be read or written, ... */
    uint8_t bad_error;             /* ... and the error that says so */
    enum ahci_model_log log;
    bool takes_back;      /* PxCI is cleared of commands that failed, as QEMU 7 does */
    bool moves_less;      /* a sector less than it should, without an error */
    bool never_wakes;     /* after a reset */
    bool never_stops;     /* PxCMD.CR stays */
    bool keeps_issued;    /* PxCI stays when the port stops */
    unsigned lose;        /* so many commands more are never answered */
    uint64_t slow;        /* each takes that much longer */
    unsigned link_errors; /* so many commands more, but for identify, end in an error of the link */

    /* What was seen of the driver. */
    unsigned reads, writes, flushes, trims, standbys, identifies, logs, resets;
    unsigned unflushed; /* writes since the last flush */
    unsigned most_in_flight, longest_transfer;
    uint64_t trimmed; /* sectors */

    /* State. */
    enum ahci_model_kind unplugged;
    uint64_t clb, fb;
    uint32_t is, ie, cmd, tfd, sig, ssts, sctl, serr, sact, ci;
    uint64_t stop_due, link_due, wake_due; /* 0: nothing to come */
    bool attention;
    bool is_stuck;  /* after an error, until the port is started again */
    bool wants_log; /* after an error of a queued command nothing else is answered */
    uint8_t failed_tag, failed_error;
    bool failed_alone;
    struct ahci_model_slot slot[AHCI_MODEL_SLOTS];
};

struct ahci_model {
    struct model_device device; /* first: the handlers cast */
    uint32_t cap, cap2, implemented;
    uint64_t reset_time, stop_time, link_time, wake_time, command_time;

    bool gone, never_resets, no_interrupts, reversed;
    bool firmware_keeps; /* the handoff is not answered */

    uint32_t ghc, is, bohc;
    uint64_t reset_due;
    unsigned resets, interrupts;
    struct ahci_model_port port[AHCI_MODEL_PORTS];
};

/* Four ports, the first with a queueing disk of that many sectors; the firmware left it running. */
void ahci_model_init(struct ahci_model *model, uint64_t sectors);
void ahci_model_destroy(struct ahci_model *model);

/* Connect something to a port before the driver attaches, or while it runs (7.3.1). */
void ahci_model_connect(struct ahci_model *model, unsigned port, enum ahci_model_kind kind,
                        uint64_t sectors);
void ahci_model_plug(struct ahci_model *model, unsigned port, enum ahci_model_kind kind,
                     uint64_t sectors);
/* Another medium of so many sectors of 512 bytes in an optical drive, or (0) none. */
void ahci_model_medium(struct ahci_model *model, unsigned port, uint64_t sectors);
void ahci_model_replug(struct ahci_model *model, unsigned port); /* what was unplugged */
void ahci_model_unplug(struct ahci_model *model, unsigned port);

/* Words of the identity are changed; then make it whole again. */
void ahci_model_seal(struct ahci_model_port *port);

/* Between the model's files. The command is carried out: 0, or the error register's value. */
unsigned ahci_model_execute(struct ahci_model *model, struct ahci_model_port *port, unsigned slot,
                            uint32_t *moved);
/* The port takes what was issued. */
void ahci_model_fetch(struct ahci_model *model, struct ahci_model_port *port);
bool ahci_model_is_queued(const struct ahci_model_slot *slot);

#endif
