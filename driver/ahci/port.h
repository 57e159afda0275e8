/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A port: its link, its engines, and commands of the driver's own.
 *
 * What takes time is begun and then stepped, so that it can be waited for while attaching and be
 * followed by a timer later.
 */
#ifndef DRIVER_AHCI_PORT_H
#define DRIVER_AHCI_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/block.h>
#include <kit/clock.h>
#include <kit/dma.h>

#include "command.h"
#include "hba.h"

enum ahci_port_phase {
    AHCI_PORT_IDLE = 0,  /* stopped or working */
    AHCI_PORT_STOPPING,  /* for the command engine to come to rest */
    AHCI_PORT_RESETTING, /* while the link is held in reset */
    AHCI_PORT_LINKING,   /* for a device to answer */
    AHCI_PORT_WAKING,    /* for the device to be ready */
};

struct ahci_port {
    struct ahci_hba *hba;
    unsigned number;
    struct dma_buffer memory; /* struct ahci_memory; not before a device was seen */
    enum ahci_port_phase phase;
    uint64_t due;  /* when the phase has taken too long */
    bool is_known; /* a device was there before: it is given more time to come back */
    bool is_reset_wanted, is_rest_wanted, was_reset;
    uint64_t ask_due;
    int ask_error; /* what the question that is asked ends with when the port works again */
};

/* A command as it goes into a slot. */
struct ahci_task {
    uint8_t command;
    uint16_t feature, count;
    uint64_t lba;
    const uint8_t *packet; /* 12 bytes, or null: not a PACKET command */
    bool is_write;
    uint64_t address;                     /* of the data; even */
    uint32_t length;                      /* likewise, at most AHCI_REGION_MAX */
    const struct block_segment *segments; /* the data's, or null: it is at `address` */
    unsigned segment_count;
};

static inline uint32_t ahci_port_read(const struct ahci_port *port, size_t offset)
{
    return regs_read32(&port->hba->regs, AHCI_PORT_BASE(port->number) + offset);
}

static inline void ahci_port_write(const struct ahci_port *port, size_t offset, uint32_t value)
{
    regs_write32(&port->hba->regs, AHCI_PORT_BASE(port->number) + offset, value);
}

static inline struct ahci_memory *ahci_port_memory(const struct ahci_port *port)
{
    return port->memory.memory;
}

/* After a reset of the whole: power and spin up, look for a device (10.1.2, 10.10.1). To be
 * stepped. */
void ahci_port_begin(struct ahci_hba *hba, unsigned number, struct ahci_port *port);

/* Take all commands back, reset the link if it is wanted or the device does not let go otherwise,
 * and start again (6.2.2, 10.4.2). To be stepped. */
void ahci_port_restart(struct ahci_port *port, bool reset);

/* Take all commands back and receive nothing any more. To be stepped. */
void ahci_port_rest(struct ahci_port *port);

/* EAGAIN: not yet. 0: commands may be issued, or it is at rest. ENODEV: no device answers.
 * ETIMEDOUT: the device does not become ready. EBUSY: the engine does not stop, the port still owns
 * memory. ENOMEM, EFBIG: no memory, or none that it can address. Interrupts of the port are off. */
int ahci_port_step(struct ahci_port *port);

bool ahci_port_is_linked(const struct ahci_port *port);

/* A port that is stopped or at rest: tell only of devices that are connected (7.3.1). */
void ahci_port_leave(struct ahci_port *port);

/* Put a command into a slot. It is for the caller to issue it. */
void ahci_port_fill(struct ahci_port *port, unsigned slot, const struct ahci_task *task);

/* Issue one in slot 0, with its data in the memory's `answer`. Nothing else may be in flight. */
void ahci_port_own_begin(struct ahci_port *port, const struct ahci_task *task);
/* EAGAIN: not yet. 0, or EIO: the device failed it, and the port has to be restarted. */
int ahci_port_own_step(struct ahci_port *port, const struct ahci_task *task);
/* Both with a limit; if it fails the port is restarted. EAGAIN: not yet. 0; EIO: the device failed
 * it; ENXIO: it was away, and may be another now; ETIMEDOUT; or as ahci_port_step. */
void ahci_port_ask_begin(struct ahci_port *port, const struct ahci_task *task, uint64_t limit);
int ahci_port_ask_step(struct ahci_port *port, const struct ahci_task *task);
/* Waited for. While detaching only. */
int ahci_port_ask(struct ahci_port *port, const struct ahci_task *task, uint64_t limit);

#endif
