/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <kit/log.h>

#include "controller.h"

#define ADMIN_LIMIT (10 * CLOCK_SECOND)
#define SPIN_TIME   (2 * CLOCK_MILLISECOND)

/* A controller that tells of events without end is listened to now and then. */
#define EVENT_PAUSE (100 * CLOCK_MILLISECOND)

/* The one command that is not waited for. */
enum { EVENT_ID = 0x8000 };

static void event_handle(void *context);

/* Take the next completion, if there is one. What nobody waits for tells of an event, or is not
 * believed. */
static bool completion_take(struct nvme *nvme, struct nvme_completion *completion)
{
    if (!nvme_queue_complete(&nvme->admin, completion))
        return false;
    nvme_queue_acknowledge(&nvme->admin);
    if (completion->id == EVENT_ID && nvme->event_asked) {
        nvme->event_asked = false;
        nvme->event = completion->result;
        if (NVME_STATUS(completion->status) == NVME_STATUS_SUCCESS)
            clock_timer_start(&nvme->event_timer, EVENT_PAUSE, event_handle, nvme);
    }
    return true;
}

bool nvme_admin_look(struct nvme *nvme)
{
    struct nvme_completion completion;
    unsigned count = 0;

    while (count < nvme->admin.entries && completion_take(nvme, &completion))
        count++;
    return count > 0;
}

/* Wait for the completion of `id`. As a broken controller may never run out of others, the time
 * limit holds for every turn. */
static int completion_wait(struct nvme *nvme, uint16_t id, struct nvme_completion *completion)
{
    uint64_t start = clock_now();

    for (;;) {
        bool any = completion_take(nvme, completion);
        if (any && completion->id == id && completion->sq_id == nvme->admin.id)
            return 0;
        uint64_t waited = clock_now() - start;
        if (waited > ADMIN_LIMIT || (!any && nvme_is_dead(nvme)))
            return ETIMEDOUT;
        /* Most answers come at once; after that, let others run. */
        if (waited > SPIN_TIME)
            clock_sleep(CLOCK_MILLISECOND);
    }
}

static int run(struct nvme *nvme, struct nvme_command *command, uint32_t *result)
{
    struct nvme_completion completion;

    command->id = nvme->admin_id++ % EVENT_ID;
    int error = ETIMEDOUT;
    if (nvme_queue_submit(&nvme->admin, command)) {
        nvme_queue_kick(&nvme->admin);
        error = completion_wait(nvme, command->id, &completion);
    }
    if (error != 0) {
        log_error("admin command %02x: no answer", command->opcode);
        return error;
    }
    unsigned status = NVME_STATUS(completion.status);
    if (status != NVME_STATUS_SUCCESS) {
        log_error("admin command %02x failed with status %03x", command->opcode, status);
        return EIO;
    }
    if (result)
        *result = completion.result;
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
    if (!(nvme->identity.oacs & NVME_OACS_DOORBELL_BUFFER) ||
        NVME_DOORBELLS_SIZE(nvme->queues, nvme->cap) > NVME_SHADOW_SIZE ||
        device_setting(nvme->device, "shadow", 0) == 0)
        return 0;
    int error = dma_buffer_create(nvme->device, 2 * (size_t)NVME_SHADOW_SIZE, &nvme->shadow);
    if (error != 0)
        return error;
    struct nvme_command command = {
        .opcode = NVME_ADMIN_DOORBELL_BUFFER,
        .prp1 = nvme->shadow.address,
        .prp2 = nvme->shadow.address + NVME_SHADOW_SIZE,
    };
    /* The controller may look into the memory before it answers: it is true by then. */
    nvme_queue_shadow(&nvme->admin, nvme->shadow.memory);
    error = run(nvme, &command, NULL);
    if (error == EIO) {
        nvme->admin.tail_doorbell.shadow = nvme->admin.head_doorbell.shadow = NULL;
        nvme->shadow.memory = NULL;
        return 0;
    }
    return error;
}

int nvme_admin_queue_register(struct nvme *nvme, unsigned vector, const struct nvme_queue *queue)
{
    uint32_t size = (queue->entries - 1) << 16 | queue->id;
    uint32_t interrupts = vector == NVME_SILENT ? 0 : vector << 16 | NVME_QUEUE_INTERRUPTS;
    struct nvme_command completions = {
        .opcode = NVME_ADMIN_CREATE_CQ,
        .prp1 = queue->completions.address,
        .cdw10 = size,
        .cdw11 = interrupts | NVME_QUEUE_CONTIGUOUS,
    };
    struct nvme_command submissions = {
        .opcode = NVME_ADMIN_CREATE_SQ,
        .prp1 = queue->submissions.address,
        .cdw10 = size,
        .cdw11 = queue->id << 16 | NVME_QUEUE_CONTIGUOUS,
    };
    int error = run(nvme, &completions, NULL);

    return error == 0 ? run(nvme, &submissions, NULL) : error;
}

int nvme_admin_queue_delete(struct nvme *nvme, const struct nvme_queue *queue)
{
    /* 5.5: the completion queue outlives the submission queue that uses it. */
    struct nvme_command submissions = {.opcode = NVME_ADMIN_DELETE_SQ, .cdw10 = queue->id};
    struct nvme_command completions = {.opcode = NVME_ADMIN_DELETE_CQ, .cdw10 = queue->id};
    int error = run(nvme, &submissions, NULL);

    return error == 0 ? run(nvme, &completions, NULL) : error;
}

static void event_request(struct nvme *nvme)
{
    const struct nvme_command command = {.opcode = NVME_ADMIN_EVENT_REQUEST, .id = EVENT_ID};

    nvme->event_asked = nvme_queue_submit(&nvme->admin, &command);
    nvme_queue_kick(&nvme->admin);
}

/* 5.2.1: reading the log page that the event names is what says that it was heard. */
static void event_handle(void *context)
{
    struct nvme *nvme = context;
    uint32_t event = nvme->event;
    struct nvme_health_log page;
    bool heard = nvme_admin_log(nvme, NVME_EVENT_LOG(event), &page) == 0;

    if (heard && NVME_EVENT_KIND(event) == NVME_EVENT_NAMESPACES)
        nvme->namespaces_changed(nvme->event_context);
    else if (heard && log_is_worth(++nvme->events_told))
        log_warning(
            "the controller tells of event %06x; if of its health (1): %02x (01: little spare "
            "space, 02: temperature, 04: degraded, 08: read-only, 10: cache without backup)",
            event & 0xffffff, page.warning);
    event_request(nvme);
}

void nvme_admin_events_begin(struct nvme *nvme, void (*changed)(void *context), void *context)
{
    uint32_t wanted = NVME_EVENTS_HEALTH | (nvme->identity.oaes & NVME_EVENTS_NAMESPACES);

    nvme->namespaces_changed = changed;
    nvme->event_context = context;
    if (nvme_admin_feature_set(nvme, NVME_FEATURE_EVENTS, wanted, NULL) == 0)
        event_request(nvme);
}
