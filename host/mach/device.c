/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <kit/device.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <device/notify.h>

#include <interface/bus.h>
#include <interface/io_device_user.h>
#include <interface/pci_function_user.h>
#include <interface/types.h>
#include <kernel/mach_i386_user.h>

#include <host/mach/device.h>
#include <host/mach/error.h>
#include <host/mach/memory.h>
#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <kit/core/dma.h>
#include <kit/core/setting.h>
#include <kit/irq.h>
#include <kit/log.h>
#include <kit/ports.h>

#include <host/mach/shared.h>

struct device_interrupt {
    struct device *device;
    unsigned vector;
    irq_handler handler;
    void *context;
    mach_port_t port;
    unsigned together;   /* are acknowledged, if the device had raised them */
    unsigned handled[2]; /* and not acknowledged yet: not for this device, for it */
    unsigned rejected;   /* in a row: the driver said that its device had nothing to say */
};

enum { DEVICE_REJECTED_TOGETHER = 32, DEVICE_REJECTED_REPORT = 10000 };

enum { DEVICE_INTERRUPTS_MAX = 64, DEVICE_DMA_MAX = 128, DEVICE_PAGE = 4096 };

struct device {
    char name[OUTBOARD_NAME_SIZE];
    const char *settings;
    mach_port_t io, function;
    struct device_identity identity;
    struct pci_function_info info;
    struct device_interrupt interrupts[DEVICE_INTERRUPTS_MAX];
    struct {
        struct shared_memory memory;
        uint64_t address;
    } dma[DEVICE_DMA_MAX];
};

/* A driver has one device. */
static struct device only_device;

/* The first (`index` UINT32_MAX: any) of a kind that the authority has for this device; null: none.
 */
static const struct io_resource *resource_find(const struct device *device,
                                               enum io_resource_kind kind, unsigned index)
{
    static struct io_resource resources[IO_RESOURCES_MAX];
    mach_msg_type_number_t size = sizeof(resources);

    if (io_device_describe(device->io, (char *)resources, &size) != KERN_SUCCESS ||
        size > sizeof(resources))
        return NULL;
    for (size_t i = 0; i < size / sizeof(resources[0]); i++) {
        if (resources[i].kind == kind && (index == UINT32_MAX || resources[i].index == index))
            return &resources[i];
    }
    return NULL;
}

static int function_get(struct device *device)
{
    mach_msg_type_number_t size;
    char record[2048];
    unsigned vectors = 0;
    int error = startup_capability("function", &device->function);

    if (error == 0) {
        size = sizeof(record);
        error = error_from_kernel(pci_function_describe(device->function, record, &size, &vectors));
    }
    if (error != 0)
        return error;
    if (size != sizeof(device->info))
        return EPROTO;
    memcpy(&device->info, record, sizeof(device->info));

    const struct pci_function_info *info = &device->info;
    device->identity = (struct device_identity){
        .vendor = info->vendor,
        .device = info->device_id,
        .subsystem_vendor = info->subsystem_vendor,
        .subsystem = info->subsystem_id,
        .class_code = info->class_code,
        .subclass = info->subclass,
        .interface = info->interface,
        .revision = info->revision,
        .vectors = vectors < DEVICE_INTERRUPTS_MAX ? vectors : DEVICE_INTERRUPTS_MAX,
    };
    return 0;
}

int device_get(const char *name, const char *settings, struct device **result)
{
    struct device *device = &only_device;
    int error = startup_capability("device", &device->io);

    snprintf(device->name, sizeof(device->name), "%s", name);
    device->settings = settings;
    if (error != 0)
        return error;
    *result = device;
    if (resource_find(device, IO_RESOURCE_REQUESTER, UINT32_MAX))
        return function_get(device);
    /* A fixed one. */
    while (resource_find(device, IO_RESOURCE_INTERRUPT, device->identity.vectors))
        device->identity.vectors++;
    return 0;
}

mach_port_t device_io_port(const struct device *device)
{
    return device->io;
}

const char *device_name(const struct device *device)
{
    return device->name;
}

unsigned device_setting(const struct device *device, const char *name, unsigned otherwise)
{
    unsigned value;

    return setting_find(device->settings, name, &value) ? value : otherwise;
}

const struct device_identity *device_identity(const struct device *device)
{
    return &device->identity;
}

size_t device_window_size(const struct device *device, unsigned index)
{
    if (index >= 6 || (device->info.bar[index].flags & PCI_BAR_PORTS))
        return 0;
    /* Of the page where the MSI-X table begins, and of what is behind it, nothing. */
    const struct io_resource *guard = resource_find(device, IO_RESOURCE_GUARD, index);
    return guard ? (guard->base - device->info.bar[index].base) & ~(uint64_t)(DEVICE_PAGE - 1)
                 : device->info.bar[index].size;
}

int device_window_open(struct device *device, unsigned index, size_t size, struct regs *regs)
{
    size_t pages = (size + DEVICE_PAGE - 1) & ~(size_t)(DEVICE_PAGE - 1);
    mach_port_t task;
    uint64_t address;

    if (size == 0 || size > device_window_size(device, index))
        return device_window_size(device, index) ? EINVAL : ENXIO;
    int error = error_from_kernel(
        io_device_window(device->io, index, 0, pages, mach_task_self(), &address));
    if (error == EPERM && startup_capability("task", &task) == 0) /* our own is the kernel's */
        error = error_from_kernel(io_device_window(device->io, index, 0, pages, task, &address));
    if (error == 0) {
        regs->base = (void *)address;
        regs->size = size;
    }
    return error;
}

int device_ports_open(struct device *device, unsigned index, size_t size, struct ports *ports)
{
    const struct io_resource *range = resource_find(device, IO_RESOURCE_PORTS, index);
    mach_port_t permission;

    if (!range || size == 0 || size > range->size)
        return range ? EINVAL : ENXIO;
    ports->base = (uint16_t)range->base;
    int error = error_from_kernel(io_device_ports(device->io, index, &permission));
    if (error == 0) {
        error = error_from_kernel(i386_io_perm_modify(mach_task_self(), permission, TRUE));
        port_release(permission);
    }
    return error;
}

int device_enable(struct device *device)
{
    return error_from_kernel(pci_function_enable(device->function, TRUE));
}

int device_config_read(struct device *device, unsigned offset, unsigned width, uint32_t *value)
{
    return error_from_kernel(pci_function_read(device->function, offset, width, value));
}

int device_config_write(struct device *device, unsigned offset, unsigned width, uint32_t value)
{
    return error_from_kernel(pci_function_write(device->function, offset, width, value));
}

static void interrupt_message(void *context, mach_msg_header_t *message);

static const struct port_type interrupt_type = {
    .name = "interrupt",
    .message = interrupt_message,
};

static int interrupt_open(struct device_interrupt *interrupt)
{
    int error = error_from_kernel(io_device_interrupt_attach(
        interrupt->device->io, interrupt->vector, &interrupt->port, &interrupt->together));
    return error == 0 ? port_adopt(&interrupt_type, interrupt, interrupt->port) : error;
}

/* What the authority says where interrupts come. */
static void note_take(struct device_interrupt *interrupt, int note)
{
    if (note != IO_LINE_RENEW)
        return;
    /* The kernel has sent the right home before the authority hears of us again. */
    port_destroy(interrupt->port);
    int error = interrupt_open(interrupt);
    if (error != 0)
        log_error("interrupt %u is lost: %s", interrupt->vector, strerror(error));
    interrupt->handler(interrupt->context); /* for what came meanwhile */
}

static void rejected_count(struct device_interrupt *interrupt)
{
    if (++interrupt->rejected == DEVICE_REJECTED_REPORT)
        log_warning("interrupt %u came %d times in a row and was not for this device",
                    interrupt->vector, DEVICE_REJECTED_REPORT);
}

static void interrupt_message(void *context, mach_msg_header_t *message)
{
    struct device_interrupt *interrupt = context;

    if (message->msgh_id != DEVICE_INTR_NOTIFY) {
        note_take(interrupt, message->msgh_id);
        return;
    }
    bool claimed = interrupt->handler(interrupt->context);
    unsigned *handled = &interrupt->handled[claimed], together = interrupt->together;
    if (claimed)
        interrupt->rejected = 0;
    else
        rejected_count(interrupt);
    if (!claimed && together > DEVICE_REJECTED_TOGETHER)
        together = DEVICE_REJECTED_TOGETHER;
    if (++*handled < together)
        return;
    io_device_interrupt_acknowledge(interrupt->device->io, interrupt->vector, *handled, claimed);
    *handled = 0;
}

int irq_attach(struct device *device, unsigned vector, irq_handler handler, void *context)
{
    if (vector >= device->identity.vectors)
        return EINVAL;
    struct device_interrupt *interrupt = &device->interrupts[vector];
    if (interrupt->handler)
        return EBUSY;

    *interrupt = (struct device_interrupt){
        .device = device, .vector = vector, .handler = handler, .context = context};
    int error = interrupt_open(interrupt);
    if (error != 0)
        interrupt->handler = NULL;
    return error;
}

int irq_mask(struct device *device, unsigned vector, bool masked)
{
    if (vector >= device->identity.vectors)
        return EINVAL;
    int error = error_from_kernel(io_device_interrupt_mask(device->io, vector, masked));
    if (error == ENOTSUP)
        error = error_from_kernel(pci_function_interrupt_mask(device->function, masked));
    return error;
}

int dma_buffer_create(struct device *device, size_t size, struct dma_buffer *buffer)
{
    unsigned slot = 0;

    while (slot < DEVICE_DMA_MAX && device->dma[slot].memory.address)
        slot++;
    if (slot == DEVICE_DMA_MAX)
        return ENOMEM;

    struct shared_memory memory;
    mach_port_t lease;
    uint64_t address = 0, length = 0;
    int error = shared_memory_allocate(size, &memory);
    if (error != 0)
        return error;
    error = shared_memory_lease(&memory, MEMORY_UNSEEN, &lease);
    if (error == 0) {
        error = error_from_kernel(io_device_dma_map(device->io, lease, &address, &length));
        port_release(lease);
    }
    if (error != 0) {
        shared_memory_free(&memory);
        return error;
    }
    device->dma[slot].memory = memory;
    device->dma[slot].address = address;
    *buffer = (struct dma_buffer){memory.address, address, memory.size};
    return 0;
}

bool dma_is_translated(const struct device *device)
{
    const struct io_resource *requester = resource_find(device, IO_RESOURCE_REQUESTER, UINT32_MAX);

    /* Without an answer the safe one: the device is held to the IOMMU. */
    return !requester || (requester->flags & IO_RESOURCE_TRANSLATED);
}

void dma_buffer_destroy(struct device *device, struct dma_buffer *buffer)
{
    for (unsigned slot = 0; slot < DEVICE_DMA_MAX; slot++) {
        if (!buffer->memory || device->dma[slot].memory.address != buffer->memory)
            continue;
        io_device_dma_unmap(device->io, device->dma[slot].address);
        shared_memory_free(&device->dma[slot].memory);
    }
    *buffer = (struct dma_buffer){NULL, 0, 0};
}
