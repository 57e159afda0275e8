/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a driver under test stands on: a clock that goes on by itself, timers, interrupts, memory
 * that is lent, configuration space, and an exit that ends the run and not the fuzzer. Checked:
 * nothing is opened, attached or lent that is not there.
 */
#ifndef TEST_FUZZ_MACHINE_H
#define TEST_FUZZ_MACHINE_H

#include <kit/clock.h>
#include <kit/device.h>
#include <kit/dma.h>
#include <test/fuzz/fuzz.h>

/* The device that a driver is started for. */
struct device {
    const char *name;
    struct device_identity identity;
    uint8_t config[256];
    const char *setting; /* what the operator set: that name has this value */
    unsigned setting_value;
    bool is_enabled;
};
extern struct device fuzz_device;

/* A new run: nothing is lent, no timer runs, and the device is zeroed. */
void fuzz_machine_begin(void);

/* Run a part of the driver. False: it ended itself, with exit. */
bool fuzz_machine_run(void (*part)(struct fuzz_input *), struct fuzz_input *input);

/* The timer that is due next expires, if any runs. */
void fuzz_timer_expire(void);

/* A vector is raised, if somebody has attached to it. */
void fuzz_interrupt(unsigned vector);

/* `size` bytes of the memory that was lent, where the device sees them; null: it was not. */
void *fuzz_memory(uint64_t address, size_t size);

/* A byte somewhere in that memory is anything. Whether that was done in this run: nothing that lies
 * there has to be what the driver, or the device, wrote. */
void fuzz_scribble(struct fuzz_input *input);
extern bool fuzz_is_scribbled;

#endif
