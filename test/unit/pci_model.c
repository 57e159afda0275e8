/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/unit/pci_model.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/log.h>

static unsigned warnings;
static char last_warning[LOG_LINE_SIZE];
static uint64_t slept;

void log_write(enum log_level level, const char *format, ...)
{
    va_list arguments;

    if (level == LOG_INFO)
        return;
    warnings++;
    va_start(arguments, format);
    vsnprintf(last_warning, sizeof(last_warning), format, arguments);
    va_end(arguments);
}

void clock_sleep(uint64_t nanoseconds)
{
    slept += nanoseconds;
}

uint64_t clock_now(void)
{
    return slept;
}

unsigned pci_model_warnings(void)
{
    return warnings;
}

const char *pci_model_last_warning(void)
{
    return last_warning;
}

uint64_t pci_model_slept(void)
{
    return slept;
}

/* Go down from the root bus as a configuration request does. A hostile hierarchy may send it round
 * in circles; nothing answers such a request. */
static bool route(const struct pci_model *model, uint8_t bus, int *parent)
{
    uint8_t here = 0;

    *parent = PCI_MODEL_ROOT;
    for (unsigned depth = 0; depth < 300; depth++) {
        int next = PCI_MODEL_ROOT;
        if (here == bus)
            return true;
        for (int i = 0; i < model->count && next == PCI_MODEL_ROOT; i++) {
            const struct pci_model_function *f = &model->functions[i];
            if (f->parent == *parent && (f->space[PCI_HEADER_TYPE] & 0x7f) == 1 &&
                f->space[PCI_BRIDGE_SECONDARY] <= bus && bus <= f->space[PCI_BRIDGE_SUBORDINATE])
                next = i;
        }
        if (next == PCI_MODEL_ROOT)
            return false;
        here = model->functions[next].space[PCI_BRIDGE_SECONDARY];
        *parent = model->functions[next].mirror;
    }
    return false;
}

static struct pci_model_function *find(struct pci_model *model, uint32_t address)
{
    int parent;

    if (pci_address_segment(address) != 0 || !route(model, pci_address_bus(address), &parent))
        return NULL;
    for (int i = 0; i < model->count; i++) {
        struct pci_model_function *f = &model->functions[i];
        if (f->parent == parent && f->device == pci_address_device(address) &&
            f->function == pci_address_function(address))
            return f;
    }
    return NULL;
}

static unsigned model_size(void *context, uint32_t address)
{
    const struct pci_model *model = context;

    return pci_address_segment(address) == 0 ? model->size : 0;
}

static uint32_t model_read(void *context, uint32_t address, unsigned offset, unsigned width)
{
    struct pci_model *model = context;
    struct pci_model_function *f = find(model, address);
    uint32_t value = UINT32_MAX;

    model->accesses++;
    if (f) {
        value = 0;
        memcpy(&value, f->space + offset, width);
    }
    return value & UINT32_MAX >> (32 - 8 * width);
}

static void function_reset(struct pci_model_function *f)
{
    f->resets++;
    memset(f->space + PCI_COMMAND, 0, 2);
    f->space[PCI_INTERRUPT_LINE] = 0;
    for (unsigned i = PCI_BAR; i < PCI_BAR + 4 * PCI_BARS; i++)
        f->space[i] &= (uint8_t)~f->writable[i];
    if (f->reset_register)
        memset(f->space + f->reset_register, 0, 2);
    if (f->dies_in_reset)
        memset(f->space, 0xff, sizeof(f->space));
}

static void count_faults(struct pci_model *model, const struct pci_model_function *f,
                         unsigned offset, uint32_t value)
{
    uint8_t class_code = f->space[PCI_CLASS];

    if (offset >= PCI_BAR && offset < PCI_BAR + 4 * PCI_BARS && value == UINT32_MAX &&
        (f->space[PCI_HEADER_TYPE] & 0x7f) == 0 && (f->space[PCI_COMMAND] & 3) != 0)
        model->sized_while_decoding++;
    if ((class_code == 6 || class_code == 8) && f->space[PCI_SUBCLASS] == 0)
        model->writes_to_system++;
}

static void model_write(void *context, uint32_t address, unsigned offset, unsigned width,
                        uint32_t value)
{
    struct pci_model *model = context;
    struct pci_model_function *f = find(model, address);
    uint16_t power = 0;

    model->accesses++;
    if (!f)
        return;
    count_faults(model, f, offset, value);
    if (f->power_register)
        memcpy(&power, f->space + f->power_register, 2);
    for (unsigned i = 0; i < width; i++) {
        uint8_t mask = f->writable[offset + i];
        f->space[offset + i] = (uint8_t)((f->space[offset + i] & ~mask) | (value >> 8 * i & mask));
    }
    if (f->reset_register && offset == f->reset_register && width == 2 && value & 0x8000)
        function_reset(f);
    else if (f->advanced_register && offset == f->advanced_register && value & 1)
        function_reset(f);
    else if (f->power_register && (power & 3) == 3 && (f->space[f->power_register] & 3) == 0)
        function_reset(f);
    /* Bridge 3.2.5.18: everything right behind it. */
    if ((f->space[PCI_HEADER_TYPE] & PCI_HEADER_LAYOUT) == PCI_HEADER_BRIDGE &&
        offset == PCI_BRIDGE_CONTROL && value & 0x40) {
        for (int i = 0; i < model->count; i++) {
            if (model->functions[i].parent == f - model->functions)
                function_reset(&model->functions[i]);
        }
    }
}

static const struct pci_config_ops model_ops = {
    .size = model_size,
    .read = model_read,
    .write = model_write,
};

void pci_model_init(struct pci_model *model, struct pci_tree *tree)
{
    memset(model, 0, sizeof(*model));
    model->size = PCI_EXTENDED_SPACE_SIZE;
    model->config = (struct pci_config){&model_ops, model};
    memset(tree, 0, sizeof(*tree));
    tree->config = &model->config;
    warnings = 0;
    last_warning[0] = '\0';
    slept = 0;
}

void pci_model_poke(struct pci_model *model, int index, unsigned offset, unsigned width,
                    uint32_t value)
{
    memcpy(model->functions[index].space + offset, &value, width);
}

uint32_t pci_model_peek(const struct pci_model *model, int index, unsigned offset, unsigned width)
{
    uint32_t value = 0;

    memcpy(&value, model->functions[index].space + offset, width);
    return value;
}

void pci_model_allow(struct pci_model *model, int index, unsigned offset, unsigned width,
                     uint32_t mask)
{
    memcpy(model->functions[index].writable + offset, &mask, width);
}

int pci_model_add(struct pci_model *model, int parent, unsigned device, unsigned function,
                  uint16_t vendor, uint32_t class_code)
{
    int index = model->count++;
    struct pci_model_function *f = &model->functions[index];

    f->parent = parent;
    f->mirror = index;
    f->device = (uint8_t)device;
    f->function = (uint8_t)function;
    pci_model_poke(model, index, PCI_VENDOR, 2, vendor);
    pci_model_poke(model, index, PCI_DEVICE, 2, 0x1234);
    pci_model_poke(model, index, PCI_REVISION, 4, class_code << 8);
    pci_model_allow(model, index, PCI_COMMAND, 2, 0x0547);
    pci_model_allow(model, index, PCI_CACHE_LINE, 2, 0xffff);
    pci_model_allow(model, index, PCI_INTERRUPT_LINE, 1, 0xff);
    return index;
}

int pci_model_bridge(struct pci_model *model, int parent, unsigned device, uint8_t primary,
                     uint8_t secondary, uint8_t subordinate)
{
    int index = pci_model_add(model, parent, device, 0, 0x1b36, 0x060400);

    pci_model_poke(model, index, PCI_HEADER_TYPE, 1, PCI_HEADER_BRIDGE);
    pci_model_poke(model, index, PCI_BRIDGE_PRIMARY, 1, primary);
    pci_model_poke(model, index, PCI_BRIDGE_SECONDARY, 1, secondary);
    pci_model_poke(model, index, PCI_BRIDGE_SUBORDINATE, 1, subordinate);
    pci_model_allow(model, index, PCI_BRIDGE_PRIMARY, 3, 0xffffff);
    pci_model_allow(model, index, PCI_BRIDGE_IO_BASE, 2, 0xf0f0);
    pci_model_allow(model, index, PCI_BRIDGE_MEMORY_BASE, 4, 0xfff0fff0);
    pci_model_allow(model, index, PCI_BRIDGE_PREFETCH_BASE, 4, 0xfff0fff0);
    pci_model_poke(model, index, PCI_BRIDGE_PREFETCH_BASE, 4, 0x00010001);
    pci_model_allow(model, index, PCI_BRIDGE_PREFETCH_BASE_HIGH, 4, UINT32_MAX);
    pci_model_allow(model, index, PCI_BRIDGE_PREFETCH_LIMIT_HIGH, 4, UINT32_MAX);
    return index;
}

void pci_model_bar(struct pci_model *model, int index, unsigned bar, uint64_t mask, uint32_t flags,
                   uint64_t base)
{
    unsigned offset = PCI_BAR + 4 * bar;

    pci_model_allow(model, index, offset, 4, (uint32_t)mask);
    pci_model_poke(model, index, offset, 4, (uint32_t)base | flags);
    if (mask >> 32) {
        pci_model_allow(model, index, offset + 4, 4, (uint32_t)(mask >> 32));
        pci_model_poke(model, index, offset + 4, 4, (uint32_t)(base >> 32));
    }
}

void pci_model_capability(struct pci_model *model, int index, unsigned offset, uint8_t id,
                          uint8_t next)
{
    struct pci_model_function *f = &model->functions[index];

    if (f->space[PCI_CAPABILITIES] == 0)
        f->space[PCI_CAPABILITIES] = (uint8_t)offset;
    f->space[PCI_STATUS] |= PCI_STATUS_CAPABILITIES;
    f->space[offset] = id;
    f->space[offset + 1] = next;
}
