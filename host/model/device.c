/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device that is lent to the driver: windows, registers, interrupts.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <kit/core/setting.h>
#include <kit/irq.h>
#include <kit/ports.h>

#include "internal.h"

enum { VECTORS_MAX = 64 };

struct device {
    struct model_device *model;
    char name[64];
    const char *settings;
    bool enabled;
    struct {
        irq_handler handler;
        void *context;
        bool pending;
    } interrupt[VECTORS_MAX];
    unsigned rejected;
};

static struct device only_device;

struct device *model_host_begin(struct model_device *model, const char *name)
{
    only_device = (struct device){.model = model, .settings = ""};
    snprintf(only_device.name, sizeof(only_device.name), "%s", name);
    model_log_begin();
    model_clock_begin();
    model_memory_begin();
    model_block_begin();
    return &only_device;
}

void model_host_end(void)
{
    model_block_end();
    model_memory_end();
    only_device.model = NULL;
}

bool model_device_is_master(void)
{
    return only_device.enabled;
}

void model_device_step(void)
{
    if (only_device.model)
        only_device.model->step(only_device.model);
}

void model_settings(const char *settings)
{
    only_device.settings = settings;
}

unsigned device_setting(const struct device *device, const char *name, unsigned otherwise)
{
    unsigned value;

    return setting_find(device->settings, name, &value) ? value : otherwise;
}

const char *device_name(const struct device *device)
{
    return device->name;
}

const struct device_identity *device_identity(const struct device *device)
{
    return &device->model->identity;
}

size_t device_window_size(const struct device *device, unsigned index)
{
    return index < MODEL_WINDOWS ? device->model->window_size[index] : 0;
}

int device_window_open(struct device *device, unsigned index, size_t size, struct regs *regs)
{
    size_t there = device_window_size(device, index);

    if (there == 0)
        return ENXIO;
    if (size == 0 || size > there)
        return EINVAL;
    *regs = (struct regs){device->model, index, size};
    return 0;
}

int device_ports_open(struct device *device, unsigned index, size_t size, struct ports *ports)
{
    return device_window_open(device, index, size, &ports->regs);
}

int device_enable(struct device *device)
{
    device->enabled = true;
    return 0;
}

int device_config_read(struct device *device, unsigned offset, unsigned width, uint32_t *value)
{
    if ((width != 1 && width != 2 && width != 4) || offset % width != 0 ||
        offset >= sizeof(device->model->config))
        return EINVAL;
    *value = 0;
    memcpy(value, device->model->config + offset, width);
    return 0;
}

static bool access_is_possible(const struct regs *regs, size_t offset, unsigned width)
{
    if (offset % width == 0 && offset < regs->size && width <= regs->size - offset)
        return true;
    model_violation("access to %u bytes at %zx of a register window of %zx", width, offset,
                    regs->size);
    return false;
}

uint64_t model_regs_read(const struct regs *regs, size_t offset, unsigned width)
{
    if (!access_is_possible(regs, offset, width))
        return UINT64_MAX;
    return regs->model->read(regs->model, regs->window, offset, width);
}

void model_regs_write(const struct regs *regs, size_t offset, unsigned width, uint64_t value)
{
    if (access_is_possible(regs, offset, width))
        regs->model->write(regs->model, regs->window, offset, width, value);
}

int irq_attach(struct device *device, unsigned vector, irq_handler handler, void *context)
{
    if (vector >= device->model->identity.vectors || vector >= VECTORS_MAX)
        return EINVAL;
    if (device->interrupt[vector].handler)
        return EBUSY;
    device->interrupt[vector].handler = handler;
    device->interrupt[vector].context = context;
    return 0;
}

void model_interrupt(unsigned vector)
{
    if (vector >= VECTORS_MAX || vector >= only_device.model->identity.vectors)
        model_violation("interrupt vector %u, which the device does not have", vector);
    else
        only_device.interrupt[vector].pending = true;
}

unsigned model_interrupts_rejected(void)
{
    return only_device.rejected;
}

bool model_interrupts_deliver(void)
{
    bool any = false;

    for (unsigned vector = 0; vector < VECTORS_MAX; vector++) {
        if (!only_device.interrupt[vector].pending || !only_device.interrupt[vector].handler)
            continue;
        only_device.interrupt[vector].pending = false;
        if (!only_device.interrupt[vector].handler(only_device.interrupt[vector].context))
            only_device.rejected++;
        any = true;
    }
    return any;
}
