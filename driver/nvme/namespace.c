/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "namespace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <kit/log.h>

#include "admin.h"
#include "registers.h"

static bool namespace_submit(void *context, struct block_request *request)
{
    struct nvme_namespace *namespace = context;

    return nvme_lanes_submit(namespace->lanes, namespace->id, request);
}

static void namespace_kick(void *context)
{
    const struct nvme_namespace *namespace = context;

    nvme_lanes_kick(namespace->lanes);
}

static void namespace_poll(void *context)
{
    const struct nvme_namespace *namespace = context;

    nvme_lanes_poll(namespace->lanes);
}

static bool namespace_is_ready(void *context)
{
    const struct nvme_namespace *namespace = context;

    return nvme_lanes_are_ready(namespace->lanes);
}

static void namespace_client_added(void *context, unsigned client)
{
    const struct nvme_namespace *namespace = context;

    nvme_lanes_extend(namespace->lanes, client);
}

static int namespace_gather(void *context, unsigned count, unsigned microseconds)
{
    const struct nvme_namespace *namespace = context;

    return nvme_admin_coalesce(namespace->lanes->controller, count, microseconds);
}

static const struct block_device_ops interrupt_ops = {
    .start = namespace_submit,
    .kick = namespace_kick,
    .gather = namespace_gather,
    .client_added = namespace_client_added,
};

static const struct block_device_ops silent_ops = {
    .start = namespace_submit,
    .kick = namespace_kick,
    .poll = namespace_poll,
    .ready = namespace_is_ready,
    .gather = namespace_gather,
    .client_added = namespace_client_added,
};

/* Which format is in use: see struct nvme_identify_namespace. */
static unsigned format_index(const struct nvme_identify_namespace *identity)
{
    unsigned low = identity->format & 15;

    if (identity->formats < NVME_LBA_FORMATS_1_4)
        return low;
    return low | (identity->format >> 5 & 3) << 4;
}

/* Why a namespace cannot be offered, or null. */
static const char *namespace_problem(const struct nvme_identify_namespace *identity)
{
    unsigned index = format_index(identity);
    const struct nvme_lba_format *format = &identity->lba_format[index];

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

static void limits_get(const struct nvme_controller *controller,
                       const struct nvme_identify_namespace *identity,
                       struct block_device_limits *limits)
{
    *limits = (struct block_device_limits){
        .blocks = identity->size,
        .block_size = 1u << identity->lba_format[format_index(identity)].data_shift,
        .max_transfer = controller->max_transfer,
        .flags = BLOCK_INFO_SCATTER | (controller->has_sgl ? 0 : BLOCK_INFO_SCATTER_PAGES) |
                 (controller->read_only || identity->attributes & 1 ? BLOCK_INFO_READ_ONLY : 0) |
                 (controller->volatile_cache ? BLOCK_INFO_VOLATILE_CACHE : 0) |
                 (controller->optional & NVME_ONCS_DATASET ? BLOCK_INFO_DISCARD : 0) |
                 (controller->optional & NVME_ONCS_WRITE_ZEROES ? BLOCK_INFO_WRITE_ZEROES : 0),
        .max_blocks = NVME_BLOCKS_MAX,
    };

    static_assert(sizeof(limits->serial) > sizeof(controller->serial), "room for the NUL");
    static_assert(sizeof(limits->model) > sizeof(controller->model), "room for the NUL");
    block_text_copy(limits->serial, controller->serial, sizeof(controller->serial));
    block_text_copy(limits->model, controller->model, sizeof(controller->model));
}

/* The place of the namespace with that id, or null: it has none. */
static struct nvme_namespace *namespace_find(struct nvme_namespaces *namespaces, uint32_t id)
{
    for (unsigned i = 0; i < namespaces->count; i++) {
        if (namespaces->list[i].id == id)
            return &namespaces->list[i];
    }
    return NULL;
}

static int namespace_publish(struct nvme_namespaces *namespaces, uint32_t id,
                             const struct nvme_identify_namespace *identity)
{
    const struct nvme_controller *controller = namespaces->controller;
    struct nvme_namespace *place = namespace_find(namespaces, id);
    bool is_new = !place;
    struct block_device_limits limits;
    char suffix[16];

    if (is_new && namespaces->count == NVME_NAMESPACES_MAX)
        return 0;
    if (is_new)
        place = &namespaces->list[namespaces->count];
    limits_get(controller, identity, &limits);
    *place = (struct nvme_namespace){
        .id = id,
        .lanes = namespaces->lanes,
        .blocks = limits.blocks,
        .block_size = limits.block_size,
        .flags = limits.flags,
    };
    snprintf(suffix, sizeof(suffix), "n%u", id);
    int error = block_device_publish(controller->device, suffix, &limits,
                                     place->lanes->polled ? &silent_ops : &interrupt_ops, place,
                                     &place->block);
    if (error != 0)
        place->block = NULL;
    else
        namespaces->count += is_new;
    return error;
}

/* Only a controller that does not answer is an error: one bad namespace does not take the others
 * with it. */
static int namespace_offer(struct nvme_namespaces *namespaces, uint32_t id)
{
    const struct nvme_namespace *known = namespace_find(namespaces, id);
    struct nvme_identify_namespace identity;

    if (known && known->block)
        return 0;
    int error = nvme_admin_identify(namespaces->controller, NVME_IDENTIFY_NAMESPACE, id, &identity);
    if (error == EIO) {
        log_warning("namespace %u is not offered: it cannot be identified", id);
        return 0;
    }
    if (error != 0 || identity.size == 0) /* 5.15.2.1: all zeroes, not active */
        return error;
    const char *problem = namespace_problem(&identity);
    if (problem) {
        log_warning("namespace %u is not offered: %s", id, problem);
        return 0;
    }
    error = namespace_publish(namespaces, id, &identity);
    return error == ENOMEM ? error : 0;
}

/* True: that was one too many. */
static bool is_enough(struct nvme_namespaces *namespaces)
{
    if (namespaces->looked_at++ < NVME_NAMESPACES_MAX)
        return false;
    log_warning("only the first %u namespaces are looked at", NVME_NAMESPACES_MAX);
    return true;
}

/* Before version 1.1 there is no list of what is active: every id up to NN is tried. */
static int every_id_offer(struct nvme_namespaces *namespaces)
{
    int error = 0;

    for (uint32_t id = 1; error == 0 && id <= namespaces->controller->namespaces; id++) {
        if (is_enough(namespaces))
            return 0;
        error = namespace_offer(namespaces, id);
    }
    return error;
}

/* 5.15.2.3: the ids above `after`, in ascending order, ended by 0 unless the list is full. */
static int active_offer(struct nvme_namespaces *namespaces)
{
    uint32_t list[NVME_ACTIVE_MAX];
    uint32_t after = 0;

    for (;;) {
        int error = nvme_admin_identify(namespaces->controller, NVME_IDENTIFY_ACTIVE, after, list);
        if (error != 0)
            return error;
        for (unsigned i = 0; i < NVME_ACTIVE_MAX; i++) {
            if (list[i] == 0 || is_enough(namespaces))
                return 0;
            if (list[i] <= after || list[i] > namespaces->controller->namespaces) {
                log_warning("the list of namespaces goes wrong at %u after %u: its rest is ignored",
                            list[i], after);
                return 0;
            }
            after = list[i];
            error = namespace_offer(namespaces, after);
            if (error != 0)
                return error;
        }
        /* 5.15.2.3: these two may not be asked for, and nothing is above them. */
        if (after >= 0xfffffffe)
            return 0;
    }
}

/* One that is offered: whether it still is there, and what it was. */
static int namespace_look(struct nvme_namespaces *namespaces, struct nvme_namespace *namespace)
{
    struct nvme_identify_namespace identity;
    struct block_device_limits limits;
    int error = nvme_admin_identify(namespaces->controller, NVME_IDENTIFY_NAMESPACE, namespace->id,
                                    &identity);

    if (error != 0 && error != EIO)
        return error;
    bool is_there = error == 0 && identity.size > 0 && !namespace_problem(&identity);
    if (is_there) {
        limits_get(namespaces->controller, &identity, &limits);
        is_there = limits.block_size == namespace->block_size && limits.flags == namespace->flags;
    }
    if (!is_there) {
        log_info("namespace %u is gone, or another one now", namespace->id);
        block_device_withdraw(namespace->block);
        namespace->block = NULL;
    } else if (limits.blocks != namespace->blocks) {
        log_info(
            "namespace %u has now %llu blocks, %llu before: who opens it from now on sees them",
            namespace->id, (unsigned long long)limits.blocks,
            (unsigned long long)namespace->blocks);
        namespace->blocks = limits.blocks;
        block_device_resize(namespace->block, limits.blocks);
    }
    return 0;
}

static int offer_new(struct nvme_namespaces *namespaces)
{
    namespaces->looked_at = 0;
    return namespaces->controller->version < NVME_VS_1_1 ? every_id_offer(namespaces)
                                                         : active_offer(namespaces);
}

void nvme_namespaces_look(struct nvme_namespaces *namespaces)
{
    int error = 0;

    for (unsigned i = 0; i < namespaces->count && error == 0; i++) {
        if (namespaces->list[i].block)
            error = namespace_look(namespaces, &namespaces->list[i]);
    }
    if (error == 0)
        offer_new(namespaces);
}

int nvme_namespaces_offer(struct nvme_controller *controller, struct nvme_lanes *lanes,
                          struct nvme_namespaces *namespaces)
{
    namespaces->controller = controller;
    namespaces->lanes = lanes;
    namespaces->count = 0;
    int error = offer_new(namespaces);
    if (error == 0 && namespaces->count == 0)
        log_warning("%s has no namespace that can be used", device_name(controller->device));
    return error;
}

int nvme_namespaces_flush(struct nvme_namespaces *namespaces, uint64_t limit)
{
    uint64_t start = clock_now();
    int result = 0;

    for (unsigned i = 0; i < namespaces->count; i++) {
        uint64_t spent = clock_now() - start;
        if (!namespaces->list[i].block)
            continue;
        int error = spent < limit ? nvme_io_flush(&namespaces->lanes->lane[0].io,
                                                  namespaces->list[i].id, limit - spent)
                                  : ETIMEDOUT;
        if (error == 0)
            continue;
        log_error("namespace %u was not flushed: %s", namespaces->list[i].id, strerror(error));
        result = error;
        if (error == ETIMEDOUT)
            break;
    }
    return result;
}
