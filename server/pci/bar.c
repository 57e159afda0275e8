/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/pci/bar.h>

#include <errno.h>
#include <inttypes.h>

#include <kit/log.h>
#include <server/pci/rom.h>

/* The low bits of a BAR (PCI 6.2.5.1). */
enum {
    BAR_IO = 0x1,
    BAR_IO_RESERVED = 0x2,
    BAR_IO_FLAGS = 0x3,
    BAR_TYPE = 0x6,
    BAR_TYPE_64 = 0x4,
    BAR_TYPE_RESERVED = 0x6,
    BAR_PREFETCHABLE = 0x8,
    BAR_MEMORY_FLAGS = 0xf,
};

/* No x86 processor has more address bits (Intel SDM volume 3, 4.1.4): an address beyond is garbage,
 * and sums of address and size below it cannot wrap. */
#define PCI_ADDRESS_LIMIT (UINT64_C(1) << 52)

static unsigned bar_offset(unsigned index)
{
    return PCI_BAR + 4 * index;
}

/* The bits that a register keeps when all ones are written; it is put back. */
static uint32_t bar_writable(const struct pci_config *config, uint32_t address, unsigned offset)
{
    uint32_t original = pci_read32(config, address, offset);

    pci_write32(config, address, offset, UINT32_MAX);
    uint32_t kept = pci_read32(config, address, offset);
    pci_write32(config, address, offset, original);
    return kept;
}

/* The writable address bits must be one run of ones; it may end below the top (16-bit I/O,
 * functions that decode fewer address bits). A mask with holes would decode several places at once.
 */
static bool mask_is_sane(uint64_t mask)
{
    uint64_t run = mask / (mask & -mask);

    return (run & (run + 1)) == 0;
}

/* Returns how many registers this BAR takes. */
static unsigned bar_probe(const struct pci_config *config, struct pci_function *function,
                          unsigned index, unsigned count)
{
    uint32_t address = pci_function_address(function);
    uint32_t low = pci_read32(config, address, bar_offset(index));
    uint32_t kept = bar_writable(config, address, bar_offset(index));
    uint64_t base, mask;
    uint32_t flags = 0;
    unsigned registers = 1;

    if (kept == 0)
        return 1;
    if (kept & BAR_IO) {
        flags = PCI_BAR_PORTS;
        base = low & ~(uint32_t)BAR_IO_FLAGS;
        mask = kept & ~(uint32_t)BAR_IO_FLAGS;
        if (kept & BAR_IO_RESERVED)
            mask = 0;
    } else {
        if (kept & BAR_PREFETCHABLE)
            flags |= PCI_BAR_PREFETCHABLE;
        base = low & ~(uint32_t)BAR_MEMORY_FLAGS;
        mask = kept & ~(uint32_t)BAR_MEMORY_FLAGS;
        if ((kept & BAR_TYPE) == BAR_TYPE_64 && index + 1 < count) {
            flags |= PCI_BAR_64;
            base |= (uint64_t)pci_read32(config, address, bar_offset(index + 1)) << 32;
            mask |= (uint64_t)bar_writable(config, address, bar_offset(index + 1)) << 32;
            registers = 2;
        } else if ((kept & BAR_TYPE) == BAR_TYPE_64 || (kept & BAR_TYPE) == BAR_TYPE_RESERVED) {
            mask = 0;
        }
    }

    if (mask == 0 || !mask_is_sane(mask)) {
        log_warning("pci " PCI_ADDRESS_FORMAT ": BAR %u makes no sense (%08" PRIx32
                    " after writing ones): left out",
                    pci_address_arguments(address), index, kept);
        return registers;
    }
    function->info.bar[index].base = base < PCI_ADDRESS_LIMIT ? base & mask : 0;
    function->info.bar[index].size = mask & -mask;
    function->info.bar[index].flags = flags;
    /* No device is at address or port 0: memory and the DMA controller are there. */
    if ((base & mask) == 0 || base >= PCI_ADDRESS_LIMIT)
        function->bars_without_base |= (uint8_t)(1u << index);
    return registers;
}

void pci_bars_probe(const struct pci_config *config, struct pci_function *function)
{
    uint32_t address = pci_function_address(function);
    unsigned count = pci_function_is_bridge(function) ? 2 : PCI_BARS;

    if (pci_function_is_system(function))
        return;
    uint16_t command = pci_read16(config, address, PCI_COMMAND);
    pci_write16(config, address, PCI_COMMAND,
                (uint16_t)(command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY)));
    for (unsigned index = 0; index < count;)
        index += bar_probe(config, function, index, count);
    pci_rom_probe(config, function);
    pci_write16(config, address, PCI_COMMAND, command);
}

int pci_bar_assign(const struct pci_config *config, struct pci_function *function, unsigned index,
                   uint64_t base)
{
    uint32_t address = pci_function_address(function);
    uint32_t flags = function->info.bar[index].flags;
    uint32_t ignore = flags & PCI_BAR_PORTS ? BAR_IO_FLAGS : BAR_MEMORY_FLAGS;
    uint16_t command = pci_read16(config, address, PCI_COMMAND);

    /* A half-written address must not be decoded. */
    pci_write16(config, address, PCI_COMMAND,
                (uint16_t)(command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY)));
    pci_write32(config, address, bar_offset(index), (uint32_t)base);
    uint64_t taken = pci_read32(config, address, bar_offset(index)) & ~ignore;
    if (flags & PCI_BAR_64) {
        pci_write32(config, address, bar_offset(index + 1), (uint32_t)(base >> 32));
        taken |= (uint64_t)pci_read32(config, address, bar_offset(index + 1)) << 32;
    }
    if (taken != base) {
        pci_write32(config, address, bar_offset(index), 0);
        if (flags & PCI_BAR_64)
            pci_write32(config, address, bar_offset(index + 1), 0);
    }
    pci_write16(config, address, PCI_COMMAND, command);
    if (taken != base)
        return EIO;
    function->info.bar[index].base = base;
    function->bars_without_base &= (uint8_t) ~(1u << index);
    return 0;
}

/* A window from its first address and the first address of its last unit. Registers that are not
 * implemented read zero, and nothing behind a bridge is at address 0: both mean closed, as does a
 * base above the limit (bridge 3.2.5.6). */
static struct pci_range window_make(uint64_t base, uint64_t limit, uint64_t unit)
{
    if (base == 0 || base > limit || limit >= PCI_ADDRESS_LIMIT)
        return (struct pci_range){0, 0};
    return (struct pci_range){base, limit - base + unit};
}

enum { WINDOW_IO_UNIT = 0x1000, WINDOW_MEMORY_UNIT = 0x100000, WINDOW_WIDE = 0x1 };

enum { PAGE = 4096 };

bool pci_bar_is_in_memory(const struct pci_function *function, unsigned index)
{
    return function->info.bar[index].size != 0 &&
           !(function->info.bar[index].flags & PCI_BAR_PORTS) &&
           !(function->bars_without_base & 1u << index);
}

/* Both have an address, so that their ends do not wrap (PCI_ADDRESS_LIMIT). */
static bool pages_touch(const struct pci_function *a, unsigned i, const struct pci_function *b,
                        unsigned j)
{
    uint64_t first = a->info.bar[i].base / PAGE, other = b->info.bar[j].base / PAGE;
    uint64_t last = (a->info.bar[i].base + a->info.bar[i].size - 1) / PAGE;
    uint64_t other_last = (b->info.bar[j].base + b->info.bar[j].size - 1) / PAGE;

    return first <= other_last && other <= last;
}

const struct pci_function *pci_bar_neighbour(const struct pci_tree *tree,
                                             const struct pci_function *function, unsigned index)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct pci_function *other = &tree->functions[i];
        for (unsigned j = 0; other != function && pci_function_is_present(other) && j < PCI_BARS;
             j++) {
            if (pci_bar_is_in_memory(other, j) && pages_touch(function, index, other, j))
                return other;
        }
    }
    return NULL;
}

void pci_windows_read(const struct pci_config *config, struct pci_function *bridge)
{
    uint32_t address = pci_function_address(bridge);
    uint8_t io_base = pci_read8(config, address, PCI_BRIDGE_IO_BASE);
    uint64_t base = (uint64_t)(io_base & 0xf0) << 8;
    uint64_t limit = (uint64_t)(pci_read8(config, address, PCI_BRIDGE_IO_LIMIT) & 0xf0) << 8;

    if ((io_base & 0xf) == WINDOW_WIDE) {
        base |= (uint64_t)pci_read16(config, address, PCI_BRIDGE_IO_BASE_HIGH) << 16;
        limit |= (uint64_t)pci_read16(config, address, PCI_BRIDGE_IO_LIMIT_HIGH) << 16;
    }
    bridge->window[PCI_WINDOW_IO] = window_make(base, limit, WINDOW_IO_UNIT);

    base = (uint64_t)(pci_read16(config, address, PCI_BRIDGE_MEMORY_BASE) & 0xfff0) << 16;
    limit = (uint64_t)(pci_read16(config, address, PCI_BRIDGE_MEMORY_LIMIT) & 0xfff0) << 16;
    bridge->window[PCI_WINDOW_MEMORY] = window_make(base, limit, WINDOW_MEMORY_UNIT);

    uint16_t prefetch_base = pci_read16(config, address, PCI_BRIDGE_PREFETCH_BASE);
    base = (uint64_t)(prefetch_base & 0xfff0) << 16;
    limit = (uint64_t)(pci_read16(config, address, PCI_BRIDGE_PREFETCH_LIMIT) & 0xfff0) << 16;
    if ((prefetch_base & 0xf) == WINDOW_WIDE) {
        base |= (uint64_t)pci_read32(config, address, PCI_BRIDGE_PREFETCH_BASE_HIGH) << 32;
        limit |= (uint64_t)pci_read32(config, address, PCI_BRIDGE_PREFETCH_LIMIT_HIGH) << 32;
    }
    bridge->window[PCI_WINDOW_PREFETCH] = window_make(base, limit, WINDOW_MEMORY_UNIT);
}

void pci_windows_close(const struct pci_config *config, struct pci_function *bridge)
{
    uint32_t address = pci_function_address(bridge);

    /* Base above limit. */
    pci_write16(config, address, PCI_BRIDGE_IO_BASE, 0x00f0);
    pci_write32(config, address, PCI_BRIDGE_MEMORY_BASE, 0x0000fff0);
    pci_write32(config, address, PCI_BRIDGE_PREFETCH_BASE, 0x0000fff0);
    pci_write32(config, address, PCI_BRIDGE_PREFETCH_LIMIT_HIGH, 0);
    pci_write32(config, address, PCI_BRIDGE_PREFETCH_BASE_HIGH, 0);
    pci_write32(config, address, PCI_BRIDGE_IO_BASE_HIGH, 0);
    pci_windows_read(config, bridge);
}

int pci_window_open(const struct pci_config *config, struct pci_function *bridge,
                    enum pci_window_kind kind, uint64_t base, uint64_t size)
{
    uint32_t address = pci_function_address(bridge);
    uint64_t last = base + size - 1;

    if (kind == PCI_WINDOW_IO) {
        if (last > UINT16_MAX)
            return EIO;
        pci_write8(config, address, PCI_BRIDGE_IO_BASE, (uint8_t)(base >> 8));
        pci_write8(config, address, PCI_BRIDGE_IO_LIMIT, (uint8_t)(last >> 8 & 0xf0));
        pci_write16(config, address, PCI_BRIDGE_IO_BASE_HIGH, 0);
        pci_write16(config, address, PCI_BRIDGE_IO_LIMIT_HIGH, 0);
    } else {
        if (last > UINT32_MAX)
            return EIO;
        pci_write16(config, address, PCI_BRIDGE_MEMORY_BASE, (uint16_t)(base >> 16));
        pci_write16(config, address, PCI_BRIDGE_MEMORY_LIMIT, (uint16_t)(last >> 16 & 0xfff0));
    }
    pci_windows_read(config, bridge);
    return bridge->window[kind].base == base && bridge->window[kind].size == size ? 0 : EIO;
}
