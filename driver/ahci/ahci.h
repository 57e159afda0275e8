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

struct ahci_hba {
    struct device *device;
    struct regs regs;
    uint32_t cap;
};
extern struct ahci_hba ahci_hba;

/* How far a port is: see port.c. From STOP on it is on its way to a device that works. */
enum ahci_stage {
    AHCI_CLOSED = 0, /* not used */
    AHCI_EMPTY,      /* at rest, until something is connected */
    AHCI_OPEN,       /* requests are carried out */
    AHCI_PAUSE,      /* an optical drive without a medium, or not ready: is looked at again later */
    AHCI_STOP,       /* the command engine comes to rest */
    AHCI_RESET,      /* the link is held in reset */
    AHCI_LINK,       /* a device is waited for, that is ready */
    /* Commands of the driver's own: */
    AHCI_LOG, /* which queued command failed? */
    AHCI_IDENTIFY,
    AHCI_IDENTIFY_PACKET,
    AHCI_SENSE, /* what is the matter with the medium? */
    AHCI_READY,
    AHCI_CAPACITY,
    AHCI_FLUSH,
    AHCI_STANDBY,
};

struct ahci_port {
    unsigned number;
    struct ahci_memory *memory; /* null until a device was seen */
    uint64_t address;           /* of it, for the device */
    enum ahci_stage stage;
    uint64_t since;           /* when the stage began */
    struct clock_timer timer; /* of the stage */
    const char *why;          /* it is given up as soon as it is at rest, for this; or null */
    unsigned restarts;        /* in a row, without a request that ended */

    unsigned errors; /* of the link and the bus */
    bool is_reset;   /* the link is, or was */
    bool is_anew;    /* what is connected then is offered anew */

    /* After an error. Slots, */
    uint32_t late;                       /* whose time is over */
    uint32_t failed;                     /* that is known to have failed */
    uint8_t error;                       /* the error register */
    bool is_log_wanted, is_sense_wanted; /* the device says more if it is asked */

    /* The device. */
    uint16_t identity[ATA_IDENTITY_WORDS];
    bool is_packet;             /* it is an optical drive */
    uint8_t packet_feature;     /* of commands with data */
    bool is_queued;             /* reads and writes are */
    bool is_cached;             /* flushes do something */
    unsigned depth;             /* commands that it may have */
    struct block_device *block; /* null: none is offered */
    uint64_t blocks;            /* of the medium */
    bool is_changed;            /* the medium may be another */
    bool is_empty;              /* that there is none was said */
    unsigned mediums;           /* that were offered before: clients tell them apart */

    /* Requests. A slot has one until it is done. Queued commands are in flight together; one that
     * is not queued (a plain one) is in flight alone, as it must not mix with them (5.5.1), and so
     * that there is no doubt which one failed. */
    struct block_request *request[AHCI_SLOTS];
    uint32_t used;     /* slots that have one */
    uint32_t plain;    /* of those: not queued; one at most */
    uint32_t issued;   /* of those: with the device, all queued or the plain one */
    uint32_t suspects; /* of those: are issued alone, as one of them failed */
    uint32_t loud;     /* of those: to be noticed by an interrupt */
    uint32_t old;      /* issued before the last mark */
    unsigned rounds;   /* of the watch: a mark every so many */
    uint32_t enabled;  /* what the port raises its interrupt for */
};

static inline uint32_t ahci_port_read(const struct ahci_port *port, size_t offset)
{
    return regs_read32(&ahci_hba.regs, AHCI_PORT_BASE(port->number) + offset);
}

static inline void ahci_port_write(const struct ahci_port *port, size_t offset, uint32_t value)
{
    regs_write32(&ahci_hba.regs, AHCI_PORT_BASE(port->number) + offset, value);
}

#define AHCI_READ(port, name)         ahci_port_read(port, AHCI_PORT_REGISTER(name))
#define AHCI_WRITE(port, name, value) ahci_port_write(port, AHCI_PORT_REGISTER(name), value)

/* port.c. After a reset of the controller: power and spin up, look for a device. */
void ahci_port_begin(struct ahci_port *port, unsigned number);

/* Go on. True: there is more to come at once. */
bool ahci_port_step(struct ahci_port *port);
void ahci_port_timer_set(struct ahci_port *port);

/* The port has raised an interrupt: whether there was anything. */
bool ahci_port_interrupt(struct ahci_port *port);

/* PxIS tells of errors, or (0) these commands are late. */
void ahci_port_recover(struct ahci_port *port, uint32_t cause, uint32_t late);

/* Issue a command of the driver's own; nothing is in flight. To be stepped. */
void ahci_port_ask(struct ahci_port *port, enum ahci_stage question);

/* Give the device up, or what there is instead of one. To be stepped. */
void ahci_port_leave(struct ahci_port *port, const char *why);

/* Orderly stop: let what is in flight end, make it durable, let the disk come to rest. */
void ahci_port_stop(struct ahci_port *port);

/* disk.c. The device works: go on with its requests; or offer it first, or leave it. */
void ahci_disk_offer(struct ahci_port *port);

/* What was offered is not there any more. Nothing is in flight. */
void ahci_disk_withdraw(struct ahci_port *port);

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

/* The port works: end what failed, issue what was in flight again, and what waits. */
void ahci_io_resume(struct ahci_port *port);

/* Of an open port: take what is completed. Whether there was anything. */
bool ahci_io_look(struct ahci_port *port);

/* Now and then while requests are in flight. */
void ahci_io_watch(struct ahci_port *port);

/* The port no longer moves data: these requests end. */
void ahci_io_end(struct ahci_port *port, uint32_t slots, enum block_status status);

#endif
