/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "e1000e_model.h"

#include <string.h>

#include <kit/clock.h>

enum {
    CTRL = 0x0,
    STATUS = 0x8,
    ICR = 0xc0,
    IMS = 0xd0,
    IMC = 0xd8,
    EIAC = 0xdc,
    IVAR = 0xe4,
    RCTL = 0x100,
    TCTL = 0x400,
    RDBAL = 0x2800,
    TDBAL = 0x3800,
    TXDCTL = 0x3828,
    MPC = 0x4010,
    MTA = 0x5200,
    RAL = 0x5400,
    RAH = 0x5404,
    END = 0x6000,
};
enum { RING_HIGH = 4, RING_LENGTH = 8, RING_HEAD = 0x10, RING_TAIL = 0x18 };
enum { MASTER_DISABLE = 1 << 2, RESET = 1 << 26, MASTER = 1 << 19 };
enum { LSC = 1 << 2, RXT0 = 1 << 7, TXDW = 1, RXQ0 = 1 << 20, TXQ0 = 1 << 22, OTHER = 1 << 24 };
enum { ENABLE = 1 << 1, LONG = 1 << 5, UPE = 1 << 3, MPE = 1 << 4, DONE = 1, EOP = 2 };
enum { CAPABILITY = 0x40, MSIX = 0x11, COMMAND_EOP_IFCS_RS = 0xb };
#define RESET_TIME (CLOCK_MILLISECOND / 2)

static struct e1000e_model *model_of(struct model_device *device)
{
    return (struct e1000e_model *)device;
}

static uint32_t *reg(struct e1000e_model *model, size_t offset)
{
    return &model->reg[offset / 4];
}

static bool has_messages(const struct e1000e_model *model)
{
    return model->device.config[CAPABILITY + 3] & 0x80;
}

/* 10.2.4.9: by the entry of the cause. */
static void raise_vector(struct e1000e_model *model, unsigned shift)
{
    unsigned entry = *reg(model, IVAR) >> shift & 0xf;

    if (!(entry & 8)) {
        model_violation("a cause without a vector (IVAR %08x)", *reg(model, IVAR));
        return;
    }
    model->interrupts++;
    model_interrupt(entry & 7);
}

static void interrupts_look(struct e1000e_model *model)
{
    static const struct {
        uint32_t cause;
        unsigned shift;
    } entries[] = {{RXQ0, 0}, {TXQ0, 8}, {OTHER, 16}};

    if (!has_messages(model)) {
        if (model->cause & model->mask) {
            model->interrupts++;
            model_interrupt(0);
        }
        return;
    }
    for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        if (!(model->cause & model->mask & entries[i].cause))
            continue;
        raise_vector(model, entries[i].shift);
        /* EIAC: cleared, and masked until it is armed again. */
        uint32_t automatic = entries[i].cause & *reg(model, EIAC);
        model->cause &= ~automatic;
        model->mask &= ~automatic;
    }
}

static void cause_add(struct e1000e_model *model, uint32_t line, uint32_t message)
{
    model->cause |= has_messages(model) ? message : line;
    interrupts_look(model);
}

static bool may_reach_memory(struct e1000e_model *model)
{
    return !(*reg(model, CTRL) & MASTER_DISABLE) && model->reset_due == 0;
}

static uint64_t ring_address(struct e1000e_model *model, size_t ring, uint32_t number)
{
    return ((uint64_t)*reg(model, ring + RING_HIGH) << 32 | *reg(model, ring)) +
           number * UINT64_C(16);
}

static uint32_t ring_entries(struct e1000e_model *model, size_t ring)
{
    return *reg(model, ring + RING_LENGTH) / 16;
}

static bool ring_next(struct e1000e_model *model, size_t ring, uint8_t descriptor[16],
                      uint64_t *address)
{
    uint32_t *head = reg(model, ring + RING_HEAD), entries = ring_entries(model, ring);

    if (entries == 0 || *head == *reg(model, ring + RING_TAIL))
        return false;
    *address = ring_address(model, ring, *head);
    *head = (*head + 1) % entries;
    return model_memory_read(*address, descriptor, 16);
}

static void frame_receive(struct e1000e_model *model)
{
    bool is_long = *reg(model, RCTL) & LONG;
    uint32_t size = is_long ? 16384 : 2048, length = model->wire.length;
    uint8_t descriptor[16], frame[MODEL_WIRE_FRAME];
    uint64_t buffer, address;

    if (length > (is_long ? 16384u : 1518u) || !ring_next(model, RDBAL, descriptor, &address)) {
        model->missed++;
        model->wire.waiting--;
        return;
    }
    memcpy(&buffer, descriptor, sizeof(buffer));
    memset(frame, (int)model->wire.arrived++, sizeof(frame));
    /* It may write as much as it was told that buffers have. */
    if (!model_memory_write(buffer, frame, size))
        return;
    uint16_t claimed = model->claimed_length ? model->claimed_length : (uint16_t)length;
    memset(descriptor + 8, 0, 8);
    memcpy(descriptor + 8, &claimed, sizeof(claimed));
    descriptor[12] = (model->without_end ? DONE : DONE | EOP) | model->status;
    descriptor[13] = model->errors;
    model->without_end = false;
    model->errors = model->status = 0;
    model->claimed_length = 0;
    model_memory_write(address, descriptor, sizeof(descriptor));
    model->wire.waiting--;
    cause_add(model, RXT0, RXQ0);
}

static bool frame_send(struct e1000e_model *model)
{
    uint8_t descriptor[16];
    uint64_t buffer, address;
    uint16_t length;

    if (!ring_next(model, TDBAL, descriptor, &address))
        return false;
    memcpy(&buffer, descriptor, sizeof(buffer));
    memcpy(&length, descriptor + 8, sizeof(length));
    if (descriptor[11] != COMMAND_EOP_IFCS_RS || length < 14 || descriptor[10] || descriptor[13])
        model_violation("a descriptor with command %02x and %u bytes", descriptor[11], length);
    else if (model_memory_read(buffer, model->wire.sent_frame, length))
        model->wire.sent_length = length;
    model->wire.sent++;
    descriptor[12] = DONE;
    model_memory_write(address, descriptor, sizeof(descriptor));
    return true;
}

static void everything_done(struct e1000e_model *model)
{
    static const uint8_t status = DONE | EOP;

    for (size_t ring = RDBAL; ring <= TDBAL; ring += TDBAL - RDBAL) {
        for (uint32_t i = 0; i < ring_entries(model, ring); i++)
            model_memory_write(ring_address(model, ring, i) + 12, &status, 1);
    }
    cause_add(model, RXT0 | TXDW, RXQ0 | TXQ0);
}

static void step(struct model_device *device)
{
    struct e1000e_model *model = model_of(device);
    bool any = false;

    if (model->reset_due && model_time() >= model->reset_due && !model->never_resets) {
        uint32_t control = *reg(model, CTRL);
        memset(model->reg, 0, sizeof(model->reg));
        *reg(model, CTRL) = control & ~(uint32_t)(RESET | MASTER_DISABLE);
        *reg(model, RAL) = 0x01005452;
        *reg(model, RAH) = 0x0302 | (model->no_address ? 0 : 1u << 31);
        model->mask = model->cause = 0;
        model->reset_due = 0;
        model->resets++;
    }
    if (!may_reach_memory(model))
        return;
    if (model->done_too_soon)
        everything_done(model);
    while (model->wire.waiting > 0 && (*reg(model, RCTL) & ENABLE))
        frame_receive(model);
    while (!model->wire.holds_sends && model->link && (*reg(model, TCTL) & ENABLE) &&
           frame_send(model))
        any = true;
    if (any)
        cause_add(model, TXDW, TXQ0);
}

static uint64_t window_read(struct model_device *device, unsigned window, size_t offset,
                            unsigned width)
{
    struct e1000e_model *model = model_of(device);
    uint32_t value;

    if (model->gone)
        return UINT64_MAX >> (64 - 8 * width);
    if (window != 0 || width != 4 || offset >= END) {
        model_violation("read of %u bytes at %zx of window %u", width, offset, window);
        return 0;
    }
    switch (offset) {
    case STATUS:
        return (model->link ? 0x83u : 0) |
               (*reg(model, CTRL) & MASTER_DISABLE && !model->never_stops ? 0 : MASTER);
    case ICR:
        value = model->cause;
        model->cause = 0;
        return value;
    case MPC:
        value = model->missed;
        model->missed = 0;
        return value;
    default:
        return *reg(model, offset);
    }
}

static void control_write(struct e1000e_model *model, uint32_t value)
{
    if (value & RESET) {
        if (!(value & MASTER_DISABLE))
            model_violation("a reset under way of DMA");
        model->reset_due = model_time() + RESET_TIME;
    }
    *reg(model, CTRL) = value;
}

static void tail_write(struct e1000e_model *model, size_t offset, uint32_t value)
{
    size_t ring = offset - RING_TAIL;

    if (value >= ring_entries(model, ring) && value != 0)
        model_violation("tail %u in a ring of %u", value, ring_entries(model, ring));
    model->doorbells++;
    *reg(model, offset) = value;
}

static void window_write(struct model_device *device, unsigned window, size_t offset,
                         unsigned width, uint64_t value)
{
    struct e1000e_model *model = model_of(device);

    if (model->gone)
        return;
    if (window != 0 || width != 4 || offset >= END || offset == STATUS) {
        model_violation("write of %u bytes at %zx of window %u", width, offset, window);
        return;
    }
    /* 10.2.2.1: nothing for a microsecond after a reset. */
    if (model->reset_due && offset != IMC && offset != CTRL)
        model_violation("write at %zx during a reset", offset);
    if (offset == CTRL) {
        control_write(model, (uint32_t)value);
    } else if (offset == IMS) {
        model->mask |= (uint32_t)value;
        interrupts_look(model);
    } else if (offset == IMC) {
        model->mask &= ~(uint32_t)value;
    } else if (offset == ICR) {
        model->cause &= ~(uint32_t)value;
    } else if (offset == RDBAL + RING_TAIL || offset == TDBAL + RING_TAIL) {
        tail_write(model, offset, (uint32_t)value);
    } else {
        if (offset == TXDCTL && !(value & 1 << 22))
            model_violation("TXDCTL %llx", (unsigned long long)value);
        *reg(model, offset) = (uint32_t)value;
    }
}

void e1000e_model_init(struct e1000e_model *model)
{
    memset(model, 0, sizeof(*model));
    model->device = (struct model_device){
        .identity = {.vendor = 0x8086, .device = 0x10d3, .class_code = 2, .vectors = 2},
        .window_size = {0x20000},
        .read = window_read,
        .write = window_write,
        .step = step,
    };
    model->device.config[0x34] = CAPABILITY;
    model->device.config[CAPABILITY] = MSIX;
    model->device.config[CAPABILITY + 3] = 0x80;
    model->link = true;
    model->wire.length = 60;
    /* An earlier driver left it running. */
    *reg(model, RCTL) = ENABLE;
    *reg(model, TCTL) = ENABLE;
}

void e1000e_model_link(struct e1000e_model *model, bool up)
{
    model->link = up;
    cause_add(model, LSC, LSC | OTHER);
}

bool e1000e_model_takes_group(const struct e1000e_model *model, const uint8_t *group)
{
    unsigned place = (unsigned)(group[5] << 8 | group[4]) >> 4;

    return (model->reg[RCTL / 4] & MPE) || (model->reg[MTA / 4 + (place >> 5)] >> (place & 31) & 1);
}

bool e1000e_model_takes_own(const struct e1000e_model *model, const uint8_t *address)
{
    uint32_t low = 0, high = 1u << 31;

    memcpy(&low, address, 4);
    high |= address[4] | (uint32_t)address[5] << 8;
    for (unsigned pair = 0; pair < 16; pair++) {
        if (model->reg[RAH / 4 + 2 * pair] == high && model->reg[RAH / 4 - 1 + 2 * pair] == low)
            return true;
    }
    return model->reg[RCTL / 4] & UPE;
}
