/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A register window that holds what was written to it. Checked: every access is inside of what was
 * opened, and aligned.
 */
#ifndef TEST_FUZZ_WINDOW_H
#define TEST_FUZZ_WINDOW_H

#include <test/fuzz/machine.h>

enum { FUZZ_WINDOW_SIZE = 0x20000, FUZZ_OVERRIDES = 6 };

struct fuzz_window {
    unsigned index;
    unsigned overrides;
    struct {
        size_t offset;
        uint32_t value;
    } override[FUZZ_OVERRIDES]; /* reads there are answered so, whatever was written */
    uint8_t bytes[FUZZ_WINDOW_SIZE];
};
extern struct fuzz_window fuzz_window;

/* A new run of the machine, with a window that was never written to. */
void fuzz_window_begin(void);

static inline uint32_t fuzz_window_get(size_t offset)
{
    uint32_t value;

    memcpy(&value, fuzz_window.bytes + offset, sizeof(value));
    return value;
}

static inline void fuzz_window_set(size_t offset, uint32_t value)
{
    memcpy(fuzz_window.bytes + offset, &value, sizeof(value));
}

/* One of the registers below `end` stands still from now on, at what the input says. */
void fuzz_window_override(struct fuzz_input *input, size_t end);

/* By the target: what follows from a register that was read, or written. */
void fuzz_window_was_read(size_t offset, uint64_t value);
void fuzz_window_was_written(size_t offset, unsigned width, uint64_t before, uint64_t value);

#endif
