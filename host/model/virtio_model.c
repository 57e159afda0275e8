/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Configuration space, registers, status (4.1.4, 2.1).
 */
#include "virtio_model.h"

#include <string.h>

#include <kit/clock.h>

enum {
    DEVICE_FEATURE_SELECT = 0,
    DEVICE_FEATURE = 4,
    DRIVER_FEATURE_SELECT = 8,
    DRIVER_FEATURE = 12,
    CONFIG_VECTOR = 16,
    NUM_QUEUES = 18,
    STATUS = 20,
    GENERATION = 21,
    QUEUE_SELECT = 22,
    QUEUE_SIZE = 24,
    QUEUE_VECTOR = 26,
    QUEUE_ENABLE = 28,
    QUEUE_NOTIFY = 30,
    QUEUE_DESCRIPTORS = 32,
    QUEUE_AVAILABLE = 40,
    QUEUE_USED = 48,
    COMMON_END = 56,
};

enum { DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, NEEDS_RESET = 64, FAILED = 128 };
enum { NO_VECTOR = 0xffff, VERSION_1 = 32 };

static struct virtio_model *model_of(struct model_device *device)
{
    return (struct virtio_model *)device;
}

static uint64_t all_ones(unsigned width)
{
    return UINT64_MAX >> (64 - 8 * width);
}

bool virtio_model_has(const struct virtio_model *model, unsigned feature)
{
    return model->accepted >> feature & 1;
}

static bool has_messages(const struct virtio_model *model)
{
    return model->device.config[VIRTIO_MODEL_CAPABILITY_MSIX + 3] & 0x80;
}

void virtio_model_raise(struct virtio_model *model, uint16_t vector, uint8_t cause)
{
    if (model->no_interrupts)
        return;
    if (!has_messages(model)) {
        model->isr |= cause;
        model_interrupt(0);
    } else if (vector != NO_VECTOR) {
        model_interrupt(vector);
    }
}

void virtio_model_config_changed(struct virtio_model *model)
{
    model->generation++;
    virtio_model_raise(model, model->config_vector, 2);
}

void virtio_model_wants_reset(struct virtio_model *model)
{
    model->status |= NEEDS_RESET;
    virtio_model_raise(model, model->config_vector, 2);
}

/* 2.4: everything but what the device is. */
static void forget(struct virtio_model *model)
{
    memset(model->queue, 0, sizeof(model->queue));
    memset(model->chain, 0, sizeof(model->chain));
    model->in_flight = 0;
    for (unsigned i = 0; i < VIRTIO_MODEL_QUEUES; i++) {
        model->queue[i].size = model->queue_size;
        model->queue[i].vector = NO_VECTOR;
    }
    if (model->first_size > 0)
        model->queue[0].size = model->first_size;
    model->accepted = 0;
    model->device_select = model->driver_select = 0;
    model->config_vector = NO_VECTOR;
    model->status = model->isr = 0;
    model->reset_due = 0;
}

static void status_write(struct virtio_model *model, uint8_t value)
{
    uint8_t before = model->status;

    if (value == 0) {
        model->resets++;
        model->reset_due = model_time() + model->reset_time;
        return;
    }
    if (model->reset_due)
        model_violation("status %02x before the reset was over", value);
    if ((before & value) != before)
        model_violation("status %02x takes back some of %02x", value, before);
    if ((value & FEATURES_OK) && !(before & FEATURES_OK)) {
        if (!(before & DRIVER) || (model->accepted & ~model->offered))
            model_violation("features %llx are not offered", (unsigned long long)model->accepted);
        if (model->refuses_features)
            value &= (uint8_t)~FEATURES_OK;
    }
    if ((value & DRIVER_OK) && !(value & FEATURES_OK))
        model_violation("running before features were agreed upon");
    model->status = value;
}

static struct virtio_model_queue *queue_selected(struct virtio_model *model)
{
    return model->queue_select < model->queues ? &model->queue[model->queue_select] : NULL;
}

static uint64_t common_read(struct virtio_model *model, size_t offset, unsigned width)
{
    const struct virtio_model_queue *queue = queue_selected(model);

    switch (offset << 4 | width) {
    case DEVICE_FEATURE << 4 | 4:
        return model->device_select < 2 ? (uint32_t)(model->offered >> 32 * model->device_select)
                                        : 0;
    case CONFIG_VECTOR << 4 | 2:
        return model->config_vector;
    case NUM_QUEUES << 4 | 2:
        return model->queues;
    case STATUS << 4 | 1:
        return model->status;
    case GENERATION << 4 | 1:
        model->generation += model->unsettled;
        return model->generation;
    case QUEUE_SIZE << 4 | 2:
        return queue ? queue->size : 0;
    case QUEUE_VECTOR << 4 | 2:
        return queue ? queue->vector : NO_VECTOR;
    case QUEUE_NOTIFY << 4 | 2:
        return (unsigned)model->queue_select * model->notify_offset;
    }
    model_violation("read of %u bytes at common register %zu", width, offset);
    return all_ones(width);
}

static void feature_write(struct virtio_model *model, uint32_t value)
{
    unsigned shift = 32 * (model->driver_select & 1);

    if (model->status & FEATURES_OK)
        model_violation("features are written after they were agreed upon");
    model->accepted = (model->accepted & ~(UINT64_C(0xffffffff) << shift)) | (uint64_t)value
                                                                                 << shift;
}

static void address_write(uint64_t *address, bool high, uint32_t value)
{
    *address = high ? (*address & 0xffffffff) | (uint64_t)value << 32
                    : (*address & ~UINT64_C(0xffffffff)) | value;
}

static void queue_enable(struct virtio_model *model, struct virtio_model_queue *queue)
{
    if ((model->status & (FEATURES_OK | DRIVER_OK)) != FEATURES_OK)
        model_violation("a queue is enabled at status %02x", model->status);
    if (queue->size == 0 || queue->size > model->queue_size || (queue->size & (queue->size - 1)))
        model_violation("a queue of %u entries", queue->size);
    if (queue->descriptors % 16 || queue->available % 2 || queue->used % 4) /* 2.7 */
        model_violation("a queue that is not aligned");
    queue->enabled = true;
}

static void queue_write(struct virtio_model *model, size_t offset, unsigned width, uint32_t value)
{
    struct virtio_model_queue *queue = queue_selected(model);

    if (!queue || queue->enabled) {
        model_violation("queue %u is changed, which is enabled or not there", model->queue_select);
        return;
    }
    if (offset == QUEUE_SIZE && width == 2)
        queue->size = (uint16_t)value;
    else if (offset == QUEUE_VECTOR && width == 2)
        queue->vector = model->refuses_vectors ? NO_VECTOR : (uint16_t)value;
    else if (offset == QUEUE_ENABLE && width == 2 && value == 1)
        queue_enable(model, queue);
    else if ((offset & ~4u) == QUEUE_DESCRIPTORS && width == 4)
        address_write(&queue->descriptors, offset & 4, value);
    else if ((offset & ~4u) == QUEUE_AVAILABLE && width == 4)
        address_write(&queue->available, offset & 4, value);
    else if (offset >= QUEUE_USED && width == 4)
        address_write(&queue->used, offset & 4, value);
    else
        model_violation("write of %u bytes (%x) at queue register %zu", width, value, offset);
}

static void common_write(struct virtio_model *model, size_t offset, unsigned width, uint32_t value)
{
    switch (offset << 4 | width) {
    case DEVICE_FEATURE_SELECT << 4 | 4:
        model->device_select = value;
        return;
    case DRIVER_FEATURE_SELECT << 4 | 4:
        model->driver_select = value;
        return;
    case DRIVER_FEATURE << 4 | 4:
        feature_write(model, value);
        return;
    case CONFIG_VECTOR << 4 | 2:
        model->config_vector = model->refuses_vectors ? NO_VECTOR : (uint16_t)value;
        return;
    case STATUS << 4 | 1:
        status_write(model, (uint8_t)value);
        return;
    case QUEUE_SELECT << 4 | 2:
        model->queue_select = (uint16_t)value;
        return;
    }
    if (offset >= QUEUE_SIZE && offset < COMMON_END)
        queue_write(model, offset, width, value);
    else
        model_violation("write of %u bytes at common register %zu", width, offset);
}

static uint64_t window_read(struct model_device *device, unsigned window, size_t offset,
                            unsigned width)
{
    struct virtio_model *model = model_of(device);
    uint64_t value = 0;

    if (model->gone)
        return all_ones(width);
    if (window == VIRTIO_MODEL_WINDOW && offset < VIRTIO_MODEL_ISR)
        return common_read(model, offset, width);
    if (window == VIRTIO_MODEL_WINDOW && offset == VIRTIO_MODEL_ISR && width == 1) {
        value = model->isr; /* 4.1.4.5 */
        model->isr = 0;
        return value;
    }
    offset -= VIRTIO_MODEL_CONFIG;
    if (window == VIRTIO_MODEL_WINDOW && offset < model->config_size &&
        width <= model->config_size - offset && width <= 4) {
        memcpy(&value, model->config + offset, width);
        return value;
    }
    model_violation("read of %u bytes at %zx of window %u", width, offset, window);
    return all_ones(width);
}

static void notify(struct virtio_model *model, size_t offset, uint32_t value)
{
    size_t place = (size_t)value * model->notify_offset * model->notify_multiplier;

    model->notifications++;
    if (value >= model->queues || !model->queue[value].enabled || place != offset)
        model_violation("queue %u is notified at %zx", value, offset);
    else if (!(model->status & DRIVER_OK))
        model_violation("queue %u is notified before the device runs", value);
    else
        model->queue[value].notified = true;
}

static void window_write(struct model_device *device, unsigned window, size_t offset,
                         unsigned width, uint64_t value)
{
    struct virtio_model *model = model_of(device);

    if (model->gone)
        return;
    if (window == VIRTIO_MODEL_WINDOW && offset < VIRTIO_MODEL_ISR)
        common_write(model, offset, width, (uint32_t)value);
    else if (window == VIRTIO_MODEL_WINDOW && offset >= VIRTIO_MODEL_NOTIFY && width == 2)
        notify(model, offset - VIRTIO_MODEL_NOTIFY, (uint32_t)value);
    else
        model_violation("write of %u bytes at %zx of window %u", width, offset, window);
}

static void step(struct model_device *device)
{
    struct virtio_model *model = model_of(device);

    if (model->gone)
        return;
    if (model->reset_due && !model->never_resets && model_time() >= model->reset_due)
        forget(model);
    /* It goes on with what it has until it is reset. */
    if (model->status & DRIVER_OK)
        virtio_model_queues_step(model);
}

static void capability(uint8_t *config, unsigned at, unsigned next, unsigned type, uint32_t offset,
                       uint32_t size)
{
    const uint8_t head[] = {0x09, (uint8_t)next, type == 2 || type == 5 ? 20 : 16, (uint8_t)type,
                            VIRTIO_MODEL_WINDOW};

    memcpy(config + at, head, sizeof(head));
    memcpy(config + at + 8, &offset, sizeof(offset));
    memcpy(config + at + 12, &size, sizeof(size));
}

static void config_space_fill(struct virtio_model *model)
{
    uint8_t *config = model->device.config;
    static const uint8_t msix[] = {0x11, VIRTIO_MODEL_CAPABILITY_COMMON, 1, 0x80};

    config[0x06] = 0x10;
    config[0x34] = VIRTIO_MODEL_CAPABILITY_MSIX;
    memcpy(config + VIRTIO_MODEL_CAPABILITY_MSIX, msix, sizeof(msix));
    capability(config, VIRTIO_MODEL_CAPABILITY_COMMON, VIRTIO_MODEL_CAPABILITY_ISR, 1,
               VIRTIO_MODEL_COMMON, 0x1000);
    capability(config, VIRTIO_MODEL_CAPABILITY_ISR, VIRTIO_MODEL_CAPABILITY_CONFIG, 3,
               VIRTIO_MODEL_ISR, 0x1000);
    capability(config, VIRTIO_MODEL_CAPABILITY_CONFIG, VIRTIO_MODEL_CAPABILITY_NOTIFY, 4,
               VIRTIO_MODEL_CONFIG, (uint32_t)model->config_size);
    capability(config, VIRTIO_MODEL_CAPABILITY_NOTIFY, VIRTIO_MODEL_CAPABILITY_WINDOW, 2,
               VIRTIO_MODEL_NOTIFY, 0x1000);
    memcpy(config + VIRTIO_MODEL_CAPABILITY_NOTIFY + 16, &model->notify_multiplier, 4);
    capability(config, VIRTIO_MODEL_CAPABILITY_WINDOW, 0, 5, 0, 0);
}

void virtio_model_init(struct virtio_model *model, uint16_t id, uint64_t features, void *config,
                       size_t config_size)
{
    *model = (struct virtio_model){
        .device =
            {
                .identity = {.vendor = 0x1af4, .device = id, .class_code = 1, .vectors = 2},
                .window_size = {[VIRTIO_MODEL_WINDOW] = VIRTIO_MODEL_WINDOW_SIZE},
                .read = window_read,
                .write = window_write,
                .step = step,
            },
        /* Indirect descriptors, the event index, version 1, the platform's addresses and order */
        .offered = features | UINT64_C(3) << 28 | UINT64_C(0x13) << VERSION_1,
        .config = config,
        .config_size = config_size,
        .queues = 1,
        .queue_size = 256,
        .notify_multiplier = 4,
        .notify_offset = 1,
        .chain_time = CLOCK_MILLISECOND / 20,
        .reset_time = 2 * CLOCK_MILLISECOND,
    };
    forget(model);
    config_space_fill(model);
    model->status = 15;
}
