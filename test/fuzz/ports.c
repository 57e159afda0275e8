/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <test/fuzz/ports.h>

#include <errno.h>

#include <kit/ports.h>
#include <test/fuzz/stream_driver.h>

static struct fuzz_input *input;
static uint8_t written[FUZZ_RANGES][FUZZ_RANGE_MOST];

void fuzz_device_make(struct fuzz_input *all)
{
    fuzz_machine_begin();
    fuzz_device.identity.vectors = fuzz_vectors;
    input = all;
    memset(written, 0, sizeof(written));
}

/* What there is to read comes when it is read. */
void fuzz_device_act(struct fuzz_input *all)
{
    (void)all;
}

int device_ports_open(struct device *self, unsigned index, size_t size, struct ports *ports)
{
    if (index >= FUZZ_RANGES || fuzz_ports[index] == 0)
        return ENXIO;
    if (size == 0 || size > fuzz_ports[index])
        return EINVAL;
    ports->regs = (struct regs){(struct model_device *)self, index, size};
    return 0;
}

uint64_t model_regs_read(const struct regs *regs, size_t offset, unsigned width)
{
    fuzz_require(width == 1 && offset < regs->size);
    return fuzz_port_read(regs->window, offset, written[regs->window][offset], fuzz_take8(input));
}

void model_regs_write(const struct regs *regs, size_t offset, unsigned width, uint64_t value)
{
    fuzz_require(width == 1 && offset < regs->size);
    written[regs->window][offset] = (uint8_t)value;
}
