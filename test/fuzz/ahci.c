/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The AHCI driver with a controller that says anything (block_driver.h). Checked besides: the
 * device is never told of memory but the request's and the driver's own; and while commands may
 * still run a request ends only if the device says that it is done.
 */
#include <driver/ahci/ata.h>
#include <driver/ahci/command.h>
#include <test/fuzz/block_driver.h>

enum { PORTS = 2, PORT_SIZE = sizeof(struct ahci_port_registers), ANSWER_SIZE = 512 };

static uint8_t answer[ANSWER_SIZE]; /* to the driver's own commands */
static bool obeys;                  /* those are carried out at once */
static bool resets;                 /* it was told to */
static struct {
    bool by_device; /* as far as the driver can know */
    bool is_queued;
    unsigned port, slot;
} held[FUZZ_REQUESTS];

static struct ahci_port_registers *port_of(unsigned number)
{
    return (struct ahci_port_registers *)(fuzz_window.bytes + AHCI_PORT_BASE(number));
}

/* What the driver learns by a read: commands whose bit is clear are done, a port that does not run
 * has none, a controller that is gone neither. */
void fuzz_window_was_read(size_t offset, uint64_t value)
{
    unsigned port = (unsigned)(offset - AHCI_PORT_BASE(0)) / PORT_SIZE;
    size_t name = offset % PORT_SIZE;

    for (unsigned i = 0; i < FUZZ_REQUESTS; i++) {
        bool is_here = offset >= AHCI_PORT_BASE(0) && held[i].port == port;
        bool is_rest = name == offsetof(struct ahci_port_registers, cmd) &&
                       !(value & AHCI_CMD_RUNNING) && !(fuzz_window_get(offset) & AHCI_CMD_START);
        bool is_done = name == (held[i].is_queued ? offsetof(struct ahci_port_registers, sact)
                                                  : offsetof(struct ahci_port_registers, ci)) &&
                       !(value >> held[i].slot & 1);
        if ((is_here && (is_rest || is_done)) ||
            (offset == AHCI_REGISTER(ghc) &&
             (value == UINT32_MAX || (resets && !(value & AHCI_GHC_RESET)))))
            held[i].by_device = false;
    }
    if (offset == AHCI_REGISTER(ghc) && !(value & AHCI_GHC_RESET))
        resets = false;
}

/* A piece of a command's data: whose memory it is, or -1: the driver's own. */
static int region_check(const struct ahci_region *region)
{
    uint64_t data = region->address | (uint64_t)region->address_high << 32;
    uint64_t length = (uint64_t)region->last + 1;
    int index = fuzz_memory(data, length) ? -1 : fuzz_request_find(data, length);

    fuzz_require(fuzz_memory(data, length) || index >= 0);
    return index;
}

static void own_do(struct ahci_port_registers *port, struct ahci_header *header,
                   const struct ahci_region *region, unsigned slot)
{
    uint64_t length = (uint64_t)region->last + 1;
    void *memory = fuzz_memory(region->address | (uint64_t)region->address_high << 32, length);

    memcpy(memory, answer, length < ANSWER_SIZE ? length : ANSWER_SIZE);
    header->moved = (uint32_t)length;
    port->ci &= ~(UINT32_C(1) << slot);
}

/* A command as the device finds it. One of the driver's own may be carried out on the spot. */
static void command_check(unsigned number, unsigned slot)
{
    struct ahci_port_registers *port = port_of(number);
    struct ahci_header *list =
        fuzz_memory(port->clb | (uint64_t)port->clbu << 32, AHCI_SLOTS * sizeof(*list));

    fuzz_require(list && fuzz_device.is_enabled);
    struct ahci_header *header = &list[slot];
    uint64_t address = header->table | (uint64_t)header->table_high << 32;
    const struct ahci_table *table = fuzz_memory(address, sizeof(*table));
    unsigned regions = header->flags >> 16;
    fuzz_require(table && address % 128 == 0 && (uint16_t)table->fis.command == AHCI_FIS_COMMAND);
    fuzz_require(regions <= AHCI_REGIONS);
    if (regions == 0)
        return;
    int index = region_check(&table->region[0]);
    for (unsigned i = 1; i < regions; i++)
        fuzz_require(region_check(&table->region[i]) == index);
    if (index >= 0) {
        fuzz_require(!held[index].by_device);
        held[index].by_device = true;
        held[index].is_queued = (uint8_t)(table->fis.command >> 16) == ATA_READ_FPDMA_QUEUED ||
                                (uint8_t)(table->fis.command >> 16) == ATA_WRITE_FPDMA_QUEUED;
        held[index].port = number;
        held[index].slot = slot;
    } else if (obeys) {
        own_do(port, header, &table->region[0], slot);
    }
}

static void port_written(unsigned number, size_t offset, uint32_t before, uint32_t value)
{
    struct ahci_port_registers *port = port_of(number);

    switch (offset) {
    case offsetof(struct ahci_port_registers, is):
    case offsetof(struct ahci_port_registers, serr):
        fuzz_window_set(AHCI_PORT_BASE(number) + offset, before & ~value);
        break;
    case offsetof(struct ahci_port_registers, cmd):
        port->cmd = (value & ~AHCI_CMD_RUNNING) | (value & AHCI_CMD_START ? AHCI_CMD_RUNNING : 0);
        if (!(value & AHCI_CMD_START))
            port->ci = port->sact = 0;
        break;
    case offsetof(struct ahci_port_registers, sact):
        port->sact |= before;
        break;
    case offsetof(struct ahci_port_registers, ci):
        port->ci |= before;
        for (; value; value &= value - 1)
            command_check(number, (unsigned)__builtin_ctz(value));
        break;
    case offsetof(struct ahci_port_registers, tfd):
    case offsetof(struct ahci_port_registers, ssts):
    case offsetof(struct ahci_port_registers, sig):
        fuzz_window_set(AHCI_PORT_BASE(number) + offset, before);
        break;
    default:
        break;
    }
}

void fuzz_window_was_written(size_t offset, unsigned width, uint64_t before, uint64_t value)
{
    fuzz_require(width == 4);
    if (offset >= AHCI_PORT_BASE(0)) {
        port_written((unsigned)(offset - AHCI_PORT_BASE(0)) / PORT_SIZE, offset % PORT_SIZE,
                     (uint32_t)before, (uint32_t)value);
    } else if (offset == AHCI_REGISTER(ghc)) {
        resets |= value & AHCI_GHC_RESET;
        fuzz_window_set(offset, (uint32_t)value & ~AHCI_GHC_RESET);
    } else if (offset == AHCI_REGISTER(is)) {
        fuzz_window_set(offset, (uint32_t)(before & ~value));
    } else {
        fuzz_window_set(offset, (uint32_t)before);
    }
}

bool fuzz_device_ends(unsigned index, enum block_status status)
{
    (void)status;
    return !held[index].by_device;
}

static void override_set(struct fuzz_input *input)
{
    fuzz_window_override(input, AHCI_PORT_BASE(PORTS));
}

void fuzz_device_act(struct fuzz_input *input)
{
    uint8_t what = fuzz_take8(input);
    struct ahci_port_registers *port = port_of(what >> 4 & 1);

    switch (what & 7) {
    case 0:
        override_set(input);
        break;
    case 1:
        fuzz_window.overrides = 0;
        break;
    case 2:
    case 3: /* commands are done, or their bits are set for no reason */
        port->sact &= fuzz_take32(input);
        port->ci &= port->sact | fuzz_take32(input);
        break;
    case 4:
        port->is |= 1u << (fuzz_take8(input) & 31);
        port->tfd = fuzz_take8(input) ? 0x50 : fuzz_take32(input);
        fuzz_window_set(AHCI_REGISTER(is), fuzz_take8(input) | 3);
        fuzz_interrupt(0);
        break;
    case 5:
        port->ssts = fuzz_take8(input);
        break;
    case 6:
        answer[fuzz_take16(input) % ANSWER_SIZE] = fuzz_take8(input);
        break;
    default:
        obeys = !obeys;
    }
}

void fuzz_device_make(struct fuzz_input *input)
{
    const uint16_t identity[ATA_IDENTITY_WORDS] = {
        [ATA_CAPABILITIES] = ATA_CAPABILITIES_DMA_LBA,
        [ATA_QUEUE_DEPTH] = 31,
        [ATA_SATA] = ATA_SATA_QUEUED,
        [ATA_COMMANDS2] = 1 << 14 | ATA_COMMANDS2_48_BIT,
        [ATA_ENABLED1] = ATA_ENABLED1_WRITE_CACHE,
        [ATA_SECTORS + 1] = 1,
        [ATA_DATA_SET] = ATA_DATA_SET_TRIM,
    };
    uint8_t changes = fuzz_take8(input);

    memset(held, 0, sizeof(held));
    memset(answer, 0, sizeof(answer));
    memcpy(answer, identity, sizeof(identity));
    obeys = true;
    resets = false;
    fuzz_window.index = AHCI_WINDOW;
    fuzz_device.identity.vectors = 1;
    fuzz_window_set(AHCI_REGISTER(pi), (1 << PORTS) - 1);
    fuzz_window_set(AHCI_REGISTER(cap), AHCI_CAP_64 | AHCI_CAP_QUEUED | 31 << 8 |
                                            (changes & 0x80 ? AHCI_CAP_STAGGERED : 0));
    for (unsigned i = 0; i < PORTS; i++) {
        port_of(i)->ssts = 0x123;
        port_of(i)->sig = changes >> i & 0x20 ? AHCI_SIG_PACKET : AHCI_SIG_DISK;
        port_of(i)->tfd = 0x50;
    }
    for (unsigned i = 0; i < (changes & 7); i++)
        answer[fuzz_take16(input) % ANSWER_SIZE] = fuzz_take8(input);
    for (unsigned i = 0; i < (changes >> 3 & 3); i++)
        override_set(input);
}

void fuzz_device_mend(void)
{
    fuzz_window.overrides = 0;
}
