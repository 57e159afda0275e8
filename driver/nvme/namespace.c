/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <kit/log.h>

#include "nvme.h"

static const struct block_device_ops ops = {
    .start = nvme_io_submit,
    .kick = nvme_io_kick,
    .poll = nvme_io_poll,
    .ready = nvme_io_is_ready,
    .gather = nvme_io_gather,
    .watch = nvme_io_watch,
};

/* Why a namespace cannot be offered, or null. */
static const char *namespace_problem(const struct nvme_identify_namespace *identity)
{
    unsigned index = NVME_LBA_FORMAT(identity->format);
    const struct nvme_lba_format *format = &identity->lba_format[index];

    if (identity->size == 0)
        return "it is not active"; /* 5.15.2.1: all zeroes */
    if (index > identity->formats)
        return "it is formatted in a way that it does not list";
    if (format->metadata != 0)
        return "its blocks carry metadata; format it without";
    if (identity->protection & 7)
        return "it uses end-to-end protection; format it without";
    if (format->data_shift < 9 || format->data_shift > 12)
        return "its blocks are not of 512 to 4096 bytes";
    if (identity->size > UINT64_MAX >> format->data_shift)
        return "its size cannot be";
    return NULL;
}

static struct block_device_limits limits_get(const struct nvme *nvme,
                                             const struct nvme_identify_namespace *namespace)
{
    const struct nvme_identify_controller *identity = &nvme->identity;
    bool read_only = nvme->read_only || namespace->attributes & 1;
    struct block_device_limits limits = {
        .blocks = namespace->size,
        .block_size = 1u << namespace->lba_format[NVME_LBA_FORMAT(namespace->format)].data_shift,
        .max_transfer = nvme->max_transfer,
        .flags = BLOCK_INFO_SCATTER |
                 (NVME_SGLS_USABLE(identity->sgls) ? 0 : BLOCK_INFO_SCATTER_PAGES) |
                 (read_only ? BLOCK_INFO_READ_ONLY : 0) |
                 (identity->vwc & 1 ? BLOCK_INFO_VOLATILE_CACHE : 0) |
                 (identity->oncs & NVME_ONCS_DATASET ? BLOCK_INFO_DISCARD : 0) |
                 (identity->oncs & NVME_ONCS_WRITE_ZEROES ? BLOCK_INFO_WRITE_ZEROES : 0),
        .max_blocks = NVME_BLOCKS_MAX,
    };

    memcpy(limits.serial, identity->serial, sizeof(identity->serial));
    memcpy(limits.model, identity->model, sizeof(identity->model));
    return limits;
}

/* Only that there is no memory is an error: one bad namespace does not take the others with it. */
static int publish(struct nvme_namespace *namespace)
{
    char suffix[16];

    snprintf(suffix, sizeof(suffix), "n%u", namespace->id);
    int error = block_device_publish(namespace->nvme->device, suffix, &namespace->limits, &ops,
                                     namespace, &namespace->block);
    return error == ENOMEM ? error : 0;
}

/* What it is now, and what it was when it was offered, if it was. */
static int look(struct nvme_namespace *namespace)
{
    struct nvme *nvme = namespace->nvme;
    struct nvme_identify_namespace identity;
    struct block_device_limits before = namespace->limits, *now = &namespace->limits;
    int error = nvme_admin_identify(nvme, NVME_IDENTIFY_NAMESPACE, namespace->id, &identity);

    if (error != 0 && error != EIO)
        return error;
    const char *problem = error ? "it cannot be identified" : namespace_problem(&identity);
    if (problem)
        log_warning("namespace %u is not offered: %s", namespace->id, problem);
    else
        *now = limits_get(nvme, &identity);
    bool is_other = problem || now->block_size != before.block_size || now->flags != before.flags;
    if (namespace->block && is_other) {
        log_info("namespace %u is gone, or another one now", namespace->id);
        block_device_withdraw(namespace->block);
        namespace->block = NULL;
    }
    if (!problem && !namespace->block)
        return publish(namespace);
    if (!problem && now->blocks != before.blocks) {
        log_info("namespace %u has now %llu blocks, %llu before", namespace->id,
                 (unsigned long long)now->blocks, (unsigned long long)before.blocks);
        block_device_resize(namespace->block, now->blocks);
    }
    return 0;
}

/* It is looked at from now on. */
static void remember(struct nvme *nvme, uint32_t id)
{
    unsigned i = 0;

    while (i < nvme->namespace_count && nvme->namespaces[i].id != id)
        i++;
    if (i == nvme->namespace_count && i < NVME_ACTIVE_MAX)
        nvme->namespaces[nvme->namespace_count++] = (struct nvme_namespace){.nvme = nvme, .id = id};
}

int nvme_namespaces_look(struct nvme *nvme)
{
    uint32_t active[NVME_ACTIVE_MAX]; /* 5.15.2.3: their ids, ended by 0 unless the list is full */
    int error = nvme_admin_identify(nvme, NVME_IDENTIFY_ACTIVE, 0, active);

    if (error != 0)
        return error;
    for (unsigned i = 0; i < NVME_ACTIVE_MAX && active[i] != 0; i++)
        remember(nvme, active[i]);
    for (unsigned i = 0; i < nvme->namespace_count && error == 0; i++)
        error = look(&nvme->namespaces[i]);
    if (error == 0 && active[NVME_ACTIVE_MAX - 1] != 0)
        log_warning("only the first %u namespaces are looked at", NVME_ACTIVE_MAX);
    return error;
}
