/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU's educational device (docs/specs/edu.txt): registers, and a DMA engine with 4 KiB of its
 * own.
 */
#include <kit/clock.h>

#include "hostile.h"

enum {
    EDU_DMA_SOURCE = 0x80,
    EDU_DMA_TARGET = 0x88,
    EDU_DMA_COUNT = 0x90,
    EDU_DMA_COMMAND = 0x98,
    EDU_OWN_MEMORY = 0x40000,
};
enum { COMMAND_START = 1, COMMAND_TO_BUS = 2 };

static void transfer(uint64_t source, uint64_t target, uint32_t size, uint32_t command)
{
    regs_write64(&hostile_regs, EDU_DMA_SOURCE, source);
    regs_write64(&hostile_regs, EDU_DMA_TARGET, target);
    regs_write64(&hostile_regs, EDU_DMA_COUNT, size);
    regs_write64(&hostile_regs, EDU_DMA_COMMAND, command | COMMAND_START);
    for (unsigned tries = 0; tries < 500; tries++) {
        if (!(regs_read64(&hostile_regs, EDU_DMA_COMMAND) & COMMAND_START))
            return;
        clock_sleep(CLOCK_MILLISECOND);
    }
}

void edu_read_bus(uint64_t address, uint32_t size)
{
    transfer(address, EDU_OWN_MEMORY, size, 0);
}

void edu_write_bus(uint64_t address, uint32_t size)
{
    transfer(EDU_OWN_MEMORY, address, size, COMMAND_TO_BUS);
}
