/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * e1000e with a device that says anything (net_driver.h).
 */
#include <test/fuzz/net_driver.h>

enum {
    CTRL = 0x0,
    STATUS = 0x8,
    ICR = 0xc0,
    RDBAL = 0x2800,
    TDBAL = 0x3800,
    RAL = 0x5400,
    RAH = 0x5404
};
enum { MASTER_DISABLE = 1 << 2, RESET = 1 << 26, MASTER = 1 << 19, LINK = 0x83 };
enum { CAPABILITY = 0x40, MSIX = 0x11, ENTRIES = 256 };

void fuzz_device_make(struct fuzz_input *input)
{
    uint8_t kind = fuzz_take8(input);

    fuzz_device.identity.vectors = 1 + (kind & 1);
    fuzz_device.config[0x34] = kind & 2 ? fuzz_take8(input) : CAPABILITY;
    fuzz_device.config[CAPABILITY] = kind & 4 ? fuzz_take8(input) : MSIX;
    fuzz_device.config[CAPABILITY + 1] = fuzz_take8(input);
    fuzz_device.config[CAPABILITY + 3] = kind & 8 ? 0 : 0x80;
    fuzz_window_set(STATUS, LINK);
    fuzz_window_set(RAL, kind & 16 ? fuzz_take32(input) : 0x00005452);
    fuzz_window_set(RAH, kind & 32 ? fuzz_take32(input) : 1u << 31);
}

void fuzz_window_was_read(size_t offset, uint64_t value)
{
    (void)offset, (void)value;
}

void fuzz_window_was_written(size_t offset, unsigned width, uint64_t before, uint64_t value)
{
    (void)width, (void)before;
    if (offset != CTRL)
        return;
    fuzz_window_set(STATUS, value & MASTER_DISABLE ? LINK : LINK | MASTER);
    fuzz_window_set(CTRL, (uint32_t)value & ~(uint32_t)RESET);
}

/* Done with a descriptor that it has, or may not have. */
void fuzz_device_act(struct fuzz_input *input)
{
    uint8_t what = fuzz_take8(input), which = fuzz_take8(input);
    size_t ring = what & 1 ? RDBAL : TDBAL;
    uint64_t base = (uint64_t)fuzz_window_get(ring + 4) << 32 | fuzz_window_get(ring);
    uint8_t *descriptor = fuzz_memory(base + which * UINT64_C(16), 16);

    if (what & 0x80)
        fuzz_window_set(ICR, fuzz_take32(input));
    if (!descriptor)
        return;
    descriptor[12] = what >> 1 & 1 ? fuzz_take8(input) : 3;
    if (what & 4)
        memcpy(descriptor + 8, &(uint16_t){fuzz_take16(input)}, 2);
    else
        descriptor[8] = 60;
    if (what & 8)
        descriptor[13] = fuzz_take8(input);
}
