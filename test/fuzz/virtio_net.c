/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * virtio-net with a device that says anything (net_driver.h).
 */
#include <kit/virtio.h>
#include <kit/virtio_layout.h>
#include <test/fuzz/net_driver.h>

enum { WINDOW = 4, QUEUES = 3, CONFIG = 0x3000 };
#define COMMON(name) offsetof(struct virtio_common, name)

static struct {
    uint64_t used;
    uint16_t size, put;
} queues[QUEUES];

static uint16_t get16(size_t offset)
{
    uint16_t value;

    memcpy(&value, fuzz_device.window + offset, sizeof(value));
    return value;
}

static void capability(unsigned at, unsigned next, unsigned type, uint32_t offset)
{
    const uint8_t head[] = {PCI_CAPABILITY_VENDOR, (uint8_t)next, 20, (uint8_t)type, WINDOW};
    uint32_t size = 0x1000;

    memcpy(fuzz_device.config + at, head, sizeof(head));
    memcpy(fuzz_device.config + at + 8, &offset, sizeof(offset));
    memcpy(fuzz_device.config + at + 12, &size, sizeof(size));
    fuzz_device.config[at + 16] = 4;
}

void fuzz_device_make(struct fuzz_input *input)
{
    struct virtio_common common = {.queues = QUEUES, .queue_size = 256};
    uint8_t kind = fuzz_take8(input);

    memset(queues, 0, sizeof(queues));
    fuzz_device.window_index = WINDOW;
    fuzz_device.identity =
        (struct device_identity){.vendor = 0x1af4, .device = 0x1041, .vectors = 1 + (kind & 3)};
    fuzz_device.config[PCI_STATUS] = PCI_STATUS_LIST;
    fuzz_device.config[PCI_CAPABILITIES] = 0x40;
    for (unsigned type = 1; type <= 4; type++)
        capability(0x20 + type * 0x20, type < 4 ? 0x40 + type * 0x20 : 0, type,
                   (type - 1) * 0x1000);
    /* Both halves read alike: bit 32 and with it bit 0 are there. */
    common.device_feature =
        1 | (kind & 4 ? fuzz_take32(input) : 1u << 5 | 1u << 16 | 1u << 17 | 1u << 18 | 1u << 29);
    if (kind & 8)
        common.queue_size = fuzz_take16(input);
    memcpy(fuzz_device.window, &common, sizeof(common));
    fuzz_device.window[CONFIG] = 2;
    if (kind & 16)
        fuzz_take(input, fuzz_device.window + CONFIG, 17);
}

/* What the driver writes is remembered for each queue; a reset takes no time. */
void fuzz_device_wrote(size_t offset, unsigned width, uint64_t value)
{
    unsigned selected = get16(COMMON(queue_select));

    if (offset == COMMON(status) && value == 0) {
        for (unsigned i = 0; i < QUEUES; i++)
            queues[i].put = 0;
    }
    if (selected >= QUEUES)
        return;
    if (offset == COMMON(queue_used) && width == 4)
        queues[selected].used = value;
    else if (offset == COMMON(queue_used) + 4 && width == 4)
        queues[selected].used |= value << 32;
    else if (offset == COMMON(queue_size))
        queues[selected].size = (uint16_t)value;
}

/* A chain comes back, which may be with the device or not. */
void fuzz_device_act(struct fuzz_input *input)
{
    uint8_t what = fuzz_take8(input);
    unsigned id = what % QUEUES;
    uint32_t entry[2] = {fuzz_take8(input), what & 0x40 ? fuzz_take32(input) : id == 0 ? 72 : 0};
    size_t size = 4 + queues[id].size * 8u;
    uint8_t *used = fuzz_device_memory(queues[id].used, size);

    if (id == 2)
        entry[1] = 1;
    if (!used || queues[id].size == 0)
        return;
    memcpy(used + 4 + queues[id].put % queues[id].size * 8u, entry, sizeof(entry));
    queues[id].put++;
    memcpy(used + 2, &queues[id].put, 2);
}
