/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/fuzz/window.h>

#include <kit/regs.h>

struct fuzz_window fuzz_window;

void fuzz_window_begin(void)
{
    fuzz_machine_begin();
    memset(&fuzz_window, 0, sizeof(fuzz_window));
}

size_t device_window_size(const struct device *self, unsigned index)
{
    (void)self;
    return index == fuzz_window.index ? FUZZ_WINDOW_SIZE : 0;
}

int device_window_open(struct device *self, unsigned index, size_t size, struct regs *regs)
{
    fuzz_require(index == fuzz_window.index && size > 0 && size <= FUZZ_WINDOW_SIZE);
    *regs = (struct regs){(struct model_device *)self, index, size};
    return 0;
}

void fuzz_window_override(struct fuzz_input *input, size_t end)
{
    unsigned index = fuzz_window.overrides < FUZZ_OVERRIDES ? fuzz_window.overrides++ : 0;

    fuzz_window.override[index].offset = fuzz_take8(input) * sizeof(uint32_t) % end;
    fuzz_window.override[index].value = fuzz_take32(input);
}

uint64_t model_regs_read(const struct regs *regs, size_t offset, unsigned width)
{
    uint64_t value = 0;

    fuzz_require(offset % width == 0 && offset < regs->size && width <= regs->size - offset);
    memcpy(&value, fuzz_window.bytes + offset, width);
    for (unsigned i = 0; i < fuzz_window.overrides; i++) {
        if (fuzz_window.override[i].offset == offset)
            value = fuzz_window.override[i].value & (UINT64_MAX >> (64 - 8 * width));
    }
    fuzz_window_was_read(offset, value);
    return value;
}

void model_regs_write(const struct regs *regs, size_t offset, unsigned width, uint64_t value)
{
    fuzz_require(offset % width == 0 && offset < regs->size && width <= regs->size - offset);
    uint64_t before = 0;
    memcpy(&before, fuzz_window.bytes + offset, width);
    memcpy(fuzz_window.bytes + offset, &value, width);
    fuzz_window_was_written(offset, width, before, value);
}
