/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Port access where the device is a model in the same process: as for registers, whose windows have
 * the same numbers (host/regs.h).
 */
#ifndef HOST_PORTS_H
#define HOST_PORTS_H

#include <host/regs.h>

struct ports {
    struct regs regs;
};

static inline uint8_t ports_read8(const struct ports *ports, size_t offset)
{
    return (uint8_t)model_regs_read(&ports->regs, offset, 1);
}

static inline void ports_write8(const struct ports *ports, size_t offset, uint8_t value)
{
    model_regs_write(&ports->regs, offset, 1, value);
}

#endif
