/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Register access where the window is mapped: plain volatile loads and stores. The mapping is
 * uncached, and x86 keeps stores in order (Intel SDM volume 3, 8.2.2), so only the compiler has to
 * be held back: memory written before a doorbell must not be delayed past it.
 */
#ifndef HOST_REGS_H
#define HOST_REGS_H

struct regs {
    volatile unsigned char *base;
    size_t size;
};

#define HOST_REGS_ACCESSORS(bits)                                                                  \
    static inline uint##bits##_t regs_read##bits(const struct regs *regs, size_t offset)           \
    {                                                                                              \
        uint##bits##_t value = *(volatile uint##bits##_t *)(regs->base + offset);                  \
        __asm__ volatile("" ::: "memory");                                                         \
        return value;                                                                              \
    }                                                                                              \
    static inline void regs_write##bits(const struct regs *regs, size_t offset,                    \
                                        uint##bits##_t value)                                      \
    {                                                                                              \
        __asm__ volatile("" ::: "memory");                                                         \
        *(volatile uint##bits##_t *)(regs->base + offset) = value;                                 \
    }

HOST_REGS_ACCESSORS(8)
HOST_REGS_ACCESSORS(16)
HOST_REGS_ACCESSORS(32)
HOST_REGS_ACCESSORS(64)

#undef HOST_REGS_ACCESSORS

#endif
