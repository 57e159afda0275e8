/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The controller: registers, links, the life of a command.
 */
#include "ahci_model.h"

#include <stdlib.h>
#include <string.h>

#include <kit/clock.h>

enum { CAP = 0x0, GHC = 0x4, IS = 0x8, PI = 0xc, VS = 0x10, CAP2 = 0x24, BOHC = 0x28 };
enum { CLB = 0x0, CLBU = 0x4, FB = 0x8, FBU = 0xc, PXIS = 0x10, PXIE = 0x14, CMD = 0x18 };
enum { TFD = 0x20, SIG = 0x24, SSTS = 0x28, SCTL = 0x2c, SERR = 0x30, SACT = 0x34, CI = 0x38 };
enum { PORTS = 0x100, PORT_SIZE = 0x80 };
enum { GHC_HR = 1, GHC_IE = 2 };
enum { CMD_ST = 1, CMD_SUD = 2, CMD_FRE = 1 << 4, CMD_FR = 1 << 14, CMD_CR = 1 << 15 };
enum { IDENTIFY = 0xec };
enum { BSY = 0x80, DRQ = 8, ERR = 1, READY = 0x50 };
enum { IS_DHRS = 1, IS_SDBS = 1 << 3, IS_PCS = 1 << 6, IS_PRCS = 1 << 22, IS_IFS = 1 << 27 };
#define IS_TFES        (1u << 30)
#define GHC_AE         (1u << 31)
#define CAP_STAGGERED  (1u << 27)
#define SERR_PHY       (1u << 16)
#define SERR_EXCHANGED (1u << 26)

static struct ahci_model *model_of(struct model_device *device)
{
    return (struct ahci_model *)device;
}

static void put64(uint64_t *value, bool high, uint32_t half)
{
    *value = high ? (*value & UINT32_MAX) | (uint64_t)half << 32
                  : (*value & ~(uint64_t)UINT32_MAX) | half;
}

/* 3.3.5: they follow the link's diagnosis and are not cleared by themselves. */
static uint32_t port_status(const struct ahci_model_port *port)
{
    return port->is | (port->serr & SERR_EXCHANGED ? IS_PCS : 0) |
           (port->serr & SERR_PHY ? IS_PRCS : 0);
}

static uint32_t port_read(const struct ahci_model_port *port, size_t offset)
{
    switch (offset) {
    case PXIS:
        return port_status(port);
    case PXIE:
        return port->ie;
    case CMD:
        return port->cmd;
    case TFD:
        return port->tfd;
    case SIG:
        return port->sig;
    case SSTS:
        return port->ssts;
    case SCTL:
        return port->sctl;
    case SERR:
        return port->serr;
    case SACT:
        return port->sact;
    case CI:
        return port->ci;
    }
    model_violation("read of port register %zx", offset);
    return UINT32_MAX;
}

static uint64_t register_read(struct model_device *device, unsigned window, size_t offset,
                              unsigned width)
{
    const struct ahci_model *model = model_of(device);

    if (window != 5 || width != 4)
        model_violation("read of %u bytes at %zx of window %u", width, offset, window);
    if (model->gone)
        return UINT32_MAX;
    if (offset >= PORTS) {
        size_t port = (offset - PORTS) / PORT_SIZE;
        if (port < AHCI_MODEL_PORTS && model->implemented >> port & 1)
            return port_read(&model->port[port], (offset - PORTS) % PORT_SIZE);
        model_violation("read of a register of port %zu, which is not there", port);
        return UINT32_MAX;
    }
    switch (offset) {
    case CAP:
        return model->cap;
    case GHC:
        return model->ghc;
    case IS:
        return model->is;
    case PI:
        return model->implemented;
    case VS:
        return 0x00010301;
    case CAP2:
        return model->cap2;
    case BOHC:
        return model->bohc;
    }
    model_violation("read of register %zx", offset);
    return UINT32_MAX;
}

static void commands_forget(struct ahci_model_port *port)
{
    if (!port->keeps_issued)
        port->ci = 0;
    port->sact = 0;
    memset(port->slot, 0, sizeof(port->slot));
}

/* The link goes down; a device that is there comes back by itself. */
static void link_reset(struct ahci_model *model, struct ahci_model_port *port)
{
    port->ssts = 0;
    port->tfd = 0x7f;
    port->sig = UINT32_MAX;
    port->wake_due = 0;
    port->is_stuck = port->wants_log = false;
    port->attention = port->unit_attention;
    port->link_due = port->kind == AHCI_MODEL_NOTHING ? 0 : model_time() + model->link_time;
    port->resets++;
}

static void hba_reset(struct ahci_model *model)
{
    model->is = 0;
    model->resets++;
    for (unsigned i = 0; i < AHCI_MODEL_PORTS; i++) {
        struct ahci_model_port *port = &model->port[i];
        bool keeps = port->keeps_issued;
        port->keeps_issued = false;
        commands_forget(port);
        port->keeps_issued = keeps;
        port->is = port->ie = port->serr = port->sctl = 0;
        port->cmd = model->cap & CAP_STAGGERED ? 0 : CMD_SUD;
        port->stop_due = 0;
        link_reset(model, port);
        if (model->cap & CAP_STAGGERED)
            port->link_due = 0;
    }
}

static void command_write(struct ahci_model *model, struct ahci_model_port *port, uint32_t value)
{
    const uint32_t ours = CMD_ST | CMD_SUD | CMD_FRE;
    uint32_t before = port->cmd;

    /* 10.3.1 */
    if (value & ~before & CMD_ST) {
        if (port->tfd & (BSY | DRQ) || (port->ssts & 15) != 3 || !(value & CMD_FRE) ||
            before & CMD_CR)
            model_violation("started with TFD %x, SSTS %x, CMD %x", port->tfd, port->ssts, before);
        port->is_stuck = false;
    }
    if (before & ~value & CMD_FRE && before & CMD_CR)
        model_violation("FISes are no longer received, but commands run");
    if (model->cap & CAP_STAGGERED && value & ~before & CMD_SUD)
        link_reset(model, port);
    port->cmd = (before & ~ours) | (value & ours);
    port->cmd = port->cmd & CMD_FRE ? port->cmd | CMD_FR : port->cmd & ~(uint32_t)CMD_FR;
    if (port->cmd & CMD_ST)
        port->cmd |= CMD_CR;
    else if (before & CMD_ST)
        port->stop_due = model_time() + model->stop_time;
}

static void issue(struct ahci_model_port *port, uint32_t value)
{
    if (!(port->cmd & CMD_ST))
        model_violation("commands %x are issued to a port that is stopped", value);
    if (value & port->ci)
        model_violation("commands %x are issued twice", value & port->ci);
    port->ci |= value;
}

static void port_write(struct ahci_model *model, struct ahci_model_port *port, size_t offset,
                       uint32_t value)
{
    switch (offset) {
    case CLB:
    case CLBU:
    case FB:
    case FBU:
        if (port->cmd & (CMD_ST | CMD_CR))
            model_violation("port register %zx is written while it is in use", offset);
        put64(offset < FB ? &port->clb : &port->fb, offset % 8, value);
        break;
    case PXIS:
        port->is &= ~value;
        break;
    case PXIE:
        port->ie = value;
        break;
    case CMD:
        command_write(model, port, value);
        break;
    case SCTL:
        if ((value & 15) == 1 && port->cmd & CMD_CR)
            model_violation("the link is reset while commands run"); /* 10.4.2 */
        if ((port->sctl & 15) == 1 && (value & 15) == 0)
            link_reset(model, port);
        port->sctl = value;
        break;
    case SERR:
        port->serr &= ~value;
        break;
    case SACT:
        if (value & port->sact || !(port->cmd & CMD_ST))
            model_violation("PxSACT %x while it is %x", value, port->sact);
        port->sact |= value;
        break;
    case CI:
        issue(port, value);
        break;
    default:
        model_violation("write of port register %zx", offset);
    }
}

static void control_write(struct ahci_model *model, uint32_t value)
{
    if (value & GHC_HR && !(model->ghc & GHC_AE))
        model_violation("reset while AE is clear");
    model->ghc = (value & (GHC_AE | GHC_IE)) | (model->ghc & GHC_HR);
    if (value & GHC_HR) {
        model->ghc |= GHC_HR;
        model->reset_due = model_time() + model->reset_time;
    }
}

static void register_write(struct model_device *device, unsigned window, size_t offset,
                           unsigned width, uint64_t value)
{
    struct ahci_model *model = model_of(device);
    size_t port = (offset - PORTS) / PORT_SIZE;

    if (window != 5 || width != 4)
        model_violation("write of %u bytes at %zx of window %u", width, offset, window);
    if (model->gone)
        return;
    if (offset >= PORTS && port < AHCI_MODEL_PORTS && model->implemented >> port & 1)
        port_write(model, &model->port[port], (offset - PORTS) % PORT_SIZE, (uint32_t)value);
    else if (offset == GHC)
        control_write(model, (uint32_t)value);
    else if (offset == IS)
        model->is &= ~(uint32_t)value;
    else if (offset == BOHC)
        model->bohc = model->firmware_keeps ? (uint32_t)value | 1 : (uint32_t)value & ~1u;
    else
        model_violation("write of register %zx", offset);
}

/* 6.2.2: nothing more is carried out until the port is started again. */
static void command_fail(struct ahci_model_port *port, unsigned slot, unsigned error)
{
    bool queued = ahci_model_is_queued(&port->slot[slot]);

    port->tfd = READY | ERR | error << 8;
    port->is |= IS_TFES;
    port->is_stuck = true;
    if (queued) {
        port->wants_log = port->log == AHCI_MODEL_LOG_RIGHT;
        port->failed_tag = (uint8_t)slot;
        port->failed_error = (uint8_t)error;
        port->failed_alone = (port->sact & (port->sact - 1)) == 0;
    } else if (port->takes_back) {
        port->ci &= ~(UINT32_C(1) << slot);
    }
    port->slot[slot].accepted = false;
}

static void command_end(struct ahci_model *model, struct ahci_model_port *port, unsigned slot)
{
    struct ahci_model_slot *command = &port->slot[slot];
    bool queued = ahci_model_is_queued(command);
    uint32_t moved = 0;

    if (port->link_errors > 0 && command->fis[2] != IDENTIFY) {
        port->link_errors--;
        port->is |= IS_IFS;
        port->is_stuck = true;
        return;
    }
    unsigned error = ahci_model_execute(model, port, slot, &moved);
    if (error != 0) {
        command_fail(port, slot, error);
        return;
    }
    command->accepted = false;
    if (queued) {
        port->sact &= ~(UINT32_C(1) << slot);
        port->is |= IS_SDBS;
    } else {
        model_memory_write(port->clb + slot * 32 + 4, &moved, sizeof(moved));
        port->ci &= ~(UINT32_C(1) << slot);
        port->is |= IS_DHRS;
    }
    port->tfd = READY;
}

static void commands_step(struct ahci_model *model, struct ahci_model_port *port)
{
    if (!(port->cmd & CMD_CR) || port->is_stuck)
        return;
    ahci_model_fetch(model, port);
    for (unsigned i = 0; i < AHCI_MODEL_SLOTS && !port->is_stuck; i++) {
        unsigned slot = model->reversed ? AHCI_MODEL_SLOTS - 1 - i : i;
        const struct ahci_model_slot *command = &port->slot[slot];
        if (command->accepted && !command->lost && command->due <= model_time())
            command_end(model, port, slot);
    }
}

static void link_step(struct ahci_model *model, struct ahci_model_port *port)
{
    static const uint32_t signatures[] = {
        [AHCI_MODEL_DISK] = 0x101,
        [AHCI_MODEL_PACKET] = 0xeb140101,
        [AHCI_MODEL_MULTIPLIER] = 0x96690101,
    };

    if (port->stop_due && port->stop_due <= model_time() && !port->never_stops) {
        port->stop_due = 0;
        if (!(port->cmd & CMD_ST)) {
            port->cmd &= ~(uint32_t)CMD_CR;
            commands_forget(port);
        }
    }
    if (port->link_due && port->link_due <= model_time() && (port->sctl & 15) == 0) {
        port->link_due = 0;
        port->ssts = 0x123;
        port->serr |= SERR_EXCHANGED | SERR_PHY;
        port->tfd = BSY;
        port->wake_due = model_time() + model->wake_time;
    }
    if (port->wake_due && port->wake_due <= model_time() && port->cmd & CMD_FRE &&
        !port->never_wakes) { /* the signature is a FIS */
        port->wake_due = 0;
        port->sig = signatures[port->kind];
        port->tfd = READY | 1 << 8;
    }
}

static void step(struct model_device *device)
{
    struct ahci_model *model = model_of(device);

    if (model->gone)
        return;
    if (model->ghc & GHC_HR && model->reset_due <= model_time() && !model->never_resets) {
        hba_reset(model);
        model->ghc = 0;
    }
    for (unsigned i = 0; i < AHCI_MODEL_PORTS; i++) {
        struct ahci_model_port *port = &model->port[i];
        link_step(model, port);
        commands_step(model, port);
        if (!(port_status(port) & port->ie) || model->is >> i & 1)
            continue;
        model->is |= UINT32_C(1) << i;
        if (model->ghc & GHC_IE && !model->no_interrupts) {
            model_interrupt(0);
            model->interrupts++;
        }
    }
}

void ahci_model_seal(struct ahci_model_port *port)
{
    uint8_t sum = 0xa5;

    for (unsigned i = 0; i < 255; i++)
        sum = (uint8_t)(sum + port->identity[i] + (port->identity[i] >> 8));
    port->identity[255] = (uint16_t)(0xa5 | (uint8_t)-sum << 8);
}

static void text_put(uint16_t *words, unsigned count, const char *text)
{
    for (unsigned i = 0; i < 2 * count; i++) {
        uint8_t character = *text ? (uint8_t)*text++ : ' ';
        words[i / 2] |= (uint16_t)(i % 2 ? character : character << 8);
    }
}

void ahci_model_connect(struct ahci_model *model, unsigned number, enum ahci_model_kind kind,
                        uint64_t sectors)
{
    struct ahci_model_port *port = &model->port[number];
    uint16_t *words = port->identity;
    const char serial[] = {'S', '-', (char)('0' + number), '\0'};

    free(port->disk);
    port->kind = kind;
    port->sectors = sectors;
    port->disk = sectors ? calloc(sectors, AHCI_MODEL_SECTOR) : NULL;
    port->bad_error = 0x40;
    memset(port->identity, 0, sizeof(port->identity));
    text_put(words + 10, 10, serial);
    text_put(words + 27, 20, "MODEL");
    words[0] = kind == AHCI_MODEL_PACKET ? 0x8580 : 0x40;
    words[49] = 1 << 8 | 1 << 9;
    words[75] = AHCI_MODEL_SLOTS - 1;
    words[76] = 1 << 8;
    words[83] = 1 << 14 | 1 << 10 | 1 << 13;
    words[85] = 1 << 5;
    for (unsigned i = 0; i < 4; i++)
        words[100 + i] = (uint16_t)(sectors >> 16 * i);
    words[169] = 1;
    ahci_model_seal(port);
}

void ahci_model_medium(struct ahci_model *model, unsigned number, uint64_t sectors)
{
    struct ahci_model_port *port = &model->port[number];

    free(port->disk);
    port->disk = sectors ? calloc(sectors, AHCI_MODEL_SECTOR) : NULL;
    port->sectors = sectors;
    port->no_medium = sectors == 0;
    port->medium_changed = sectors > 0;
}

void ahci_model_unplug(struct ahci_model *model, unsigned number)
{
    struct ahci_model_port *port = &model->port[number];

    port->unplugged = port->kind;
    port->kind = AHCI_MODEL_NOTHING;
    port->ssts = 0;
    port->link_due = port->wake_due = 0;
    port->serr |= SERR_PHY;
    port->is_stuck = true;
    (void)model;
}

void ahci_model_replug(struct ahci_model *model, unsigned number)
{
    model->port[number].kind = model->port[number].unplugged;
    model->port[number].link_due = model_time() + model->link_time;
}

void ahci_model_plug(struct ahci_model *model, unsigned number, enum ahci_model_kind kind,
                     uint64_t sectors)
{
    ahci_model_connect(model, number, kind, sectors);
    model->port[number].link_due = model_time() + model->link_time;
}

void ahci_model_init(struct ahci_model *model, uint64_t sectors)
{
    *model = (struct ahci_model){
        .device =
            {
                .identity = {.vendor = 0x8086,
                             .device = 0x2922,
                             .class_code = 1,
                             .subclass = 6,
                             .interface = 1,
                             .vectors = 1},
                .window_size = {[5] = 0x1000},
                .read = register_read,
                .write = register_write,
                .step = step,
            },
        /* 64 bits, queued commands, 32 slots, as many ports as there are */
        .cap = 1u << 31 | 1u << 30 | 31 << 8 | (AHCI_MODEL_PORTS - 1),
        .cap2 = 1,
        .implemented = (1 << AHCI_MODEL_PORTS) - 1,
        .bohc = 1,
        .ghc = GHC_AE | GHC_IE,
        .reset_time = 3 * CLOCK_MILLISECOND,
        .stop_time = CLOCK_MILLISECOND / 2,
        .link_time = 5 * CLOCK_MILLISECOND,
        .wake_time = 20 * CLOCK_MILLISECOND,
        .command_time = CLOCK_MILLISECOND / 20,
    };
    ahci_model_connect(model, 0, AHCI_MODEL_DISK, sectors);
}

void ahci_model_destroy(struct ahci_model *model)
{
    for (unsigned i = 0; i < AHCI_MODEL_PORTS; i++) {
        free(model->port[i].disk);
        model->port[i].disk = NULL;
    }
}
