/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The virtio library with a device that puts anything into its configuration space, its registers
 * and the memory of its queues. Checked: every access stays inside what was opened, a chain comes
 * back once and only if it was given, with no more bytes than it has room for, and what is given
 * lies in the rings as it was said, whatever was written over them.
 */
#include <errno.h>

#include <kit/irq.h>
#include <kit/virtio.h>
#include <kit/virtio_layout.h>
#include <test/fuzz/fuzz.h>

enum { WINDOW = 4, WINDOW_SIZE = 0x4000, OVERRIDES = 4, QUEUES = 3, SEGMENTS = 5, STEPS_MAX = 600 };
enum { BUFFERS_MAX = 8 };
#define FIRST_ADDRESS UINT64_C(0x123400000000)

struct device {
    uint8_t config[256];
    uint8_t window[WINDOW_SIZE];
    struct {
        uint16_t offset;
        uint32_t value;
    } override[OVERRIDES]; /* reads there are answered so */
    unsigned overrides;
    struct device_identity identity;
    struct dma_buffer buffer[BUFFERS_MAX];
    unsigned buffers;
    bool enabled;
};

/* What was added and has not come back, by the chain's first descriptor. */
struct given {
    bool out;
    uint64_t writable;
};

static struct device device;
static struct virtio virtio;
static struct virtio_queue queues[QUEUES];
static struct given given[QUEUES][VIRTIO_ENTRIES_MAX];
static uint16_t put[QUEUES]; /* the honest part of the device: what it gave back */
static unsigned created;
static uint64_t now;

uint64_t clock_now(void)
{
    return now += CLOCK_MILLISECOND;
}

void clock_sleep(uint64_t nanoseconds)
{
    now += nanoseconds;
}

const struct device_identity *device_identity(const struct device *self)
{
    return &self->identity;
}

size_t device_window_size(const struct device *self, unsigned index)
{
    (void)self;
    return index == WINDOW ? WINDOW_SIZE : 0;
}

int device_window_open(struct device *self, unsigned index, size_t size, struct regs *regs)
{
    fuzz_require(index == WINDOW && size > 0 && size <= WINDOW_SIZE);
    *regs = (struct regs){(struct model_device *)self, index, size};
    return 0;
}

int device_enable(struct device *self)
{
    self->enabled = true;
    return 0;
}

int device_config_read(struct device *self, unsigned offset, unsigned width, uint32_t *value)
{
    if (offset % width != 0 || offset > sizeof(self->config) - width)
        return EINVAL;
    *value = 0;
    memcpy(value, self->config + offset, width);
    return 0;
}

int irq_attach(struct device *self, unsigned vector, irq_handler handler, void *context)
{
    (void)handler, (void)context;
    return vector < self->identity.vectors ? 0 : EINVAL;
}

bool dma_is_translated(const struct device *self)
{
    (void)self;
    return false;
}

int dma_buffer_create(struct device *self, size_t size, struct dma_buffer *buffer)
{
    size = (size + DMA_PAGE_SIZE - 1) & ~(size_t)(DMA_PAGE_SIZE - 1);
    fuzz_require(self->buffers < BUFFERS_MAX);
    *buffer = (struct dma_buffer){calloc(1, size),
                                  FIRST_ADDRESS + self->buffers * UINT64_C(0x10000000), size};
    fuzz_require(buffer->memory);
    self->buffer[self->buffers++] = *buffer;
    return 0;
}

uint64_t model_regs_read(const struct regs *regs, size_t offset, unsigned width)
{
    uint64_t value = 0;

    fuzz_require(offset % width == 0 && offset < regs->size && width <= regs->size - offset);
    for (unsigned i = 0; i < device.overrides; i++) {
        if (device.override[i].offset == offset)
            return device.override[i].value & (UINT64_MAX >> (64 - 8 * width));
    }
    memcpy(&value, device.window + offset, width);
    return value;
}

void model_regs_write(const struct regs *regs, size_t offset, unsigned width, uint64_t value)
{
    fuzz_require(offset % width == 0 && offset < regs->size && width <= regs->size - offset);
    memcpy(device.window + offset, &value, width);
}

static void capability(unsigned at, unsigned next, unsigned type, uint32_t offset)
{
    const uint8_t head[] = {PCI_CAPABILITY_VENDOR, (uint8_t)next, 20, (uint8_t)type, WINDOW};
    uint32_t size = 0x1000;

    memcpy(device.config + at, head, sizeof(head));
    memcpy(device.config + at + 8, &offset, sizeof(offset));
    memcpy(device.config + at + 12, &size, sizeof(size));
    device.config[at + 16] = 4; /* of notifications: bytes between doorbells */
}

/* A device as it should be, and then what the input makes of it. */
static void device_make(struct fuzz_input *input)
{
    struct virtio_common common = {.device_feature = UINT32_MAX, .queues = QUEUES};
    unsigned changes = fuzz_take8(input) % 8;

    for (unsigned i = 0; i < device.buffers; i++)
        free(device.buffer[i].memory);
    memset(&device, 0, sizeof(device));
    device.identity = (struct device_identity){.vendor = 0x1af4, .device = 0x1042, .vectors = 2};
    device.config[PCI_STATUS] = PCI_STATUS_LIST;
    device.config[PCI_CAPABILITIES] = 0x40;
    for (unsigned type = 1; type <= 4; type++)
        capability(0x20 + type * 0x20, type < 4 ? 0x40 + type * 0x20 : 0, type,
                   (type - 1) * 0x1000);
    uint16_t features = fuzz_take16(input);
    common.device_feature = (uint32_t)features << 16 | 1; /* both halves read alike */
    common.queue_size = fuzz_take16(input);
    memcpy(device.window, &common, sizeof(common));
    for (unsigned i = 0; i < changes; i++) {
        uint16_t where = fuzz_take16(input);
        if (where & 0x8000)
            device.config[where & 0xff] = fuzz_take8(input);
        else if (device.overrides < OVERRIDES) {
            device.override[device.overrides].offset = where & 0x3f;
            device.override[device.overrides++].value = fuzz_take32(input);
        }
    }
}

static void queue_make(struct fuzz_input *input, unsigned index)
{
    uint8_t choice = fuzz_take8(input);
    struct virtio_queue_plan plan = {.entries = 1u << (choice & 15),
                                     .segments = 1 + (choice >> 4) % SEGMENTS};
    struct virtio_queue *queue = &queues[created];

    if (virtio_queue_create(&virtio, index, &plan, queue) != 0)
        return;
    fuzz_require(device.enabled && queue->entries > 0 && queue->entries <= VIRTIO_ENTRIES_MAX);
    fuzz_require((queue->entries & (queue->entries - 1)) == 0 && queue->entries <= plan.entries);
    fuzz_require(queue->segments <= queue->entries);
    created++;
}

/* The descriptors of the chain that was just added, as the device finds them. */
static void chain_check(const struct virtio_queue *queue, unsigned head,
                        const struct virtio_segment *segments, unsigned out, unsigned count)
{
    const struct virtio_descriptor *table = queue->descriptors;
    unsigned at = head;

    if (table[at].flags & VIRTIO_DESCRIPTOR_INDIRECT) {
        uint64_t offset = table[at].address - queue->memory.address;
        fuzz_require(table[at].length == count * sizeof(*table));
        fuzz_require(offset <= queue->memory.size &&
                     table[at].length <= queue->memory.size - offset);
        table = (const struct virtio_descriptor *)((char *)queue->memory.memory + offset);
        at = 0;
    }
    for (unsigned i = 0; i < count; i++) {
        fuzz_require(table[at].address == segments[i].address);
        fuzz_require(table[at].length == segments[i].length);
        fuzz_require(table[at].flags == ((i >= out ? VIRTIO_DESCRIPTOR_WRITE : 0) |
                                         (i + 1 < count ? VIRTIO_DESCRIPTOR_NEXT : 0)));
        at = table[at].next;
        fuzz_require(i + 1 == count || at < queue->entries);
    }
}

static void chain_add(struct fuzz_input *input, unsigned id)
{
    struct virtio_queue *queue = &queues[id];
    struct virtio_segment segments[SEGMENTS + 1];
    uint8_t shape = fuzz_take8(input);
    unsigned out = shape & 3, in = shape >> 2 & 3;
    uint64_t writable = 0;

    if (out + in > SEGMENTS)
        return;
    for (unsigned i = 0; i < out + in; i++) {
        segments[i] =
            (struct virtio_segment){fuzz_take16(input), (uint32_t)fuzz_take8(input) << 24 | 1};
        writable += i >= out ? segments[i].length : 0;
    }
    unsigned head = queue->free;
    uint16_t index = queue->put;
    bool broken = virtio_queue_is_broken(queue);
    unsigned room = queue->free_count;
    if (!virtio_queue_add(queue, segments, out, in, &given[id][head])) {
        fuzz_require(broken || out + in == 0 || out + in > queue->segments || room < out + in);
        return;
    }
    fuzz_require(!broken && head < queue->entries && !given[id][head].out);
    fuzz_require(queue->available->ring[index & (queue->entries - 1)] == head);
    chain_check(queue, head, segments, out, out + in);
    given[id][head] = (struct given){true, writable};
}

static void chains_take(unsigned id)
{
    struct given *token;
    uint32_t length;
    unsigned count = 0;

    while ((token = virtio_queue_take(&queues[id], &length))) {
        fuzz_require(token >= given[id] && token < given[id] + queues[id].entries);
        fuzz_require(token->out && length <= token->writable);
        token->out = false;
        fuzz_require(++count <= queues[id].entries);
    }
    fuzz_require(virtio_queue_is_broken(&queues[id]) || !virtio_queue_is_ready(&queues[id]));
}

static void give_back(unsigned id, uint32_t head, uint32_t length)
{
    const struct virtio_queue *queue = &queues[id];
    struct virtio_used *used = (struct virtio_used *)queue->used;

    used->ring[put[id] & (queue->entries - 1)] = (struct virtio_used_entry){head, length};
    used->index = ++put[id];
}

static void step(struct fuzz_input *input)
{
    uint8_t what = fuzz_take8(input);
    unsigned id = (what >> 4) % created;
    struct virtio_queue *queue = &queues[id];
    bool news;

    switch (what & 15) {
    case 0:
        chains_take(id);
        break;
    case 1:
        news = queue->told != queue->put && !virtio_queue_is_broken(queue);
        virtio_queue_kick(queue);
        fuzz_require(!news || queue->available->index == queue->put);
        break;
    case 2:
        virtio_queue_arm(queue, 1 + fuzz_take8(input));
        break;
    case 3:
        virtio_queue_disarm(queue);
        break;
    case 4: /* it may be the device's, or not */
        give_back(id, fuzz_take8(input), fuzz_take8(input));
        break;
    case 5:
        give_back(id, fuzz_take32(input), fuzz_take32(input));
        break;
    case 6:
        ((struct virtio_used *)queue->used)->index = fuzz_take16(input);
        break;
    case 7:
    case 8:
        ((uint8_t *)queue->memory.memory)[fuzz_take16(input) % queue->memory.size] =
            fuzz_take8(input);
        break;
    case 9:
        virtio_config_get(&virtio, fuzz_take16(input) * 4u, 1u << (what >> 4 & 3));
        break;
    default:
        chain_add(input, id);
    }
}

/* A queue that is not broken gives back what it has. */
static void wind_up(unsigned id)
{
    struct virtio_queue *queue = &queues[id];

    chains_take(id);
    if (virtio_queue_is_broken(queue))
        return;
    put[id] = queue->taken;
    for (unsigned head = 0; head < queue->entries; head++) {
        if (given[id][head].out)
            give_back(id, head, 0);
    }
    chains_take(id);
    fuzz_require(!virtio_queue_is_broken(queue) && queue->free_count == queue->entries);
    for (unsigned head = 0; head < queue->entries; head++)
        fuzz_require(!given[id][head].out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};

    device_make(&input);
    memset(given, 0, sizeof(given));
    memset(put, 0, sizeof(put));
    created = 0;
    if (virtio_start(&device, fuzz_take64(&input), &virtio) != 0)
        return 0;
    fuzz_require(device.enabled && virtio_has(&virtio, VIRTIO_F_VERSION_1));
    for (unsigned i = 0; i < QUEUES; i++)
        queue_make(&input, i);
    if (created == 0 || virtio_run(&virtio, NULL, NULL) != 0)
        return 0;
    for (unsigned i = 0; i < STEPS_MAX && input.size > 0; i++)
        step(&input);
    for (unsigned id = 0; id < created; id++)
        wind_up(id);
    return 0;
}
