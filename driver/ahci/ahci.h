/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A controller, and what is at each of its ports.
 */
#ifndef DRIVER_AHCI_AHCI_H
#define DRIVER_AHCI_AHCI_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/block.h>
#include <kit/clock.h>
#include <kit/device.h>
#include <kit/dma.h>

#include "ata.h"
#include "command.h"

/* How far a port is: see port.c. From STOP on it is on its way to a device that works. */
enum ahci_stage {
    AHCI_CLOSED = 0, /* not used */
    AHCI_EMPTY,      /* at rest: until something is connected; a drive is looked at again later */
    AHCI_OPEN,       /* requests are carried out */
    AHCI_STOP,       /* the command engine comes to rest */
    AHCI_RESET,      /* the link is reset; or not begun yet, as the disk of another spins up */
    AHCI_LINK,       /* a device is waited for, that is ready */
    AHCI_ASK,        /* a command of the driver's own is with the device */
};

struct ahci_port {
    unsigned number;
    struct ahci_memory *memory; /* null until a device was seen */
    uint64_t address;           /* of it, for the device */
    enum ahci_stage stage;
    uint64_t since;           /* when the stage began */
    struct clock_timer timer; /* of the stage */
    const char *why;          /* it is given up as soon as it is at rest, for this; or null */
    const char *said;         /* for what it was given up last; null: a device has worked since */
    unsigned restarts;        /* in a row, without a request that ended */
    unsigned errors;          /* of the link and the bus */
    bool is_reset;            /* the link is, or was: what is there then is offered anew */
    bool is_asked_why;        /* a command failed, and the device says more if it is asked */
    uint8_t error;            /* the error register, then */
    uint32_t questions;       /* what it is asked (device.c), a bit each, the lowest now */

    /* The device. */
    uint16_t identity[ATA_IDENTITY_WORDS];
    bool is_packet;             /* it is an optical drive */
    bool is_queued;             /* reads and writes are */
    unsigned depth;             /* commands that it may have */
    struct block_device *block; /* null: none is offered */
    uint64_t blocks;            /* of the medium that was offered last; 0: it is known to be gone */
    unsigned mediums;           /* that were offered before: clients tell them apart */

    /* Requests. A slot has one until it is done. Queued commands are in flight together; one that
     * is not queued (a plain one) is in flight alone, as it must not mix with them (5.5.1), and so
     * that there is no doubt which one failed. */
    struct block_request *request[AHCI_SLOTS];
    uint32_t used;     /* slots that have one */
    uint32_t plain;    /* of those: not queued; one at most */
    uint32_t issued;   /* of those: with the device, all queued or the plain one */
    uint32_t suspects; /* of those: are issued alone, as one of them failed */
    uint32_t together; /* of those: were in flight when that happened, if several were */
    uint32_t loud;     /* of those: to be noticed by an interrupt */
    uint32_t enabled;  /* what the port raises its interrupt for */
};

extern struct ahci_hba {
    struct device *device;
    struct regs regs;
    uint32_t cap;
    /* The driver is about to end; then: disks that are ready are flushed and put to rest. */
    bool is_ending, is_closing;
    struct ahci_port port[AHCI_PORTS];
} ahci_hba;

static inline uint32_t ahci_read(size_t offset)
{
    return regs_read32(&ahci_hba.regs, offset);
}

static inline void ahci_write(size_t offset, uint32_t value)
{
    regs_write32(&ahci_hba.regs, offset, value);
}

#define AHCI_READ(port, name)         ahci_read(AHCI_PORT_REGISTER((port)->number, name))
#define AHCI_WRITE(port, name, value) ahci_write(AHCI_PORT_REGISTER((port)->number, name), value)

/* port.c. Go on with a port; after a reset of the controller from AHCI_RESET on. */
void ahci_port_step(void *port);
void ahci_port_stage_set(struct ahci_port *port, enum ahci_stage stage);

/* The port has raised an interrupt: whether there was anything. */
bool ahci_port_interrupt(struct ahci_port *port);

/* PxIS tells of errors. */
void ahci_port_recover(struct ahci_port *port, uint32_t cause);

/* Begin again, perhaps with the link; but a device that fails without end is given up. */
void ahci_port_restart(struct ahci_port *port, bool reset);

/* Give the device up, or what there is instead of one. */
void ahci_port_leave(struct ahci_port *port, const char *why);

/* The driver is about to end: a disk that has no requests is flushed and put to rest, or will be
 * once it works again. Then, and for all else at once, the port is closed. */
void ahci_port_close(struct ahci_port *port);

/* device.c. A device is ready: ask what it is, and whether it is well; then offer it, if it is not
 * yet, and go on with its requests. */
void ahci_device_look(struct ahci_port *port);

/* It was asked: is there an answer? A question that is late has failed. */
void ahci_device_hear(struct ahci_port *port, bool is_late);

/* command.c. A command as it goes into a slot. */
struct ahci_task {
    uint8_t command;
    uint32_t length; /* of the data, at most 4 MiB; even */
    uint16_t feature, count;
    uint64_t lba;
    uint8_t packet[AHCI_PACKET_SIZE];
    bool is_write;
    uint64_t address;                     /* of the data; even */
    const struct block_segment *segments; /* the data's, or null: it is at `address` */
    unsigned segment_count;
};
void ahci_command_fill(struct ahci_port *port, unsigned slot, const struct ahci_task *task);

/* As a slot's request wants it. */
void ahci_command_request_fill(struct ahci_port *port, unsigned slot);

/* io.c. As in struct block_device_ops, with the port as their context. */
extern const struct block_device_ops ahci_io_ops;

/* Of an open port: take what is completed. Whether there was anything. */
bool ahci_io_look(struct ahci_port *port);

/* What the port raises its interrupt for, as it is now. */
void ahci_io_interrupts_set(struct ahci_port *port);

/* The port no longer moves data: what was in flight is to be issued again, or has failed. */
void ahci_io_take_back(struct ahci_port *port);

/* The device has failed the command. */
void ahci_io_fail(struct ahci_port *port, unsigned slot, uint8_t error);

/* The port works: issue what waits. */
void ahci_io_resume(struct ahci_port *port);

/* What was offered is not there any more, if there was anything. Nothing is in flight. */
void ahci_io_withdraw(struct ahci_port *port);

#endif
