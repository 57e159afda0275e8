/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "port.h"

#include <errno.h>
#include <string.h>

#include <kit/log.h>

#include "ata.h"

#define STOP_LIMIT     (500 * CLOCK_MILLISECOND) /* 10.1.2: for CR and FR to clear */
#define RESET_TIME     (2 * CLOCK_MILLISECOND)   /* 10.4.2: at least 1 ms */
#define PRESENCE_LIMIT (20 * CLOCK_MILLISECOND)  /* 10.10.1: a device is seen within 10 ms */
#define LINK_LIMIT     (1 * CLOCK_SECOND)
#define WAKE_LIMIT     (31 * CLOCK_SECOND) /* as long as a disk may take to spin up */

#define READ(port, name)         ahci_port_read(port, AHCI_PORT_REGISTER(name))
#define WRITE(port, name, value) ahci_port_write(port, AHCI_PORT_REGISTER(name), value)

static void phase_set(struct ahci_port *port, enum ahci_port_phase phase, uint64_t limit)
{
    port->phase = phase;
    port->due = clock_now() + limit;
}

bool ahci_port_is_linked(const struct ahci_port *port)
{
    return AHCI_SSTS_DET(READ(port, ssts)) == AHCI_DET_UP;
}

void ahci_port_begin(struct ahci_hba *hba, unsigned number, struct ahci_port *port)
{
    *port = (struct ahci_port){.hba = hba, .number = number};
    uint32_t command = READ(port, cmd) & ~(AHCI_CMD_STATE_MASK | AHCI_CMD_START);

    /* 3.3.7: SUD and POD are read-only ones where they mean nothing. */
    WRITE(port, ie, 0);
    WRITE(port, sctl, AHCI_SCTL_AWAKE);
    WRITE(port, cmd,
          command | AHCI_CMD_STATE_ACTIVE | AHCI_CMD_SPIN_UP |
              (command & AHCI_CMD_POWER_CONTROL ? AHCI_CMD_POWER_ON : 0));
    phase_set(port, AHCI_PORT_LINKING, PRESENCE_LIMIT);
}

static void stop_begin(struct ahci_port *port)
{
    port->was_reset = false;
    WRITE(port, ie, 0);
    WRITE(port, cmd, READ(port, cmd) & ~AHCI_CMD_START);
    phase_set(port, AHCI_PORT_STOPPING, STOP_LIMIT);
}

void ahci_port_restart(struct ahci_port *port, bool reset)
{
    port->is_reset_wanted = reset;
    port->is_rest_wanted = false;
    stop_begin(port);
}

void ahci_port_rest(struct ahci_port *port)
{
    port->is_rest_wanted = true;
    stop_begin(port);
}

void ahci_port_leave(struct ahci_port *port)
{
    WRITE(port, cmd, READ(port, cmd) & ~AHCI_CMD_RECEIVE); /* 10.3.2: after commands have ended */
    WRITE(port, serr, UINT32_MAX);
    WRITE(port, is, UINT32_MAX);
    WRITE(port, ie, AHCI_IS_PLUG);
}

/* 10.3.2: where FISes go has to be said before they are received. */
static int receive_begin(struct ahci_port *port)
{
    int error = 0;

    if (!port->memory.memory)
        error = dma_buffer_create(port->hba->device, sizeof(struct ahci_memory), &port->memory);
    if (error != 0)
        return error;
    uint64_t list = port->memory.address;
    uint64_t received = list + offsetof(struct ahci_memory, received);
    if (!(port->hba->cap & AHCI_CAP_64) && (list + port->memory.size - 1) >> 32)
        return EFBIG;
    WRITE(port, clb, (uint32_t)list);
    WRITE(port, fb, (uint32_t)received);
    if (port->hba->cap & AHCI_CAP_64) {
        WRITE(port, clbu, (uint32_t)(list >> 32));
        WRITE(port, fbu, (uint32_t)(received >> 32));
    }
    WRITE(port, cmd, READ(port, cmd) | AHCI_CMD_RECEIVE);
    return 0;
}

static int stopping_step(struct ahci_port *port, bool late)
{
    if (READ(port, cmd) & AHCI_CMD_RUNNING)
        return late ? EBUSY : EAGAIN;
    /* 3.3.14: they are cleared with ST. A controller that keeps them would carry them out again. */
    if (READ(port, ci) != 0)
        return EBUSY;
    if (port->is_rest_wanted) {
        port->phase = AHCI_PORT_IDLE;
    } else if (port->is_reset_wanted || READ(port, tfd) & (AHCI_TFD_BSY | AHCI_TFD_DRQ)) {
        WRITE(port, sctl, AHCI_SCTL_AWAKE | AHCI_SCTL_RESET);
        phase_set(port, AHCI_PORT_RESETTING, RESET_TIME);
    } else {
        phase_set(port, AHCI_PORT_WAKING, WAKE_LIMIT);
    }
    return 0;
}

static int linking_step(struct ahci_port *port, bool late)
{
    uint32_t presence = AHCI_SSTS_DET(READ(port, ssts));

    if (presence != AHCI_DET_UP) {
        if (presence != AHCI_DET_NONE && !port->is_known) {
            port->is_known = true; /* it is there, but it takes its time */
            phase_set(port, AHCI_PORT_LINKING, LINK_LIMIT);
            return EAGAIN;
        }
        return late ? ENODEV : EAGAIN;
    }
    port->is_known = true;
    WRITE(port, serr, UINT32_MAX); /* 10.4.2: that it was reset is no error */
    int error = receive_begin(port);
    phase_set(port, AHCI_PORT_WAKING, WAKE_LIMIT);
    return error;
}

/* 10.3.1 */
static int waking_step(struct ahci_port *port, bool late)
{
    if (READ(port, tfd) & (AHCI_TFD_BSY | AHCI_TFD_DRQ))
        return !ahci_port_is_linked(port) ? ENODEV : late ? ETIMEDOUT : EAGAIN;
    if (!ahci_port_is_linked(port))
        return ENODEV;
    WRITE(port, serr, UINT32_MAX);
    WRITE(port, is, UINT32_MAX);
    WRITE(port, cmd, READ(port, cmd) | AHCI_CMD_START);
    port->phase = AHCI_PORT_IDLE;
    return 0;
}

/* Phases that are over at once follow each other at once. */
int ahci_port_step(struct ahci_port *port)
{
    int error = 0;

    while (error == 0 && port->phase != AHCI_PORT_IDLE) {
        bool late = clock_now() >= port->due;
        switch (port->phase) {
        case AHCI_PORT_STOPPING:
            error = stopping_step(port, late);
            break;
        case AHCI_PORT_RESETTING:
            if (!late)
                return EAGAIN;
            WRITE(port, sctl, AHCI_SCTL_AWAKE);
            port->was_reset = true;
            phase_set(port, AHCI_PORT_LINKING, LINK_LIMIT);
            break;
        case AHCI_PORT_LINKING:
            error = linking_step(port, late);
            break;
        case AHCI_PORT_WAKING:
            error = waking_step(port, late);
            break;
        case AHCI_PORT_IDLE:
            break;
        }
    }
    if (error != EAGAIN)
        port->phase = AHCI_PORT_IDLE;
    return error;
}

static struct ahci_region region_make(uint64_t address, uint64_t length)
{
    return (struct ahci_region){
        .address = (uint32_t)address,
        .address_high = (uint32_t)(address >> 32),
        .last = (uint32_t)length - 1,
    };
}

/* 4.2.3.3: where the data is. How many regions that are. */
static unsigned regions_fill(struct ahci_table *table, const struct ahci_task *task)
{
    if (task->length == 0)
        return 0;
    table->region[0] = region_make(task->address, task->length);
    if (!task->segments)
        return 1;
    for (unsigned i = 0; i < task->segment_count; i++)
        table->region[i] = region_make(task->segments[i].address, task->segments[i].length);
    return task->segment_count;
}

/* 4.2.2, 4.2.3. The FIS has the task's fields as the command set counts them (ACS-3, 4.2). */
void ahci_port_fill(struct ahci_port *port, unsigned slot, const struct ahci_task *task)
{
    struct ahci_memory *memory = ahci_port_memory(port);
    struct ahci_table *table = &memory->table[slot];
    uint64_t table_address =
        port->memory.address + offsetof(struct ahci_memory, table) + slot * sizeof(*table);
    uint64_t lba = task->lba;

    table->fis = (struct ahci_fis){
        .type = AHCI_FIS_HOST_TO_DEVICE,
        .flags = AHCI_FIS_COMMAND,
        .command = task->command,
        .feature = (uint8_t)task->feature,
        .feature_high = (uint8_t)(task->feature >> 8),
        .lba = {(uint8_t)lba, (uint8_t)(lba >> 8), (uint8_t)(lba >> 16)},
        .lba_high = {(uint8_t)(lba >> 24), (uint8_t)(lba >> 32), (uint8_t)(lba >> 40)},
        .device = task->packet ? 0 : ATA_DEVICE_LBA,
        .count = (uint8_t)task->count,
        .count_high = (uint8_t)(task->count >> 8),
    };
    if (task->packet)
        memcpy(table->packet, task->packet, 12);
    unsigned regions = regions_fill(table, task);
    memory->list[slot] = (struct ahci_header){
        .flags = AHCI_HEADER_FIS_DWORDS | (task->packet ? AHCI_HEADER_PACKET : 0) |
                 (task->is_write ? AHCI_HEADER_WRITE : 0) | AHCI_HEADER_REGIONS(regions),
        .table = (uint32_t)table_address,
        .table_high = (uint32_t)(table_address >> 32),
    };
}

void ahci_port_own_begin(struct ahci_port *port, const struct ahci_task *task)
{
    struct ahci_task own = *task;

    own.address = port->memory.address + offsetof(struct ahci_memory, answer);
    memset(ahci_port_memory(port)->answer, 0, sizeof(ahci_port_memory(port)->answer));
    ahci_port_fill(port, 0, &own);
    WRITE(port, is, UINT32_MAX);
    WRITE(port, ci, 1);
}

int ahci_port_own_step(struct ahci_port *port, const struct ahci_task *task)
{
    const volatile struct ahci_header *header = &ahci_port_memory(port)->list[0];
    bool is_issued = READ(port, ci) & 1;

    /* After the other, for there are controllers that take back what failed. */
    if (READ(port, is) & AHCI_IS_ERRORS)
        return EIO;
    if (is_issued)
        return EAGAIN;
    /* A device that gives less than was asked for has not carried it out. */
    return task->packet || header->moved >= task->length ? 0 : EIO;
}

void ahci_port_ask_begin(struct ahci_port *port, const struct ahci_task *task, uint64_t limit)
{
    port->ask_due = clock_now() + limit;
    port->ask_error = 0;
    ahci_port_own_begin(port, task);
}

int ahci_port_ask_step(struct ahci_port *port, const struct ahci_task *task)
{
    int error;

    if (port->ask_error == 0) {
        error = ahci_port_own_step(port, task);
        bool is_late = error == EAGAIN && clock_now() >= port->ask_due;
        if (error == 0 || (error == EAGAIN && !is_late))
            return error;
        bool was_away = READ(port, is) & AHCI_IS_PLUG;
        port->ask_error = is_late ? ETIMEDOUT : was_away ? ENXIO : EIO;
        ahci_port_restart(port, is_late || was_away);
    }
    error = ahci_port_step(port);
    return error != 0 ? error : port->ask_error;
}

int ahci_port_ask(struct ahci_port *port, const struct ahci_task *task, uint64_t limit)
{
    int error;

    ahci_port_ask_begin(port, task, limit);
    while ((error = ahci_port_ask_step(port, task)) == EAGAIN)
        clock_sleep(CLOCK_MILLISECOND);
    return error;
}
