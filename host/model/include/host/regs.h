/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Register access where the device is a model in the same process: each access is a call to it.
 */
#ifndef HOST_REGS_H
#define HOST_REGS_H

struct model_device;

struct regs {
    struct model_device *model;
    unsigned window;
    size_t size;
};

/* Defined by host/model: bounds-checked, then passed to the model's own handlers. */
uint64_t model_regs_read(const struct regs *regs, size_t offset, unsigned width);
void model_regs_write(const struct regs *regs, size_t offset, unsigned width, uint64_t value);

#define HOST_REGS_ACCESSORS(bits)                                                                  \
    static inline uint##bits##_t regs_read##bits(const struct regs *regs, size_t offset)           \
    {                                                                                              \
        return (uint##bits##_t)model_regs_read(regs, offset, bits / 8);                            \
    }                                                                                              \
    static inline void regs_write##bits(const struct regs *regs, size_t offset,                    \
                                        uint##bits##_t value)                                      \
    {                                                                                              \
        model_regs_write(regs, offset, bits / 8, value);                                           \
    }

HOST_REGS_ACCESSORS(8)
HOST_REGS_ACCESSORS(16)
HOST_REGS_ACCESSORS(32)
HOST_REGS_ACCESSORS(64)

#undef HOST_REGS_ACCESSORS

#endif
