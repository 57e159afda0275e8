/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * NVMe: one controller, each of its active namespaces a block device.
 *
 *   registers.h, command.h   the specification's layouts
 *   controller.c             bring-up, admin commands, shutdown
 *   queue.c                  submission and completion rings
 *   io.c                     block requests as commands
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <kit/block.h>
#include <kit/driver.h>
#include <kit/log.h>

#include "io.h"
#include "registers.h"

enum { NAMESPACES_MAX = 32 };

#define STOP_LIMIT (5 * CLOCK_SECOND)

struct namespace {
    uint32_t id;
    struct nvme_io *io;
    struct block_device *block;
};

static struct nvme_controller controller;
static struct nvme_io io;
static struct namespace namespaces[NAMESPACES_MAX];
static unsigned namespace_count;

static bool namespace_submit(void *context, struct block_request *request)
{
    struct namespace *namespace = context;

    return nvme_io_submit(namespace->io, namespace->id, request);
}

static void namespace_kick(void *context)
{
    struct namespace *namespace = context;

    nvme_io_kick(namespace->io);
}

static const struct block_device_ops namespace_ops = {
    .start = namespace_submit,
    .kick = namespace_kick,
};

/* Why a namespace cannot be offered, or null. */
static const char *namespace_problem(const struct nvme_identify_namespace *identity)
{
    unsigned format = identity->format & 15;

    if (format > identity->formats)
        return "it is formatted in a way that it does not list";
    if (identity->lba_format[format].metadata != 0)
        return "its blocks carry metadata";
    if (identity->protection & 7)
        return "it uses end-to-end protection";
    if (identity->lba_format[format].data_shift < 9 || identity->lba_format[format].data_shift > 12)
        return "its blocks are neither of 512 nor up to 4096 bytes";
    if (identity->size > UINT64_MAX >> identity->lba_format[format].data_shift)
        return "its size is not believable";
    return NULL;
}

static int namespace_offer(uint32_t id)
{
    char suffix[16];
    int error = nvme_controller_identify(&controller, NVME_IDENTIFY_NAMESPACE, id);

    if (error != 0)
        return error;
    const struct nvme_identify_namespace *identity = controller.page.memory;
    if (identity->size == 0)
        return 0; /* 5.15.2.1: not active */
    const char *problem = namespace_problem(identity);
    if (problem || namespace_count == NAMESPACES_MAX) {
        log_warning("namespace %u is not offered: %s", id, problem ? problem : "there are too many");
        return 0;
    }

    struct block_device_limits limits = {
        .blocks = identity->size,
        .block_size = 1u << identity->lba_format[identity->format & 15].data_shift,
        .max_transfer = (uint32_t)controller.max_transfer,
        .flags = (identity->attributes & 1 ? BLOCK_INFO_READ_ONLY : 0) |
                 (controller.volatile_cache ? BLOCK_INFO_VOLATILE_CACHE : 0),
    };
    memcpy(limits.serial, controller.serial, sizeof(limits.serial));
    memcpy(limits.model, controller.model, sizeof(limits.model));
    struct namespace *namespace = &namespaces[namespace_count++];
    namespace->id = id;
    namespace->io = &io;
    snprintf(suffix, sizeof(suffix), "n%u", id);
    log_info("%s%s: %llu blocks of %u bytes, \"%s\", serial %s", device_name(controller.device),
             suffix, (unsigned long long)limits.blocks, limits.block_size, controller.model,
             controller.serial);
    return block_device_publish(controller.device, suffix, &limits, &namespace_ops, namespace,
                                &namespace->block);
}

/* 5.15.2.3: the ids above `after`, in ascending order, ended by 0. Before version 1.1 there is no
 * such list, and every id up to NN is tried. */
static int namespaces_offer(void)
{
    uint32_t list[NVME_ACTIVE_MAX];
    uint32_t after = 0;

    if (controller.version < NVME_VS_1_1) {
        for (uint32_t id = 1; id <= controller.namespaces && id <= NVME_ACTIVE_MAX; id++) {
            int error = namespace_offer(id);
            if (error != 0)
                return error;
        }
        return 0;
    }
    for (;;) {
        int error = nvme_controller_identify(&controller, NVME_IDENTIFY_ACTIVE, after);
        if (error != 0)
            return error;
        memcpy(list, controller.page.memory, sizeof(list));
        for (unsigned i = 0; i < NVME_ACTIVE_MAX; i++) {
            if (list[i] <= after)
                return 0; /* the end, or a list that does not ascend */
            after = list[i];
            error = namespace_offer(after);
            if (error != 0)
                return error;
        }
    }
}

static int attach(struct device *device)
{
    int error = nvme_controller_start(device, &controller);

    if (error == 0)
        error = nvme_io_start(&controller, &io);
    if (error == 0)
        error = namespaces_offer();
    return error;
}

static void detach(void)
{
    if (nvme_io_drain(&io, STOP_LIMIT) != 0)
        log_warning("requests are still in flight: stopping all the same");
    for (unsigned i = 0; i < namespace_count; i++) {
        if (nvme_io_flush(&io, namespaces[i].id, STOP_LIMIT) != 0)
            log_error("namespace %u was not flushed", namespaces[i].id);
    }
    if (nvme_controller_shutdown(&controller) != 0)
        log_error("the controller did not confirm its shutdown");
}

const struct driver driver = {
    .name = "nvme",
    .attach = attach,
    .detach = detach,
};
