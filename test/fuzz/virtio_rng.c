/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * virtio-rng with a device that says anything (stream_driver.h).
 */
#include <test/fuzz/stream_driver.h>
#include <test/fuzz/virtio_device.h>

void fuzz_device_make(struct fuzz_input *input)
{
    fuzz_window_begin();
    fuzz_virtio_make(input, 0x1044, 1, 1u << 29, fuzz_take8(input));
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
    uint8_t what = fuzz_take8(input);

    if (what < 16)
        fuzz_scribble(input);
    else if (what < 32)
        fuzz_window.bytes[fuzz_take16(input)] = fuzz_take8(input);
    else
        fuzz_virtio_give_back(0, what < 48,
                              what < 64 ? fuzz_take32(input) : fuzz_take16(input) % 1025);
}
