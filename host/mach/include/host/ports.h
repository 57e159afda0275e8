/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Port access where this task may use the processor's instructions for it.
 */
#ifndef HOST_PORTS_H
#define HOST_PORTS_H

struct ports {
    uint16_t base;
};

static inline uint8_t ports_read8(const struct ports *ports, size_t offset)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0"
                     : "=a"(value)
                     : "Nd"((uint16_t)(ports->base + offset))
                     : "memory");
    return value;
}

static inline void ports_write8(const struct ports *ports, size_t offset, uint8_t value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"((uint16_t)(ports->base + offset)) : "memory");
}

#endif
