/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The virtio library with a device that puts anything into its configuration space, its registers
 * and the memory of its queues. Checked: every access stays inside what was opened, a chain comes
 * back once and only if it was given, with no more bytes than it has room for, and what is given
 * lies in the rings as it was said, whatever was written over them. A queue whose rules are broken
 * ends the run.
 */
#include <test/fuzz/machine.h>
#include <test/fuzz/virtio_device.h>

enum { WINDOW = 4, QUEUES = 3, SEGMENTS = 5, STEPS_MAX = 600 };

/* What was added and has not come back, by the chain's first descriptor. */
struct given {
    bool out;
    uint64_t writable;
};

static struct virtio virtio;
static struct virtio_queue queues[QUEUES];
static struct given given[QUEUES][VIRTIO_ENTRIES_MAX];
static uint16_t put[QUEUES]; /* the honest part of the device: what it gave back */
static unsigned created;

void fuzz_window_was_read(size_t offset, uint64_t value)
{
    (void)offset, (void)value;
}

void fuzz_window_was_written(size_t offset, unsigned width, uint64_t before, uint64_t value)
{
    (void)offset, (void)width, (void)before, (void)value;
}

/* A device as it should be, and then what the input makes of it. */
static void device_make(struct fuzz_input *input)
{
    struct virtio_common common = {.device_feature = UINT32_MAX, .queues = QUEUES};
    unsigned changes = fuzz_take8(input) % 8;

    fuzz_window_begin();
    fuzz_window.index = WINDOW;
    fuzz_device.identity =
        (struct device_identity){.vendor = VIRTIO_PCI_VENDOR, .device = 0x1042, .vectors = 2};
    fuzz_virtio_capabilities(fuzz_device.config, WINDOW);
    uint16_t features = fuzz_take16(input);
    common.device_feature = (uint32_t)features << 16 | 1; /* both halves read alike */
    common.queue_size = fuzz_take16(input);
    memcpy(fuzz_window.bytes, &common, sizeof(common));
    for (unsigned i = 0; i < changes; i++) {
        if (fuzz_take8(input) & 1)
            fuzz_device.config[fuzz_take8(input)] = fuzz_take8(input);
        else
            fuzz_window_override(input, sizeof(common));
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
    fuzz_require(fuzz_device.is_enabled && queue->entries > 0 &&
                 queue->entries <= VIRTIO_ENTRIES_MAX);
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
    unsigned room = queue->free_count;
    if (!virtio_queue_add(queue, segments, out, in, &given[id][head])) {
        fuzz_require(out + in == 0 || out + in > queue->segments || room < out + in);
        return;
    }
    fuzz_require(head < queue->entries && !given[id][head].out);
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
    fuzz_require(!virtio_queue_is_ready(&queues[id]));
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
        news = queue->told != queue->put;
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

/* A queue gives back what it has. */
static void wind_up(unsigned id)
{
    struct virtio_queue *queue = &queues[id];

    chains_take(id);
    put[id] = queue->taken;
    for (unsigned head = 0; head < queue->entries; head++) {
        if (given[id][head].out)
            give_back(id, head, 0);
    }
    chains_take(id);
    fuzz_require(queue->free_count == queue->entries);
    for (unsigned head = 0; head < queue->entries; head++)
        fuzz_require(!given[id][head].out);
}

static void run(struct fuzz_input *input)
{
    for (unsigned i = 0; i < STEPS_MAX && input->size > 0; i++)
        step(input);
    for (unsigned id = 0; id < created; id++)
        wind_up(id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};

    device_make(&input);
    memset(given, 0, sizeof(given));
    memset(put, 0, sizeof(put));
    created = 0;
    if (virtio_start(&fuzz_device, fuzz_take64(&input), &virtio) != 0)
        return 0;
    fuzz_require(fuzz_device.is_enabled && virtio_has(&virtio, VIRTIO_F_VERSION_1));
    for (unsigned i = 0; i < QUEUES; i++)
        queue_make(&input, i);
    if (created == 0 || virtio_run(&virtio, NULL, NULL) != 0)
        return 0;
    fuzz_machine_run(run, &input);
    return 0;
}
