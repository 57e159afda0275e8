/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The AHCI driver with a controller that puts anything into its registers and into memory. Checked:
 * every access stays inside what was opened; the device is never told of memory but the request's
 * and the driver's own; a request ends once, and while commands may still run only if the device
 * says that it is done; after a stop none is left.
 */
#include <errno.h>
#include <setjmp.h>

#include <driver/ahci/disk.h>
#include <kit/driver.h>
#include <kit/irq.h>
#include <test/fuzz/fuzz.h>

enum { PORTS = 2, WINDOW_SIZE = 0x100 + PORTS * 0x80, OVERRIDES = 6, STEPS_MAX = 300 };
enum { REQUESTS = 40, BUFFERS = 2 * PORTS, DEVICES = PORTS };
#define FIRST_ADDRESS UINT64_C(0x123400000000)
#define DATA_ADDRESS  UINT64_C(0x567800000000)

struct device {
    uint32_t window[WINDOW_SIZE / 4];
    struct {
        uint16_t offset;
        uint32_t value;
    } override[OVERRIDES]; /* reads there are answered so */
    unsigned overrides;
    uint8_t answer[512]; /* to the driver's own commands */
    bool obeys;          /* those are carried out at once */
    bool resets;         /* it was told to */
    bool enabled;
    struct dma_buffer buffer[BUFFERS];
    unsigned buffers;
    irq_handler handler;
};

struct block_device {
    const struct block_device_ops *ops;
    struct ahci_io *io;
    struct block_device_limits limits;
};

static struct device device;
static struct block_device offered[DEVICES];
static struct block_request requests[REQUESTS];
static struct block_device *owner[REQUESTS]; /* whose it is while the driver has it */
static struct {
    bool by_device; /* as far as the driver can know */
    bool is_queued;
    unsigned port, slot;
} held[REQUESTS];
static struct clock_timer *timers;
static uint64_t now;
static jmp_buf ended;
static bool may_end;

void __real_exit(int status) __attribute__((noreturn));
void __wrap_exit(int status) __attribute__((noreturn));
void __wrap_exit(int status)
{
    if (!may_end)
        __real_exit(status);
    longjmp(ended, 1);
}

uint64_t clock_now(void)
{
    return now += 5 * CLOCK_MILLISECOND;
}

void clock_sleep(uint64_t nanoseconds)
{
    now += nanoseconds + 50 * CLOCK_MILLISECOND;
}

void clock_timer_cancel(struct clock_timer *timer)
{
    struct clock_timer **link = &timers;

    while (*link && *link != timer)
        link = &(*link)->next;
    if (*link)
        *link = timer->next;
    timer->running = 0;
}

void clock_timer_start(struct clock_timer *timer, uint64_t after, void (*expired)(void *),
                       void *context)
{
    clock_timer_cancel(timer);
    *timer = (struct clock_timer){now + after, expired, context, timers, 1};
    timers = timer;
}

const char *device_name(const struct device *self)
{
    (void)self;
    return "ahci0";
}

unsigned device_setting(const struct device *self, const char *name, unsigned otherwise)
{
    (void)self, (void)name;
    return otherwise;
}

size_t device_window_size(const struct device *self, unsigned index)
{
    (void)self;
    return index == AHCI_WINDOW ? WINDOW_SIZE : 0;
}

int device_window_open(struct device *self, unsigned index, size_t size, struct regs *regs)
{
    fuzz_require(index == AHCI_WINDOW && size > 0 && size <= WINDOW_SIZE);
    *regs = (struct regs){(struct model_device *)self, index, size};
    return 0;
}

int device_enable(struct device *self)
{
    self->enabled = true;
    return 0;
}

int irq_attach(struct device *self, unsigned vector, irq_handler handler, void *context)
{
    (void)vector, (void)context;
    self->handler = handler;
    return 0;
}

int dma_buffer_create(struct device *self, size_t size, struct dma_buffer *buffer)
{
    size = (size + DMA_PAGE_SIZE - 1) & ~(size_t)(DMA_PAGE_SIZE - 1);
    fuzz_require(self->enabled && self->buffers < BUFFERS);
    *buffer = (struct dma_buffer){calloc(1, size),
                                  FIRST_ADDRESS + self->buffers * UINT64_C(0x10000000), size};
    fuzz_require(buffer->memory);
    self->buffer[self->buffers++] = *buffer;
    return 0;
}

/* Where the driver's own memory is, or null: it is not. */
static void *own_memory(uint64_t address, size_t size)
{
    for (unsigned i = 0; i < device.buffers; i++) {
        const struct dma_buffer *buffer = &device.buffer[i];
        uint64_t offset = address - buffer->address;
        if (address >= buffer->address && offset <= buffer->size && size <= buffer->size - offset)
            return (char *)buffer->memory + offset;
    }
    return NULL;
}

static struct ahci_port_registers *port_of(unsigned number)
{
    return (struct ahci_port_registers *)((char *)device.window + AHCI_PORT_BASE(number));
}

static uint32_t *register_of(size_t offset)
{
    return &device.window[offset / 4];
}

/* The request whose memory this is, or -1. */
static int request_find(uint64_t address, uint64_t length)
{
    for (int i = 0; i < REQUESTS; i++) {
        if (owner[i] && requests[i].address == address && requests[i].length == length)
            return i;
    }
    return -1;
}

/* What the driver learns by a read: commands whose bit is clear are done, a port that does not run
 * has none, a controller that is gone neither. */
static void read_note(size_t offset, uint32_t value)
{
    unsigned port = (unsigned)(offset - AHCI_PORT_BASE(0)) / 0x80;
    size_t name = offset % 0x80;

    for (unsigned i = 0; i < REQUESTS; i++) {
        bool is_here = offset >= AHCI_PORT_BASE(0) && held[i].port == port;
        bool is_rest = name == AHCI_PORT_REGISTER(cmd) && !(value & AHCI_CMD_RUNNING) &&
                       !(*register_of(offset) & AHCI_CMD_START);
        bool is_done =
            name == (held[i].is_queued ? AHCI_PORT_REGISTER(sact) : AHCI_PORT_REGISTER(ci)) &&
            !(value >> held[i].slot & 1);
        if ((is_here && (is_rest || is_done)) ||
            (offset == AHCI_REGISTER(ghc) &&
             (value == AHCI_GONE || (device.resets && !(value & AHCI_GHC_RESET)))))
            held[i].by_device = false;
    }
    if (offset == AHCI_REGISTER(ghc) && !(value & AHCI_GHC_RESET))
        device.resets = false;
}

/* A command as the device finds it. One of the driver's own may be carried out on the spot. */
static void command_check(unsigned number, unsigned slot)
{
    struct ahci_port_registers *port = port_of(number);
    struct ahci_header *list =
        own_memory(port->clb | (uint64_t)port->clbu << 32, AHCI_SLOTS * sizeof(*list));

    fuzz_require(list && device.enabled);
    struct ahci_header *header = &list[slot];
    uint64_t address = header->table | (uint64_t)header->table_high << 32;
    const struct ahci_table *table = own_memory(address, sizeof(*table));
    fuzz_require(table && address % 128 == 0 && table->fis.type == AHCI_FIS_HOST_TO_DEVICE);
    if (header->flags >> 16 == 0)
        return;
    fuzz_require(header->flags >> 16 == 1);
    uint64_t data = table->region.address | (uint64_t)table->region.address_high << 32;
    uint64_t length = (uint64_t)table->region.last + 1;
    void *memory = own_memory(data, length);
    int index = memory ? -1 : request_find(data, length);
    fuzz_require(memory || index >= 0);
    if (index >= 0) {
        fuzz_require(!held[index].by_device);
        held[index].by_device = true;
        held[index].is_queued = table->fis.command == ATA_READ_FPDMA_QUEUED ||
                                table->fis.command == ATA_WRITE_FPDMA_QUEUED;
        held[index].port = number;
        held[index].slot = slot;
    }
    if (memory && device.obeys) {
        memcpy(memory, device.answer, length < 512 ? length : 512);
        header->moved = (uint32_t)length;
        port->ci &= ~(UINT32_C(1) << slot);
    }
}

uint64_t model_regs_read(const struct regs *regs, size_t offset, unsigned width)
{
    fuzz_require(width == 4 && offset % 4 == 0 && offset < regs->size && 4 <= regs->size - offset);
    uint32_t value = *register_of(offset);
    for (unsigned i = 0; i < device.overrides; i++) {
        if (device.override[i].offset == offset)
            value = device.override[i].value;
    }
    read_note(offset, value);
    return value;
}

static void port_write(unsigned number, size_t offset, uint32_t value)
{
    struct ahci_port_registers *port = port_of(number);

    switch (offset) {
    case AHCI_PORT_REGISTER(is):
        port->is &= ~value;
        break;
    case AHCI_PORT_REGISTER(serr):
        port->serr &= ~value;
        break;
    case AHCI_PORT_REGISTER(cmd):
        port->cmd = (value & ~(AHCI_CMD_RUNNING | AHCI_CMD_RECEIVING)) |
                    (value & AHCI_CMD_START ? AHCI_CMD_RUNNING : 0);
        if (!(value & AHCI_CMD_START))
            port->ci = port->sact = 0;
        break;
    case AHCI_PORT_REGISTER(sact):
        port->sact |= value;
        break;
    case AHCI_PORT_REGISTER(ci):
        port->ci |= value;
        for (; value; value &= value - 1)
            command_check(number, (unsigned)__builtin_ctz(value));
        break;
    default:
        *register_of(AHCI_PORT_BASE(number) + offset) = value;
    }
}

void model_regs_write(const struct regs *regs, size_t offset, unsigned width, uint64_t value)
{
    fuzz_require(width == 4 && offset % 4 == 0 && offset < regs->size && 4 <= regs->size - offset);
    if (offset >= AHCI_PORT_BASE(0)) {
        port_write((unsigned)(offset - AHCI_PORT_BASE(0)) / 0x80, offset % 0x80, (uint32_t)value);
    } else if (offset == AHCI_REGISTER(ghc)) {
        device.resets |= value & AHCI_GHC_RESET;
        *register_of(offset) = (uint32_t)value & ~AHCI_GHC_RESET;
    } else if (offset == AHCI_REGISTER(is)) {
        *register_of(offset) &= ~(uint32_t)value;
    }
}

int block_device_publish(struct device *self, const char *suffix,
                         const struct block_device_limits *limits,
                         const struct block_device_ops *ops, void *context,
                         struct block_device **result)
{
    (void)self, (void)suffix;
    unsigned place = 0;
    while (place < DEVICES && offered[place].ops)
        place++;
    fuzz_require(place < DEVICES && limits->blocks > 0);
    fuzz_require(limits->block_size >= 512 && limits->block_size <= 65536);
    fuzz_require((limits->block_size & (limits->block_size - 1)) == 0);
    fuzz_require(limits->max_transfer >= limits->block_size &&
                 limits->max_transfer % limits->block_size == 0);
    fuzz_require(limits->blocks <= UINT64_MAX / limits->block_size);
    fuzz_require(memchr(limits->serial, '\0', sizeof(limits->serial)));
    fuzz_require(memchr(limits->model, '\0', sizeof(limits->model)));
    *result = &offered[place];
    **result = (struct block_device){ops, context, *limits};
    return 0;
}

/* What the driver has of it, it gives back as always. */
void block_device_withdraw(struct block_device *self)
{
    fuzz_require(self->ops);
    self->ops = NULL;
}

/* One that is offered, or null. */
static struct block_device *offered_choose(unsigned choice)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        struct block_device *one = &offered[(choice + i) % DEVICES];
        if (one->ops)
            return one;
    }
    return NULL;
}

/* While the device has it, its memory is not the client's. */
void block_request_done(struct block_request *request, enum block_status status)
{
    size_t index = (size_t)(request - requests);

    (void)status;
    fuzz_require(index < REQUESTS && owner[index] && !held[index].by_device);
    owner[index] = NULL;
}

void block_request_failed(struct block_request *request, enum block_status status, unsigned why)
{
    (void)why;
    block_request_done(request, status);
}

static void request_start(struct fuzz_input *input)
{
    static const enum block_operation operations[] = {BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH,
                                                      BLOCK_DISCARD};
    unsigned index = 0;

    while (index < REQUESTS && owner[index])
        index++;
    uint8_t choice = fuzz_take8(input);
    struct block_device *to = offered_choose(choice);
    if (index == REQUESTS || !to)
        return;
    const struct block_device_limits *limits = &to->limits;
    enum block_operation operation = operations[choice >> 4 & 3];
    if ((operation != BLOCK_READ && limits->flags & BLOCK_INFO_READ_ONLY) ||
        (operation == BLOCK_DISCARD && !(limits->flags & BLOCK_INFO_DISCARD)))
        operation = BLOCK_READ;
    uint64_t most =
        operation == BLOCK_DISCARD ? limits->max_blocks : limits->max_transfer / limits->block_size;
    uint64_t count = 1 + fuzz_take16(input) % most;
    if (count > limits->blocks)
        count = limits->blocks;
    requests[index] = (struct block_request){
        .operation = operation,
        .block = fuzz_take64(input) % (limits->blocks - count + 1),
        .count = (uint32_t)count,
        .silent = choice >> 6 & 1,
    };
    if (operation == BLOCK_FLUSH)
        requests[index].block = requests[index].count = 0;
    if (operation == BLOCK_READ || operation == BLOCK_WRITE) {
        requests[index].address = DATA_ADDRESS + index * UINT64_C(0x10000000);
        requests[index].length = count * limits->block_size;
    }
    owner[index] = to;
    if (!to->ops->start(to->io, &requests[index])) {
        /* It is offered again when one of the driver's is done: there has to be one. */
        fuzz_require(owner[index] == to && to->io->used);
        owner[index] = NULL;
    }
    if (choice & 0x80)
        to->ops->kick(to->io);
}

static void timer_run(void)
{
    struct clock_timer *soonest = timers;

    for (struct clock_timer *timer = timers; timer; timer = timer->next) {
        if (timer->due < soonest->due)
            soonest = timer;
    }
    if (!soonest)
        return;
    if (now < soonest->due)
        now = soonest->due;
    clock_timer_cancel(soonest);
    soonest->expired(soonest->context);
}

static void override_set(struct fuzz_input *input)
{
    unsigned index = device.overrides < OVERRIDES ? device.overrides++ : 0;
    uint8_t where = fuzz_take8(input);

    device.override[index].offset = (uint16_t)(where % (WINDOW_SIZE / 4) * 4);
    device.override[index].value = fuzz_take32(input);
}

static void step(struct fuzz_input *input)
{
    uint8_t what = fuzz_take8(input);
    struct ahci_port_registers *port = port_of(what >> 4 & 1);
    struct dma_buffer *buffer =
        device.buffers ? &device.buffer[(what >> 5) % device.buffers] : NULL;

    switch (what & 15) {
    case 0:
        override_set(input);
        break;
    case 1:
        device.overrides = 0;
        break;
    case 2: /* commands are done, or their bits are set for no reason */
        port->sact &= fuzz_take32(input);
        port->ci &= port->sact | fuzz_take32(input);
        break;
    case 3:
        port->is |= 1u << (fuzz_take8(input) & 31);
        port->tfd = fuzz_take8(input) ? 0x50 : fuzz_take32(input);
        *register_of(AHCI_REGISTER(is)) |= 3;
        device.handler(NULL);
        break;
    case 4:
        *register_of(AHCI_REGISTER(is)) |= fuzz_take8(input);
        device.handler(NULL);
        break;
    case 5:
    case 6:
        timer_run();
        break;
    case 7:
        port->ssts = fuzz_take8(input);
        break;
    case 8:
        if (buffer)
            ((uint8_t *)buffer->memory)[fuzz_take16(input) % buffer->size] = fuzz_take8(input);
        break;
    case 9:
        device.answer[fuzz_take16(input) % 512] = fuzz_take8(input);
        break;
    case 10:
        device.obeys = !device.obeys;
        break;
    case 11: {
        struct block_device *to = offered_choose(what >> 4);
        if (to) {
            if (to->ops->ready(to->io))
                to->ops->poll(to->io);
            if (to->ops)
                to->ops->kick(to->io);
        }
        break;
    }
    default:
        request_start(input);
    }
}

/* A controller as it should be, and then what the input makes of it. */
static void device_make(struct fuzz_input *input)
{
    struct ata_identity identity = {
        .capabilities = ATA_CAPABILITIES_DMA | ATA_CAPABILITIES_LBA,
        .queue_depth = 31,
        .sata = ATA_SATA_QUEUED,
        .commands2 = 1 << 14 | ATA_COMMANDS2_48_BIT,
        .enabled1 = ATA_ENABLED1_WRITE_CACHE,
        .sectors = {0, 1},
        .data_set = ATA_DATA_SET_TRIM,
    };
    uint8_t changes = fuzz_take8(input);

    for (unsigned i = 0; i < device.buffers; i++)
        free(device.buffer[i].memory);
    memset(&device, 0, sizeof(device));
    memcpy(device.answer, &identity, sizeof(identity));
    *register_of(AHCI_REGISTER(pi)) = (1 << PORTS) - 1;
    *register_of(AHCI_REGISTER(cap)) =
        AHCI_CAP_64 | AHCI_CAP_QUEUED | 31 << 8 | (changes & 0x80 ? AHCI_CAP_STAGGERED : 0);
    for (unsigned i = 0; i < PORTS; i++) {
        port_of(i)->ssts = 0x123;
        port_of(i)->sig = changes >> i & 0x20 ? AHCI_SIG_PACKET : AHCI_SIG_DISK;
        port_of(i)->tfd = 0x50;
    }
    device.obeys = true;
    for (unsigned i = 0; i < (changes & 7); i++)
        device.answer[fuzz_take16(input) % 512] = fuzz_take8(input);
    for (unsigned i = 0; i < (changes >> 3 & 3); i++)
        override_set(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_input input;

    input = (struct fuzz_input){data, size};
    device_make(&input);
    memset(owner, 0, sizeof(owner));
    memset(held, 0, sizeof(held));
    timers = NULL;
    memset(offered, 0, sizeof(offered));
    now = CLOCK_SECOND;
    may_end = true;
    if (setjmp(ended) == 0 && driver.attach(&device) == 0) {
        fuzz_require(device.enabled && device.handler);
        for (unsigned i = 0; i < STEPS_MAX && input.size > 0; i++)
            step(&input);
        /* A controller that does as it should again lets everything end. */
        device.overrides = 0;
        driver.detach();
        for (unsigned i = 0; i < REQUESTS; i++)
            fuzz_require(!owner[i]);
    }
    may_end = false;
    return 0;
}
