/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin.h"

#include <errno.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/log.h>

#include "registers.h"

#define ADMIN_LIMIT (10 * CLOCK_SECOND)
#define SPIN_TIME   (2 * CLOCK_MILLISECOND)

/* The one command that is not waited for. */
enum { EVENT_ID = 0x8000 };

/* A completion that nobody waits for: it tells of an event, or is not believed. */
static void other_take(struct nvme_controller *controller, const struct nvme_completion *completion)
{
    if (completion->id != EVENT_ID || completion->sq_id != controller->admin.id ||
        !controller->event_asked) {
        controller->admin_stray++;
        return;
    }
    controller->event_asked = false;
    controller->event = completion->result;
    controller->has_event = NVME_STATUS(completion->status) == NVME_STATUS_SUCCESS;
    if (controller->has_event && controller->event_heard)
        controller->event_heard(controller->event_context);
}

bool nvme_admin_look(struct nvme_controller *controller)
{
    struct nvme_completion completion;
    unsigned count = 0;

    while (count < controller->admin.entries &&
           nvme_queue_complete(&controller->admin, &completion)) {
        other_take(controller, &completion);
        count++;
    }
    nvme_queue_acknowledge(&controller->admin);
    return count > 0;
}

void nvme_admin_event_request(struct nvme_controller *controller)
{
    const struct nvme_command command = {.opcode = NVME_ADMIN_EVENT_REQUEST, .id = EVENT_ID};

    if (controller->event_asked || !nvme_queue_submit(&controller->admin, &command))
        return;
    controller->event_asked = true;
    nvme_queue_kick(&controller->admin);
}

/* Wait for the completion of `id`. Nothing else but the next event can be in flight, so others are
 * not believed; and as a broken controller may never run out of them, the time limit holds for
 * every turn. */
static int completion_wait(struct nvme_controller *controller, uint16_t id,
                           struct nvme_completion *completion)
{
    uint64_t start = clock_now();

    for (;;) {
        if (nvme_queue_complete(&controller->admin, completion)) {
            nvme_queue_acknowledge(&controller->admin);
            if (completion->id == id && completion->sq_id == controller->admin.id)
                return 0;
            other_take(controller, completion);
        } else if (nvme_controller_is_dead(controller)) {
            return ENODEV;
        }
        uint64_t waited = clock_now() - start;
        if (waited > ADMIN_LIMIT)
            return ETIMEDOUT;
        /* Most answers come at once; after that, let others run. */
        if (waited > SPIN_TIME)
            clock_sleep(CLOCK_MILLISECOND);
    }
}

static int run(struct nvme_controller *controller, struct nvme_command *command, uint32_t *result)
{
    struct nvme_completion completion;

    controller->admin_id = (controller->admin_id + 1) % EVENT_ID;
    command->id = controller->admin_id;
    if (!nvme_queue_submit(&controller->admin, command)) {
        log_error("admin command %02x: the controller takes no commands", command->opcode);
        return ETIMEDOUT;
    }
    nvme_queue_kick(&controller->admin);
    int error = completion_wait(controller, command->id, &completion);
    if (error != 0) {
        log_error("admin command %02x: no answer (%u to nothing that was asked): %s",
                  command->opcode, controller->admin_stray, strerror(error));
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
static int page_read(struct nvme_controller *controller, unsigned opcode, uint32_t namespace,
                     uint32_t what, void *data, size_t size)
{
    struct nvme_command command = {
        .opcode = (uint8_t)opcode,
        .namespace = namespace,
        .prp1 = controller->page.address,
        .cdw10 = what,
    };
    int error = run(controller, &command, NULL);

    if (error == 0)
        memcpy(data, controller->page.memory, size);
    return error;
}

int nvme_admin_identify(struct nvme_controller *controller, unsigned cns, uint32_t namespace,
                        void *data)
{
    return page_read(controller, NVME_ADMIN_IDENTIFY, namespace, cns, data, NVME_IDENTIFY_SIZE);
}

int nvme_admin_log(struct nvme_controller *controller, unsigned log, uint32_t namespace, void *data,
                   size_t size)
{
    return page_read(controller, NVME_ADMIN_GET_LOG, namespace,
                     log | (uint32_t)(size / 4 - 1) << 16, data, size);
}

static int feature_set(struct nvme_controller *controller, unsigned feature, uint32_t value,
                       uint32_t *result)
{
    struct nvme_command command = {
        .opcode = NVME_ADMIN_SET_FEATURES, .cdw10 = feature, .cdw11 = value};

    return run(controller, &command, result);
}

int nvme_admin_queues_request(struct nvme_controller *controller, unsigned wanted,
                              unsigned *granted)
{
    uint32_t result;
    int error =
        feature_set(controller, NVME_FEATURE_QUEUES, (wanted - 1) << 16 | (wanted - 1), &result);

    if (error != 0)
        return error;
    /* Both halves are zero-based, so there is always one; it may grant more than was asked. */
    unsigned submission = (result & 0xffff) + 1, completion = (result >> 16) + 1;
    *granted = submission < completion ? submission : completion;
    if (*granted > wanted)
        *granted = wanted;
    return 0;
}

int nvme_admin_coalesce(struct nvme_controller *controller, unsigned count, unsigned microseconds)
{
    unsigned time = (microseconds + NVME_COALESCING_UNIT_US - 1) / NVME_COALESCING_UNIT_US;

    if (count == 0 || count > NVME_COALESCING_MAX || time > NVME_COALESCING_TIME_MAX)
        return EINVAL;
    /* The threshold is zero-based. */
    return feature_set(controller, NVME_FEATURE_COALESCING, time << 8 | (count - 1), NULL);
}

int nvme_admin_events_choose(struct nvme_controller *controller, uint32_t events)
{
    return feature_set(controller, NVME_FEATURE_EVENTS, events, NULL);
}

int nvme_admin_shadow_begin(struct nvme_controller *controller)
{
    struct nvme_command command = {
        .opcode = NVME_ADMIN_DOORBELL_BUFFER,
        .prp1 = controller->shadow.address,
        .prp2 = controller->shadow.address + NVME_SHADOW_SIZE,
    };
    const struct nvme_queue registers_only = controller->admin;

    /* The controller may look into the memory before it answers: it is true by then. */
    nvme_queue_shadow(&controller->admin, controller->shadow.memory);
    int error = run(controller, &command, NULL);
    controller->is_shadowed = error == 0;
    if (error != 0) {
        controller->admin.tail_doorbell = registers_only.tail_doorbell;
        controller->admin.head_doorbell = registers_only.head_doorbell;
    }
    return error;
}

int nvme_admin_queue_register(struct nvme_controller *controller, unsigned vector,
                              const struct nvme_queue *queue)
{
    uint32_t size = (queue->entries - 1) << 16 | queue->id;
    struct nvme_command completions = {
        .opcode = NVME_ADMIN_CREATE_CQ,
        .prp1 = queue->completions.address,
        .cdw10 = size,
        .cdw11 = NVME_QUEUE_CONTIGUOUS |
                 (vector == NVME_SILENT ? 0 : vector << 16 | NVME_QUEUE_INTERRUPTS),
    };
    struct nvme_command submissions = {
        .opcode = NVME_ADMIN_CREATE_SQ,
        .prp1 = queue->submissions.address,
        .cdw10 = size,
        .cdw11 = queue->id << 16 | NVME_QUEUE_CONTIGUOUS,
    };
    int error = run(controller, &completions, NULL);

    return error == 0 ? run(controller, &submissions, NULL) : error;
}

int nvme_admin_queue_create(struct nvme_controller *controller, unsigned id, unsigned entries,
                            unsigned vector, struct nvme_queue *queue)
{
    int error = nvme_queue_create(controller->device, &controller->regs, id, entries,
                                  NVME_CAP_STRIDE(controller->cap), queue);
    if (error != 0) {
        log_error("no memory for a queue of %u entries: %s", entries, strerror(error));
        return error;
    }
    if (controller->is_shadowed)
        nvme_queue_shadow(queue, controller->shadow.memory);
    return nvme_admin_queue_register(controller, vector, queue);
}

int nvme_admin_queue_delete(struct nvme_controller *controller, const struct nvme_queue *queue)
{
    /* 5.5: the completion queue outlives the submission queue that uses it. */
    struct nvme_command submissions = {.opcode = NVME_ADMIN_DELETE_SQ, .cdw10 = queue->id};
    struct nvme_command completions = {.opcode = NVME_ADMIN_DELETE_CQ, .cdw10 = queue->id};
    int error = run(controller, &submissions, NULL);

    return error == 0 ? run(controller, &completions, NULL) : error;
}
