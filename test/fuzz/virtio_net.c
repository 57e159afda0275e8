/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * virtio-net with a device that says anything (net_driver.h).
 */
#include <test/fuzz/net_driver.h>
#include <test/fuzz/virtio_device.h>

enum { QUEUES = 3, CONTROL = 2, HEADER = 12, CONFIG_SIZE = 17 };

void fuzz_device_make(struct fuzz_input *input)
{
    uint8_t kind = fuzz_take8(input);

    fuzz_virtio_make(input, 0x1041, QUEUES, 1u << 5 | 1u << 16 | 1u << 17 | 1u << 18 | 1u << 29,
                     kind);
    fuzz_window.bytes[FUZZ_VIRTIO_CONFIG] = 2;
    if (kind & 16)
        fuzz_take(input, fuzz_window.bytes + FUZZ_VIRTIO_CONFIG, CONFIG_SIZE);
}

void fuzz_window_was_read(size_t offset, uint64_t value)
{
    (void)offset, (void)value;
}

void fuzz_window_was_written(size_t offset, unsigned width, uint64_t before, uint64_t value)
{
    (void)before;
    fuzz_virtio_was_written(offset, width, value);
}

void fuzz_device_act(struct fuzz_input *input)
{
    uint8_t what = fuzz_take8(input), head = fuzz_take8(input);
    unsigned id = what % QUEUES;
    uint32_t length = id == 0 ? HEADER + 60 : 0;

    if (what & 0x40)
        length = fuzz_take32(input);
    fuzz_virtio_give_back(id, head, id == CONTROL ? 1 : length);
}
