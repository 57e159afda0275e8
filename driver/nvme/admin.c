/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/log.h>

#include "nvme.h"

#define ADMIN_LIMIT (10 * CLOCK_SECOND)

/* A controller that tells of events without end is listened to now and then. */
#define EVENT_PAUSE (100 * CLOCK_MILLISECOND)

/* The one command that is not waited for. */
enum { EVENT_ID = 0x8000 };
#define EVENT_AWAITED UINT32_MAX

static void event_handle(void *context);

/* Every command of ours has another id than the one before, so that a late answer is not taken for
 * that of the next. What nobody waits for tells of an event, or is not believed. */
bool nvme_admin_look(struct nvme *nvme)
{
    unsigned count = 0;

    for (; count < nvme->admin.entries && nvme_pair_is_ready(&nvme->admin); count++) {
        struct nvme_completion completion = nvme_pair_take(&nvme->admin);
        bool is_good = NVME_STATUS(completion.status) == NVME_STATUS_SUCCESS;
        if (completion.id == EVENT_ID && nvme->event == EVENT_AWAITED && is_good) {
            nvme->event = completion.result;
            clock_timer_start(&nvme->event_timer, EVENT_PAUSE, event_handle, nvme);
        } else if (completion.id == nvme->admin_id && completion.sq_id == nvme->admin.id) {
            nvme->answer = completion;
            nvme->answered = true;
        }
    }
    nvme_ring_tell(&nvme->admin, &nvme->admin.completions);
    return count > 0;
}

/* As a broken controller may never run out of other completions, the time limit holds for every
 * turn. */
static int run(struct nvme *nvme, struct nvme_command *command, uint32_t *result)
{
    command->id = nvme->admin_id = (nvme->admin_id + 1) % EVENT_ID;
    nvme->answered = false;
    nvme_pair_submit(&nvme->admin, command);
    for (uint64_t start = clock_now(); !nvme->answered;) {
        bool any = nvme_admin_look(nvme);
        if ((!any && nvme_is_dead(nvme)) || !clock_wait(start, ADMIN_LIMIT)) {
            log_error("admin command %02x: no answer", command->opcode);
            return ETIMEDOUT;
        }
    }
    unsigned status = NVME_STATUS(nvme->answer.status);
    if (status != NVME_STATUS_SUCCESS) {
        log_error("admin command %02x failed with status %03x", command->opcode, status);
        return EIO;
    }
    if (result)
        *result = nvme->answer.result;
    return 0;
}

/* What comes back in the controller's page is copied. */
static int page_read(struct nvme *nvme, struct nvme_command *command, void *data, size_t size)
{
    command->prp1 = nvme->page.address;
    int error = run(nvme, command, NULL);
    if (error == 0)
        memcpy(data, nvme->page.memory, size);
    return error;
}

int nvme_admin_identify(struct nvme *nvme, unsigned cns, uint32_t namespace, void *data)
{
    struct nvme_command command = {
        .opcode = NVME_ADMIN_IDENTIFY, .namespace = namespace, .cdw10 = cns};

    return page_read(nvme, &command, data, NVME_IDENTIFY_SIZE);
}

int nvme_admin_log(struct nvme *nvme, unsigned log, struct nvme_health_log *page)
{
    struct nvme_command command = {
        .opcode = NVME_ADMIN_GET_LOG,
        .namespace = NVME_NAMESPACE_ALL,
        .cdw10 = log | (uint32_t)(sizeof(*page) / sizeof(uint32_t) - 1) << 16,
    };

    return page_read(nvme, &command, page, sizeof(*page));
}

int nvme_admin_feature_set(struct nvme *nvme, unsigned feature, uint32_t value, uint32_t *result)
{
    struct nvme_command command = {
        .opcode = NVME_ADMIN_SET_FEATURES, .cdw10 = feature, .cdw11 = value};

    return run(nvme, &command, result);
}

int nvme_admin_shadow_begin(struct nvme *nvme)
{
    struct nvme_command command = {
        .opcode = NVME_ADMIN_DOORBELL_BUFFER,
        .prp1 = nvme->shadow.address,
        .prp2 = nvme->shadow.address + NVME_SHADOW_SIZE,
    };
    int error = EIO;

    if (nvme->shadow.memory && nvme->identity.oacs & NVME_OACS_DOORBELL_BUFFER)
        error = run(nvme, &command, NULL);
    if (error == EIO)
        nvme->shadow.memory = NULL;
    return error == EIO ? 0 : error;
}

/* 5.3 to 5.6: create or delete a queue. */
static int queue_command(struct nvme *nvme, unsigned opcode, const struct nvme_pair *pair,
                         uint64_t address, uint32_t attributes)
{
    struct nvme_command command = {
        .opcode = (uint8_t)opcode,
        .prp1 = address,
        .cdw10 = pair->id | (address ? (pair->entries - 1) << 16 : 0),
        .cdw11 = attributes,
    };

    return run(nvme, &command, NULL);
}

int nvme_admin_pair_register(struct nvme *nvme, unsigned vector, const struct nvme_pair *pair)
{
    uint32_t interrupts = vector == NVME_SILENT ? 0 : vector << 16 | NVME_QUEUE_INTERRUPTS;
    int error = queue_command(nvme, NVME_ADMIN_CREATE_CQ, pair, pair->completions.buffer.address,
                              interrupts | NVME_QUEUE_CONTIGUOUS);

    if (error == 0)
        error = queue_command(nvme, NVME_ADMIN_CREATE_SQ, pair, pair->submissions.buffer.address,
                              pair->id << 16 | NVME_QUEUE_CONTIGUOUS);
    return error;
}

/* 5.5: the completion queue outlives the submission queue that uses it. */
int nvme_admin_pair_delete(struct nvme *nvme, const struct nvme_pair *pair)
{
    int error = queue_command(nvme, NVME_ADMIN_DELETE_SQ, pair, 0, 0);

    return error ? error : queue_command(nvme, NVME_ADMIN_DELETE_CQ, pair, 0, 0);
}

static void event_request(struct nvme *nvme)
{
    const struct nvme_command command = {.opcode = NVME_ADMIN_EVENT_REQUEST, .id = EVENT_ID};

    nvme->event = EVENT_AWAITED;
    nvme_pair_submit(&nvme->admin, &command);
}

/* 5.2.1: reading the log page that the event names is what says that it was heard. */
static void event_handle(void *context)
{
    struct nvme *nvme = context;
    struct nvme_health_log page;
    bool heard = nvme_admin_log(nvme, NVME_EVENT_LOG(nvme->event), &page) == 0;

    if (heard && NVME_EVENT_KIND(nvme->event) == NVME_EVENT_NAMESPACES)
        nvme->namespaces_changed(nvme);
    else if (heard && log_is_worth(++nvme->events_told))
        log_warning(
            "the controller tells of event %06x; if of its health (1): %02x (01: little spare "
            "space, 02: temperature, 04: degraded, 08: read-only, 10: cache without backup)",
            nvme->event & 0xffffff, page.warning);
    event_request(nvme);
}

void nvme_admin_events_begin(struct nvme *nvme, int (*changed)(struct nvme *nvme))
{
    uint32_t wanted = NVME_EVENTS_HEALTH | (nvme->identity.oaes & NVME_EVENTS_NAMESPACES);

    nvme->namespaces_changed = changed;
    if (nvme_admin_feature_set(nvme, NVME_FEATURE_EVENTS, wanted, NULL) == 0)
        event_request(nvme);
}
