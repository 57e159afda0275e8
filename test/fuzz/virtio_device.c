/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/fuzz/virtio_device.h>

enum { WINDOW = 4, REGION = 0x1000 };
#define COMMON(name) offsetof(struct virtio_common, name)

struct fuzz_virtio_queue fuzz_virtio_queue[FUZZ_VIRTIO_QUEUES];

void fuzz_virtio_capabilities(uint8_t *config, unsigned window)
{
    config[PCI_STATUS] = PCI_STATUS_LIST;
    config[PCI_CAPABILITIES] = 0x40;
    for (unsigned type = VIRTIO_PCI_COMMON; type <= VIRTIO_PCI_DEVICE; type++) {
        unsigned at = 0x20 + type * 0x20;
        const struct virtio_pci_capability capability = {
            .id = PCI_CAPABILITY_VENDOR,
            .next = type < VIRTIO_PCI_DEVICE ? (uint8_t)(at + 0x20) : 0,
            .length = sizeof(capability),
            .type = (uint8_t)type,
            .bar = (uint8_t)window,
            .offset = (type - 1) * REGION,
            .size = REGION,
            .multiplier = 4, /* of notifications: bytes between doorbells */
        };
        memcpy(config + at, &capability, sizeof(capability));
    }
}

void fuzz_virtio_make(struct fuzz_input *input, uint16_t id, unsigned queues, uint32_t features,
                      uint8_t kind)
{
    struct virtio_common common = {.queues = (uint16_t)queues, .queue_size = 256};

    memset(fuzz_virtio_queue, 0, sizeof(fuzz_virtio_queue));
    fuzz_window.index = WINDOW;
    fuzz_device.identity = (struct device_identity){
        .vendor = VIRTIO_PCI_VENDOR, .device = id, .vectors = 1 + (kind & 3)};
    fuzz_virtio_capabilities(fuzz_device.config, WINDOW);
    /* Both halves read alike: bit 32 and with it bit 0 are there. */
    common.device_feature = 1 | (kind & 4 ? fuzz_take32(input) : features);
    if (kind & 8)
        common.queue_size = fuzz_take16(input);
    memcpy(fuzz_window.bytes, &common, sizeof(common));
}

static void half_set(uint64_t *address, bool is_high, uint64_t value)
{
    *address = is_high ? (*address & UINT32_MAX) | value << 32 : value;
}

bool fuzz_virtio_was_written(size_t offset, unsigned width, uint64_t value)
{
    uint16_t selected;

    (void)width;
    if (offset == COMMON(status) && value == VIRTIO_STATUS_RESET) {
        memset(fuzz_virtio_queue, 0, sizeof(fuzz_virtio_queue)); /* it fetches nothing more */
        return true;
    }
    memcpy(&selected, fuzz_window.bytes + COMMON(queue_select), sizeof(selected));
    if (selected >= FUZZ_VIRTIO_QUEUES)
        return false;
    struct fuzz_virtio_queue *queue = &fuzz_virtio_queue[selected];
    if (offset == COMMON(queue_size))
        queue->size = (uint16_t)value;
    else if (offset == COMMON(queue_descriptors) || offset == COMMON(queue_descriptors) + 4)
        half_set(&queue->descriptors, offset != COMMON(queue_descriptors), value);
    else if (offset == COMMON(queue_available) || offset == COMMON(queue_available) + 4)
        half_set(&queue->available, offset != COMMON(queue_available), value);
    else if (offset == COMMON(queue_used) || offset == COMMON(queue_used) + 4)
        half_set(&queue->used, offset != COMMON(queue_used), value);
    return false;
}

void fuzz_virtio_give_back(unsigned id, uint32_t head, uint32_t length)
{
    struct fuzz_virtio_queue *queue = &fuzz_virtio_queue[id];
    struct virtio_used *used =
        fuzz_memory(queue->used, sizeof(*used) + queue->size * sizeof(struct virtio_used_entry));

    if (!used || queue->size == 0)
        return;
    used->ring[queue->put % queue->size] = (struct virtio_used_entry){head, length};
    used->index = ++queue->put;
}
