/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The modern PCI transport (4.1), and how a device is brought up (3.1.1).
 */
#include <kit/virtio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/core/dma.h>
#include <kit/log.h>

#include "virtio_layout.h"

#define TRANSPORT_FEATURES                                                                         \
    (VIRTIO_FEATURE(VIRTIO_F_INDIRECT_DESC) | VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX) |                 \
     VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM) |               \
     VIRTIO_FEATURE(VIRTIO_F_ORDER_PLATFORM))

/* Enough for every device type, and for a configuration that is read while it changes. */
enum { CONFIG_SIZE_MAX = 4096, CONFIG_TRIES = 1000 };

#define COMMON(name) offsetof(struct virtio_common, name)

static uint8_t common_read8(const struct virtio *virtio, size_t offset)
{
    return regs_read8(&virtio->common.regs, virtio->common.offset + offset);
}

static uint16_t common_read16(const struct virtio *virtio, size_t offset)
{
    return regs_read16(&virtio->common.regs, virtio->common.offset + offset);
}

static uint32_t common_read32(const struct virtio *virtio, size_t offset)
{
    return regs_read32(&virtio->common.regs, virtio->common.offset + offset);
}

static void common_write16(const struct virtio *virtio, size_t offset, uint16_t value)
{
    regs_write16(&virtio->common.regs, virtio->common.offset + offset, value);
}

static void common_write32(const struct virtio *virtio, size_t offset, uint32_t value)
{
    regs_write32(&virtio->common.regs, virtio->common.offset + offset, value);
}

static void status_set(const struct virtio *virtio, uint8_t value)
{
    regs_write8(&virtio->common.regs, virtio->common.offset + COMMON(status), value);
}

/* 2.1.1: bits are only ever added. */
static void status_add(const struct virtio *virtio, uint8_t bits)
{
    status_set(virtio, common_read8(virtio, COMMON(status)) | bits);
}

/* What cannot be read is 0 here: no capability, or the end of their list. */
static uint32_t config_space_read(struct device *device, unsigned offset, unsigned width)
{
    uint32_t value;

    return device_config_read(device, offset, width, &value) == 0 ? value : 0;
}

/* Which of the structures a capability is about, or null: unknown to us, or found before (4.1.4.1:
 * the first counts). `size` is how many bytes there have to be. */
static struct virtio_area *area_choose(struct virtio *virtio, unsigned type, size_t *size)
{
    static const size_t sizes[] = {
        [VIRTIO_PCI_COMMON] = sizeof(struct virtio_common),
        [VIRTIO_PCI_NOTIFY] = sizeof(uint16_t),
        [VIRTIO_PCI_ISR] = sizeof(uint8_t),
        [VIRTIO_PCI_DEVICE] = 1,
    };
    struct virtio_area *areas[] = {
        [VIRTIO_PCI_COMMON] = &virtio->common,
        [VIRTIO_PCI_NOTIFY] = &virtio->notify,
        [VIRTIO_PCI_ISR] = &virtio->isr,
        [VIRTIO_PCI_DEVICE] = &virtio->config,
    };

    if (type < VIRTIO_PCI_COMMON || type > VIRTIO_PCI_DEVICE || areas[type]->size > 0)
        return NULL;
    *size = sizes[type];
    return areas[type];
}

static int area_open(struct virtio *virtio, unsigned at)
{
    struct device *device = virtio->device;
    unsigned type = config_space_read(device, at + offsetof(struct virtio_pci_capability, type), 1);
    unsigned bar = config_space_read(device, at + offsetof(struct virtio_pci_capability, bar), 1);
    size_t offset =
        config_space_read(device, at + offsetof(struct virtio_pci_capability, offset), 4);
    size_t size = config_space_read(device, at + offsetof(struct virtio_pci_capability, size), 4);
    size_t least, there = device_window_size(device, bar);
    struct virtio_area *area = area_choose(virtio, type, &least);

    if (!area)
        return 0;
    /* 4.1.4.1: wider fields of these are accessed in halves of 32 bits, aligned. */
    if (offset > there || size > there - offset || size < least || offset % 4 != 0) {
        log_warning("structure %u (%zu bytes at %zu of window %u) is not where it can be: ignored",
                    type, size, offset, bar);
        return 0;
    }
    if (area == &virtio->config && size > CONFIG_SIZE_MAX)
        size = CONFIG_SIZE_MAX;
    int error = device_window_open(device, bar, offset + size, &area->regs);
    if (error != 0) {
        log_error("register window %u cannot be opened for %zu bytes: %s", bar, offset + size,
                  strerror(error));
        return error;
    }
    area->offset = offset;
    area->size = size;
    if (area == &virtio->notify)
        virtio->notify_multiplier =
            config_space_read(device, at + offsetof(struct virtio_pci_capability, multiplier), 4);
    return 0;
}

/* 4.1.4, PCI 6.7. A list that goes round in circles ends where no list can be longer. */
static int capabilities_find(struct virtio *virtio)
{
    struct device *device = virtio->device;
    int error = 0;

    if (!(config_space_read(device, PCI_STATUS, 2) & PCI_STATUS_LIST))
        return 0;
    unsigned at = config_space_read(device, PCI_CAPABILITIES, 1) & 0xfc;
    for (unsigned i = 0; i < PCI_CAPABILITIES_MAX && at >= PCI_CAPABILITY_FIRST && error == 0;
         i++) {
        uint32_t header = config_space_read(device, at, 2);
        if ((header & 0xff) == PCI_CAPABILITY_VENDOR)
            error = area_open(virtio, at);
        else if ((header & 0xff) == PCI_CAPABILITY_MSIX)
            virtio->messages =
                config_space_read(device, at + PCI_MSIX_CONTROL, 2) & PCI_MSIX_ENABLED;
        at = header >> 8 & 0xfc;
    }
    return error;
}

static int interface_find(struct virtio *virtio)
{
    const struct device_identity *identity = device_identity(virtio->device);
    int error = capabilities_find(virtio);

    if (error != 0)
        return error;
    if (virtio->common.size == 0 && identity->device < VIRTIO_PCI_MODERN) {
        log_error("the device has the legacy interface only: it needs one of virtio 1.0 or later "
                  "(QEMU: disable-modern=off)");
        return ENOTSUP;
    }
    if (virtio->common.size == 0 || virtio->notify.size == 0 || virtio->isr.size == 0) {
        log_error("the device does not say where its %s registers are: it cannot be used",
                  virtio->common.size == 0   ? "common"
                  : virtio->notify.size == 0 ? "notification"
                                             : "interrupt");
        return ENOTSUP;
    }
    return 0;
}

bool virtio_is_stopped(const struct virtio *virtio)
{
    uint8_t status = common_read8(virtio, COMMON(status));

    return status == VIRTIO_STATUS_RESET || status == VIRTIO_STATUS_GONE;
}

void virtio_reset_begin(struct virtio *virtio)
{
    status_set(virtio, VIRTIO_STATUS_RESET);
}

void virtio_give_up(struct virtio *virtio, const char *why)
{
    log_error("the device is given up: %s", why);
    virtio_reset_begin(virtio);
    exit(EXIT_FAILURE);
}

void virtio_check(struct virtio *virtio)
{
    if (common_read8(virtio, COMMON(status)) & VIRTIO_STATUS_NEEDS_RESET)
        virtio_give_up(virtio, "it wants a reset, or is not there any more");
}

int virtio_reset(struct virtio *virtio)
{
    virtio_reset_begin(virtio);
    for (uint64_t start = clock_now(); !virtio_is_stopped(virtio);) { /* 4.1.4.3.2 */
        if (!clock_wait(start, VIRTIO_RESET_LIMIT)) {
            log_error("the device does not reset within %llu s: it needs a power cycle",
                      (unsigned long long)(VIRTIO_RESET_LIMIT / CLOCK_SECOND));
            return ETIMEDOUT;
        }
    }
    return 0;
}

static int negotiate(struct virtio *virtio, uint64_t features)
{
    uint64_t offered = 0;

    for (uint32_t half = 0; half < 2; half++) {
        common_write32(virtio, COMMON(device_feature_select), half);
        offered |= (uint64_t)common_read32(virtio, COMMON(device_feature)) << 32 * half;
    }
    virtio->features = offered & (features | TRANSPORT_FEATURES);
    if (!virtio_has(virtio, VIRTIO_F_VERSION_1)) {
        log_error("the device does not offer the interface of virtio 1.0 (features %016llx)",
                  (unsigned long long)offered);
        return ENOTSUP;
    }
    for (uint32_t half = 0; half < 2; half++) {
        common_write32(virtio, COMMON(driver_feature_select), half);
        common_write32(virtio, COMMON(driver_feature), (uint32_t)(virtio->features >> 32 * half));
    }
    status_add(virtio, VIRTIO_STATUS_FEATURES_OK);
    if (!(common_read8(virtio, COMMON(status)) & VIRTIO_STATUS_FEATURES_OK)) {
        log_error("the device does not agree to features %016llx of the %016llx that it offers",
                  (unsigned long long)virtio->features, (unsigned long long)offered);
        return ENOTSUP;
    }
    return 0;
}

int virtio_start(struct device *device, uint64_t features, struct virtio *virtio)
{
    *virtio = (struct virtio){.device = device};
    int error = interface_find(virtio);
    if (error != 0)
        return error;
    if (common_read8(virtio, COMMON(status)) == VIRTIO_STATUS_GONE) {
        log_error("nothing answers at the device's registers");
        return ENODEV;
    }
    /* What an earlier driver asked for must not be carried out on memory that is another's now. */
    error = virtio_reset(virtio);
    if (error == 0)
        error = device_enable(device);
    if (error != 0)
        return error;
    status_add(virtio, VIRTIO_STATUS_ACKNOWLEDGE);
    status_add(virtio, VIRTIO_STATUS_DRIVER);
    error = negotiate(virtio, features);
    if (error != 0)
        status_add(virtio, VIRTIO_STATUS_FAILED);
    return error;
}

uint64_t virtio_config_get(const struct virtio *virtio, size_t offset, unsigned width)
{
    const struct virtio_area *area = &virtio->config;
    size_t at = area->offset + offset;

    if (offset > area->size || width > area->size - offset)
        return 0;
    if (width == 1)
        return regs_read8(&area->regs, at);
    if (width == 2)
        return regs_read16(&area->regs, at);
    if (width == 4)
        return regs_read32(&area->regs, at);
    /* 2.5.1: both halves of the same moment. */
    for (unsigned tries = 0;; tries++) {
        uint8_t generation = common_read8(virtio, COMMON(generation));
        uint32_t low = regs_read32(&area->regs, at), high = regs_read32(&area->regs, at + 4);
        if (common_read8(virtio, COMMON(generation)) == generation || tries == CONFIG_TRIES)
            return (uint64_t)high << 32 | low;
    }
}

static bool vector_interrupt(void *context)
{
    const struct virtio_vector *vector = context;
    struct virtio *virtio = vector->virtio;
    uint8_t cause = VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG;
    bool any = false;

    /* 4.1.5.3, 4.1.5.4: reading it takes the line down. Messages do not need it. */
    if (!virtio->messages)
        cause = regs_read8(&virtio->isr.regs, virtio->isr.offset);
    if (vector->number == 0 && (cause & VIRTIO_ISR_CONFIG)) {
        virtio_check(virtio);
        any = virtio->changed && virtio->changed(virtio->context);
    }
    for (unsigned i = 0; i < virtio->queue_count && (cause & VIRTIO_ISR_QUEUE); i++) {
        struct virtio_queue *queue = virtio->queue[i];
        if (queue->handler && queue->vector == vector->number)
            any |= queue->handler(queue->context);
    }
    return virtio->messages ? any : cause != 0;
}

static int vector_attach(struct virtio *virtio, unsigned number)
{
    struct virtio_vector *vector = &virtio->vector[number];

    if (vector->attached)
        return 0;
    *vector = (struct virtio_vector){virtio, number, true};
    int error = irq_attach(virtio->device, number, vector_interrupt, vector);
    if (error != 0)
        log_error("interrupt vector %u cannot be attached: %s", number, strerror(error));
    return error;
}

/* 4.1.5.1.2: without MSI-X, vectors mean nothing to the device. It says so if it cannot have one.
 */
static int vector_set(struct virtio *virtio, size_t offset, unsigned number)
{
    if (!virtio->messages)
        return 0;
    common_write16(virtio, offset, (uint16_t)number);
    if (common_read16(virtio, offset) == number)
        return 0;
    log_error("the device does not take interrupt vector %u", number);
    return EIO;
}

/* Vector 0 is the configuration's, and everybody's if there is no other. */
static int queue_interrupt_set(struct virtio *virtio, struct virtio_queue *queue)
{
    unsigned vectors = device_identity(virtio->device)->vectors;

    if (vectors > VIRTIO_VECTORS_MAX)
        vectors = VIRTIO_VECTORS_MAX;
    if (!queue->handler)
        return vector_set(virtio, COMMON(queue_vector), VIRTIO_NO_VECTOR);
    queue->vector = virtio->messages && vectors > 1 ? 1 + virtio->queue_count % (vectors - 1) : 0;
    int error = vector_attach(virtio, queue->vector);
    return error == 0 ? vector_set(virtio, COMMON(queue_vector), queue->vector) : error;
}

unsigned virtio_queue_entries(const struct virtio *virtio, unsigned index)
{
    if (index >= common_read16(virtio, COMMON(queues)))
        return 0;
    common_write16(virtio, COMMON(queue_select), (uint16_t)index);
    unsigned entries = common_read16(virtio, COMMON(queue_size));
    return entries > VIRTIO_SIZE_MAX ? 0 : entries;
}

static void address_set(const struct virtio *virtio, size_t offset, uint64_t address)
{
    common_write32(virtio, offset, (uint32_t)address);
    common_write32(virtio, offset + 4, (uint32_t)(address >> 32));
}

/* 4.1.5.1.3: everything else about the queue before it is enabled. */
static void queue_enable(struct virtio *virtio, const struct virtio_queue *queue)
{
    uint64_t base = queue->memory.address;
    const unsigned char *memory = queue->memory.memory;

    common_write16(virtio, COMMON(queue_size), (uint16_t)queue->entries);
    address_set(virtio, COMMON(queue_descriptors), base);
    address_set(virtio, COMMON(queue_available),
                base + (uint64_t)((const unsigned char *)queue->available - memory));
    address_set(virtio, COMMON(queue_used),
                base + (uint64_t)((const unsigned char *)queue->used - memory));
    common_write16(virtio, COMMON(queue_enable), 1);
}

int virtio_queue_create(struct virtio *virtio, unsigned index, const struct virtio_queue_plan *plan,
                        struct virtio_queue *queue)
{
    const struct virtio_area *notify = &virtio->notify;
    unsigned there = virtio_queue_entries(virtio, index), entries = 1;
    uint64_t doorbell = (uint64_t)common_read16(virtio, COMMON(queue_notify)) *
                        virtio->notify_multiplier; /* 4.1.4.4 */

    while (entries * 2 <= there && entries * 2 <= plan->entries && entries < VIRTIO_ENTRIES_MAX)
        entries *= 2; /* 2.7: a power of two, also where the device's is none */
    /* 2.7.5.3.1: no chain is longer than the queue, in a table of its own neither. */
    if (there == 0 || entries < plan->segments || virtio->queue_count == VIRTIO_QUEUES_MAX) {
        log_error("queue %u cannot be used: it has %u entries, chains have %u", index, there,
                  plan->segments);
        return ENOTSUP;
    }
    if (doorbell > notify->size - sizeof(uint16_t) || doorbell % sizeof(uint16_t) != 0) {
        log_error("queue %u cannot be used: its doorbell at %llu is outside of their %zu bytes",
                  index, (unsigned long long)doorbell, notify->size);
        return ENOTSUP;
    }
    *queue = (struct virtio_queue){
        .virtio = virtio,
        .index = index,
        .entries = entries,
        .segments = plan->segments,
        .handler = plan->handler,
        .context = plan->context,
        .doorbell = notify->offset + (size_t)doorbell,
    };
    int error = virtio_queue_memory(queue);
    if (error != 0)
        log_error("no memory for a queue of %u entries: %s", entries, strerror(error));
    if (error == 0)
        error = queue_interrupt_set(virtio, queue);
    if (error != 0)
        return error;
    queue_enable(virtio, queue);
    virtio->queue[virtio->queue_count++] = queue;
    return 0;
}

int virtio_run(struct virtio *virtio, irq_handler changed, void *context)
{
    /* 6.1: without this feature the device takes addresses for physical ones, and there is no
     * holding it back from where it should not reach. */
    if (!virtio_has(virtio, VIRTIO_F_ACCESS_PLATFORM) && dma_is_translated(virtio->device)) {
        log_error("the device bypasses the IOMMU (VIRTIO_F_ACCESS_PLATFORM is not offered): it is "
                  "not used (QEMU: iommu_platform=on)");
        status_add(virtio, VIRTIO_STATUS_FAILED);
        return ENOTSUP;
    }
    virtio->changed = changed;
    virtio->context = context;
    int error = vector_attach(virtio, 0);
    if (error == 0)
        error = vector_set(virtio, COMMON(config_vector), 0);
    if (error == 0)
        status_add(virtio, VIRTIO_STATUS_DRIVER_OK);
    return error;
}

int virtio_revive(struct virtio *virtio)
{
    uint64_t features = virtio->features;

    status_add(virtio, VIRTIO_STATUS_ACKNOWLEDGE);
    status_add(virtio, VIRTIO_STATUS_DRIVER);
    int error = negotiate(virtio, features);
    if (error == 0 && virtio->features != features) {
        log_error("the device offers other features than before: %016llx of %016llx",
                  (unsigned long long)virtio->features, (unsigned long long)features);
        error = ENOTSUP;
    }
    for (unsigned i = 0; i < virtio->queue_count && error == 0; i++) {
        struct virtio_queue *queue = virtio->queue[i];
        virtio_queue_clear(queue);
        common_write16(virtio, COMMON(queue_select), (uint16_t)queue->index);
        error = vector_set(virtio, COMMON(queue_vector),
                           queue->handler ? queue->vector : VIRTIO_NO_VECTOR);
        if (error == 0)
            queue_enable(virtio, queue);
    }
    if (error == 0)
        error = vector_set(virtio, COMMON(config_vector), 0);
    status_add(virtio, error == 0 ? VIRTIO_STATUS_DRIVER_OK : VIRTIO_STATUS_FAILED);
    return error;
}
