/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Block requests as commands of a port.
 *
 * A slot holds a request until it is done. Queued commands are in flight together; one that is not
 * queued is in flight alone, as it must not mix with them (AHCI 1.3.1, 5.5.1), and so that there is
 * no doubt which one failed.
 */
#ifndef DRIVER_AHCI_IO_H
#define DRIVER_AHCI_IO_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/block.h>
#include <kit/clock.h>

#include "ata.h"
#include "port.h"

enum ahci_io_state {
    AHCI_IO_CLOSED = 0, /* takes no requests */
    AHCI_IO_OPEN,
    AHCI_IO_RECOVERING, /* takes them, and keeps them until the port works again */
    AHCI_IO_GONE,       /* takes no requests: the controller is not there any more */
};

/* What is known of the device. */
struct ahci_shape {
    bool is_packet; /* speaks ATAPI */
    bool is_queued; /* reads and writes are */
    bool is_cached; /* flushes do something */
    unsigned slots; /* how many it can have */
};

struct ahci_io_command {
    struct block_request *request;
    unsigned round; /* of the watch, when it was issued */
    unsigned tries; /* that failed for no fault of its own */
};

enum ahci_recovery_stage {
    AHCI_RECOVERY_PORT = 0, /* the port is being restarted */
    AHCI_RECOVERY_IDENTIFY, /* the device is asked whether it is the same */
    AHCI_RECOVERY_LOG,      /* the device is asked which queued command it failed */
    AHCI_RECOVERY_MEDIUM,   /* the drive is asked whether it still has the medium */
};

struct ahci_recovery {
    enum ahci_recovery_stage stage;
    uint32_t cause;  /* of PxIS; 0: a command is late */
    uint32_t late;   /* commands */
    bool is_asked;   /* the log has been asked for */
    bool log_failed; /* the device did not answer that */
    int culprit;     /* slot, or -1: not known */
    uint8_t error;   /* the error register's */
    uint64_t due;
    struct clock_timer timer;
    unsigned identify_tries;
    unsigned unprovoked;  /* in a row, with nothing in flight */
    const char *hopeless; /* why the disk is given up when the port is at rest; or null */
    bool is_doubtful;     /* the drive failed a command for another medium, or none */
};

struct ahci_io {
    struct ahci_port *port;
    enum ahci_io_state state;
    struct ahci_shape shape;
    const struct ata_identity *identity; /* as it was at the beginning */
    struct ahci_io_command command[AHCI_SLOTS];
    /* Slots. */
    uint32_t used;     /* hold a request */
    uint32_t plain;    /* of those: not queued */
    uint32_t issued;   /* of those: with the device, all queued or a plain one */
    uint32_t suspects; /* of those: are issued alone, as one of them has made others fail */
    uint32_t loud;     /* of those: to be noticed by an interrupt */
    uint32_t enabled;  /* what the port raises its interrupt for */
    bool is_dirty;     /* something was written since the last flush */
    unsigned last;     /* plain one that was issued: the next is after it */

    unsigned errors;          /* of the link and the bus */
    struct clock_timer watch; /* runs while commands are in flight */
    unsigned round;           /* how often it did: the time, as far as a command's age goes */
    struct ahci_recovery recovery;
};

/* For a port that works; the identity stays where it is. Its interrupts come from now on. */
void ahci_io_open(struct ahci_port *port, const struct ahci_shape *shape,
                  const struct ata_identity *identity, struct ahci_io *io);

/* As in struct block_device_ops, with the io as their context. */
extern const struct block_device_ops ahci_io_ops;

/* The port has raised an interrupt: whether there was anything. */
bool ahci_io_interrupt(struct ahci_io *io);

/* Wait until nothing is in flight, recovery included. 0 or ETIMEDOUT. */
int ahci_io_drain(struct ahci_io *io, uint64_t limit);

/* Take no more requests. What is in flight stays so until ahci_io_abandon. */
void ahci_io_close(struct ahci_io *io);

/* The port no longer moves data: fail everything. */
void ahci_io_abandon(struct ahci_io *io, enum block_status status);

/* The device is not there any more, says the controller. */
void ahci_io_gone(struct ahci_io *io);

/* Between io.c and recovery.c. */
void ahci_io_finish(struct ahci_io *io, unsigned slot, enum block_status status);
void ahci_io_fail(struct ahci_io *io, unsigned slot, uint8_t error);
void ahci_io_issue(struct ahci_io *io);
void ahci_io_interrupts_set(struct ahci_io *io);
void ahci_recovery_begin(struct ahci_io *io, uint32_t cause, uint32_t late);
void ahci_recovery_step(struct ahci_io *io);

/* An optical drive with nothing in flight: look whether it still has the medium. */
void ahci_recovery_medium(struct ahci_io *io);

#endif
