/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <server/pci/reset.h>

#include <errno.h>

#include <kit/clock.h>
#include <kit/log.h>

/* PCIe 7.5.3.3 to 7.5.3.5 */
enum {
    EXPRESS_CAPABILITIES = 4,
    EXPRESS_CONTROL = 8,
    EXPRESS_STATUS = 10,
    EXPRESS_HAS_RESET = 1u << 28,
    EXPRESS_RESET = 1u << 15,
    EXPRESS_PENDING = 1u << 5,
};

/* Advanced Features ECN to PCI 3.0 */
enum {
    ADVANCED_CAPABILITIES = 3,
    ADVANCED_CONTROL = 4,
    ADVANCED_STATUS = 5,
    ADVANCED_HAS_PENDING = 1u << 0,
    ADVANCED_HAS_RESET = 1u << 1,
    ADVANCED_RESET = 1u << 0,
    ADVANCED_PENDING = 1u << 0,
};

/* PCI Power Management 1.2, 3.2.4 */
enum {
    POWER_CONTROL = 4,
    POWER_STATE = 3u,
    POWER_D3HOT = 3u,
    POWER_NO_SOFT_RESET = 1u << 3,
};

/* Bridge 3.2.5.18: the secondary bus is in reset while the bit is set. */
enum { BRIDGE_CONTROL_RESET = 1u << 6 };

#define BUS_RESET_TIME   (2 * CLOCK_MILLISECOND)   /* PCI 4.3.2, Trst: 1 ms */
#define RESET_TIME       (100 * CLOCK_MILLISECOND) /* PCIe 6.6.2 */
#define POWER_TIME       (10 * CLOCK_MILLISECOND)  /* PCI Power Management 1.2, table 5-6 */
#define PENDING_INTERVAL (10 * CLOCK_MILLISECOND)
enum { PENDING_TRIES = 10 };

/* What a reset loses of a function and nobody else would write again. Maximum payload and link
 * settings survive it (PCIe 6.6.2). */
struct saved {
    uint16_t command, express_control;
    uint8_t cache_line, latency, interrupt_line;
    uint32_t bar[PCI_BARS];
};

static void header_save(const struct pci_config *config, const struct pci_function *function,
                        struct saved *saved)
{
    uint32_t address = pci_function_address(function);

    saved->command = pci_read16(config, address, PCI_COMMAND);
    saved->cache_line = pci_read8(config, address, PCI_CACHE_LINE);
    saved->latency = pci_read8(config, address, PCI_LATENCY);
    saved->interrupt_line = pci_read8(config, address, PCI_INTERRUPT_LINE);
    for (unsigned i = 0; i < PCI_BARS; i++)
        saved->bar[i] = pci_read32(config, address, PCI_BAR + 4 * i);
    saved->express_control = 0;
    if (function->info.express_offset != 0)
        saved->express_control =
            pci_read16(config, address, function->info.express_offset + EXPRESS_CONTROL);
}

static void header_restore(const struct pci_config *config, const struct pci_function *function,
                           const struct saved *saved)
{
    uint32_t address = pci_function_address(function);

    for (unsigned i = 0; i < PCI_BARS; i++)
        pci_write32(config, address, PCI_BAR + 4 * i, saved->bar[i]);
    pci_write8(config, address, PCI_CACHE_LINE, saved->cache_line);
    pci_write8(config, address, PCI_LATENCY, saved->latency);
    pci_write8(config, address, PCI_INTERRUPT_LINE, saved->interrupt_line);
    if (function->info.express_offset != 0)
        pci_write16(config, address, function->info.express_offset + EXPRESS_CONTROL,
                    (uint16_t)(saved->express_control & ~EXPRESS_RESET));
    pci_write16(config, address, PCI_COMMAND, saved->command);
}

/* A reset must not cut a transaction in two; one that never ends is a reason more to reset. */
static void pending_wait(const struct pci_config *config, const struct pci_function *function,
                         unsigned offset, unsigned bit)
{
    uint32_t address = pci_function_address(function);

    for (unsigned i = 0; i < PENDING_TRIES; i++) {
        if (!(pci_read8(config, address, offset) & bit))
            return;
        clock_sleep(PENDING_INTERVAL);
    }
    log_warning("pci " PCI_ADDRESS_FORMAT ": transactions still pending: reset all the same",
                pci_address_arguments(address));
}

static bool reset_express(const struct pci_config *config, const struct pci_function *function)
{
    uint32_t address = pci_function_address(function);
    unsigned offset = function->info.express_offset;

    if (offset == 0 ||
        !(pci_read32(config, address, offset + EXPRESS_CAPABILITIES) & EXPRESS_HAS_RESET))
        return false;
    pending_wait(config, function, offset + EXPRESS_STATUS, EXPRESS_PENDING);
    pci_change16(config, address, offset + EXPRESS_CONTROL, 0, EXPRESS_RESET);
    clock_sleep(RESET_TIME);
    return true;
}

static bool reset_advanced(const struct pci_config *config, const struct pci_function *function)
{
    uint32_t address = pci_function_address(function);
    unsigned offset = function->advanced_offset;

    if (offset == 0)
        return false;
    uint8_t capabilities = pci_read8(config, address, offset + ADVANCED_CAPABILITIES);
    if (!(capabilities & ADVANCED_HAS_RESET))
        return false;
    if (capabilities & ADVANCED_HAS_PENDING)
        pending_wait(config, function, offset + ADVANCED_STATUS, ADVANCED_PENDING);
    pci_write8(config, address, offset + ADVANCED_CONTROL, ADVANCED_RESET);
    clock_sleep(RESET_TIME);
    return true;
}

static void power_state_set(const struct pci_config *config, uint32_t address, unsigned offset,
                            unsigned state)
{
    pci_change16(config, address, offset + POWER_CONTROL, POWER_STATE, state);
    clock_sleep(POWER_TIME);
}

static bool reset_power(const struct pci_config *config, const struct pci_function *function)
{
    uint32_t address = pci_function_address(function);
    unsigned offset = function->power_offset;

    if (offset == 0 || (pci_read16(config, address, offset + POWER_CONTROL) & POWER_NO_SOFT_RESET))
        return false;
    power_state_set(config, address, offset, POWER_D3HOT);
    power_state_set(config, address, offset, 0);
    return true;
}

void pci_function_wake(const struct pci_config *config, const struct pci_function *function)
{
    uint32_t address = pci_function_address(function);
    struct saved saved;

    if (function->power_offset == 0 ||
        !(pci_read16(config, address, function->power_offset + POWER_CONTROL) & POWER_STATE))
        return;
    header_save(config, function, &saved);
    power_state_set(config, address, function->power_offset, 0);
    header_restore(config, function, &saved);
}

/* The bridge to a bus on which there is nothing but this function. */
static const struct pci_function *own_bridge_lookup(struct pci_tree *tree,
                                                    const struct pci_function *function)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct pci_function *other = &tree->functions[i];
        if (other != function && other->info.segment == function->info.segment &&
            other->info.bus == function->info.bus)
            return NULL;
    }
    return pci_tree_bridge(tree, function->info.segment, function->info.bus);
}

static bool reset_bus(struct pci_tree *tree, const struct pci_function *function)
{
    const struct pci_function *bridge = own_bridge_lookup(tree, function);

    if (!bridge)
        return false;
    uint32_t address = pci_function_address(bridge);
    uint16_t control = pci_read16(tree->config, address, PCI_BRIDGE_CONTROL);
    pci_write16(tree->config, address, PCI_BRIDGE_CONTROL,
                (uint16_t)(control | BRIDGE_CONTROL_RESET));
    clock_sleep(BUS_RESET_TIME);
    pci_write16(tree->config, address, PCI_BRIDGE_CONTROL,
                (uint16_t)(control & ~BRIDGE_CONTROL_RESET));
    clock_sleep(RESET_TIME);
    return true;
}

int pci_function_reset(struct pci_tree *tree, const struct pci_function *function)
{
    const struct pci_config *config = tree->config;
    uint32_t address = pci_function_address(function);
    uint16_t vendor = function->info.vendor;
    struct saved saved;

    header_save(config, function, &saved);
    saved.command &= (uint16_t) ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    bool done = reset_express(config, function) || reset_advanced(config, function) ||
                reset_power(config, function) || reset_bus(tree, function);
    if (done && pci_read16(config, address, PCI_VENDOR) != vendor)
        return EIO;
    header_restore(config, function, &saved);
    return done ? 0 : ENOTSUP;
}
