/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Configuration space: how it is reached, and where its registers are.
 *
 * The section numbers are those of the PCI Local Bus Specification 3.0 ("PCI"), the PCI-to-PCI
 * Bridge Architecture Specification 1.2 ("bridge") and the PCI Express Base Specification 4.0
 * ("PCIe"). All registers are little-endian, as x86 is.
 */
#ifndef SERVER_PCI_CONFIG_H
#define SERVER_PCI_CONFIG_H

#include <stdint.h>

/* A function's address, as interface/pci_bus.defs packs it. */
#define pci_address(segment, bus, device, function)                                                \
    ((uint32_t)(segment) << 16 | (uint32_t)(bus) << 8 | (uint32_t)(device) << 3 |                  \
     (uint32_t)(function))
#define pci_address_segment(address)  ((uint16_t)((address) >> 16))
#define pci_address_bus(address)      ((uint8_t)((address) >> 8))
#define pci_address_device(address)   ((uint8_t)((address) >> 3 & 0x1f))
#define pci_address_function(address) ((uint8_t)((address)&7))

/* For log lines: "0000:00:1f.2". */
#define PCI_ADDRESS_FORMAT "%04x:%02x:%02x.%x"
#define pci_address_arguments(address)                                                             \
    pci_address_segment(address), pci_address_bus(address), pci_address_device(address),           \
        pci_address_function(address)

struct pci_config_ops {
    /* How many bytes of the function's space can be reached: 4096, 256, or 0 for none. */
    unsigned (*size)(void *context, uint32_t address);

    /* One access of `width` bytes (1, 2, 4) at a multiple of it, inside `size`. Where no function
     * answers, reads are all ones and writes are lost. */
    uint32_t (*read)(void *context, uint32_t address, unsigned offset, unsigned width);
    void (*write)(void *context, uint32_t address, unsigned offset, unsigned width, uint32_t value);
};

struct pci_config {
    const struct pci_config_ops *ops;
    void *context;
};

/* Offsets come from capability lists too, that is, from the device: one that is misaligned or
 * outside reads as if nothing answered. */
static inline uint32_t pci_config_read(const struct pci_config *config, uint32_t address,
                                       unsigned offset, unsigned width)
{
    unsigned size = config->ops->size(config->context, address);

    if (size < width || offset > size - width || offset % width != 0)
        return UINT32_MAX >> (32 - 8 * width);
    return config->ops->read(config->context, address, offset, width);
}

static inline void pci_config_write(const struct pci_config *config, uint32_t address,
                                    unsigned offset, unsigned width, uint32_t value)
{
    unsigned size = config->ops->size(config->context, address);

    if (size < width || offset > size - width || offset % width != 0)
        return;
    config->ops->write(config->context, address, offset, width, value);
}

static inline uint8_t pci_read8(const struct pci_config *config, uint32_t address, unsigned offset)
{
    return (uint8_t)pci_config_read(config, address, offset, 1);
}

static inline uint16_t pci_read16(const struct pci_config *config, uint32_t address,
                                  unsigned offset)
{
    return (uint16_t)pci_config_read(config, address, offset, 2);
}

static inline uint32_t pci_read32(const struct pci_config *config, uint32_t address,
                                  unsigned offset)
{
    return pci_config_read(config, address, offset, 4);
}

static inline void pci_write8(const struct pci_config *config, uint32_t address, unsigned offset,
                              uint8_t value)
{
    pci_config_write(config, address, offset, 1, value);
}

static inline void pci_write16(const struct pci_config *config, uint32_t address, unsigned offset,
                               uint16_t value)
{
    pci_config_write(config, address, offset, 2, value);
}

static inline void pci_write32(const struct pci_config *config, uint32_t address, unsigned offset,
                               uint32_t value)
{
    pci_config_write(config, address, offset, 4, value);
}

/* Those bits of a register; the others are written as they are. */
static inline void pci_change16(const struct pci_config *config, uint32_t address, unsigned offset,
                                unsigned clear, unsigned set)
{
    uint16_t value = pci_read16(config, address, offset);

    pci_write16(config, address, offset, (uint16_t)((value & ~clear) | set));
}

enum {
    PCI_SPACE_SIZE = 256,
    PCI_EXTENDED_SPACE_SIZE = 4096,
    PCI_DEVICES_PER_BUS = 32,
    PCI_FUNCTIONS_PER_DEVICE = 8,
};

/* The header: PCI 6.1; for bridges: bridge 3.2. */
enum pci_register {
    PCI_VENDOR = 0x00,
    PCI_DEVICE = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION = 0x08,
    PCI_INTERFACE = 0x09,
    PCI_SUBCLASS = 0x0a,
    PCI_CLASS = 0x0b,
    PCI_CACHE_LINE = 0x0c,
    PCI_LATENCY = 0x0d,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR = 0x10,
    PCI_SUBSYSTEM_VENDOR = 0x2c,
    PCI_SUBSYSTEM = 0x2e,
    PCI_ROM = 0x30,
    PCI_CAPABILITIES = 0x34,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,

    PCI_BRIDGE_PRIMARY = 0x18,
    PCI_BRIDGE_SECONDARY = 0x19,
    PCI_BRIDGE_SUBORDINATE = 0x1a,
    PCI_BRIDGE_IO_BASE = 0x1c,
    PCI_BRIDGE_IO_LIMIT = 0x1d,
    PCI_BRIDGE_MEMORY_BASE = 0x20,
    PCI_BRIDGE_MEMORY_LIMIT = 0x22,
    PCI_BRIDGE_PREFETCH_BASE = 0x24,
    PCI_BRIDGE_PREFETCH_LIMIT = 0x26,
    PCI_BRIDGE_PREFETCH_BASE_HIGH = 0x28,
    PCI_BRIDGE_PREFETCH_LIMIT_HIGH = 0x2c,
    PCI_BRIDGE_IO_BASE_HIGH = 0x30,
    PCI_BRIDGE_IO_LIMIT_HIGH = 0x32,
    PCI_BRIDGE_ROM = 0x38,
    PCI_BRIDGE_CONTROL = 0x3e,
};

enum pci_command {
    PCI_COMMAND_IO = 1u << 0,
    PCI_COMMAND_MEMORY = 1u << 1,
    PCI_COMMAND_MASTER = 1u << 2,
    PCI_COMMAND_NO_INTX = 1u << 10,
};

enum {
    PCI_STATUS_CAPABILITIES = 1u << 4,
    PCI_HEADER_LAYOUT = 0x7f,
    PCI_HEADER_MULTIFUNCTION = 0x80,
    PCI_HEADER_NORMAL = 0,
    PCI_HEADER_BRIDGE = 1,
    PCI_VENDOR_NONE = 0xffff, /* PCI 6.2.1: nothing answers */
    PCI_CLASS_BRIDGE = 0x06,
    PCI_CLASS_SYSTEM = 0x08,
};

#endif
