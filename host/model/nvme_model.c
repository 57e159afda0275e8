/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The controller: registers, transitions, queues.
 */
#include "nvme_model.h"

#include <stdlib.h>
#include <string.h>

#include <kit/clock.h>

enum { CAP = 0x0, VS = 0x8, CC = 0x14, CSTS = 0x1c, AQA = 0x24, ASQ = 0x28, ACQ = 0x30 };
enum { DOORBELLS = 0x1000 };
enum { CC_ENABLE = 1, CC_SHN = 3 << 14, CSTS_READY = 1, CSTS_FATAL = 2, CSTS_SHST = 3 << 2 };

static struct nvme_model *model_of(struct model_device *device)
{
    return (struct nvme_model *)device;
}

static unsigned stride(const struct nvme_model *model)
{
    return 4u << (model->cap >> 32 & 0xf);
}

static uint64_t all_ones(unsigned width)
{
    return UINT64_MAX >> (64 - 8 * width);
}

static uint64_t register_read(struct model_device *device, unsigned window, size_t offset,
                              unsigned width)
{
    const struct nvme_model *model = model_of(device);

    if (window != 0 || model->gone)
        return all_ones(width);
    if (width == 8 && offset == CAP)
        return model->cap;
    if (width == 4) {
        switch (offset) {
        case VS:
            return model->version;
        case CC:
            return model->cc;
        case CSTS:
            return model->csts;
        case AQA:
            return model->aqa;
        }
    }
    model_violation("read of %u bytes at register %zx", width, offset);
    return all_ones(width);
}

/* All that a controller level reset clears (7.3.2). */
static void forget(struct nvme_model *model)
{
    memset(model->submission, 0, sizeof(model->submission));
    memset(model->completion, 0, sizeof(model->completion));
    memset(model->command, 0, sizeof(model->command));
    model->shadow = model->event_indexes = 0;
}

static void enable(struct nvme_model *model)
{
    struct nvme_model_queue *submission = &model->submission[0],
                            *completion = &model->completion[0];

    /* 7.6.1, 3.1.5, 3.1.8 */
    if ((model->cc >> 16 & 0xf) != 6 || (model->cc >> 20 & 0xf) != 4)
        model_violation("enabled with entry sizes %x", model->cc >> 16 & 0xff);
    if (model->cc & (0xf << 7 | 7 << 4 | 7 << 11))
        model_violation("enabled with CC %08x", model->cc);
    if (model->asq % NVME_MODEL_PAGE != 0 || model->acq % NVME_MODEL_PAGE != 0)
        model_violation("admin queues that do not begin on a page");
    forget(model);
    *submission = (struct nvme_model_queue){
        .exists = true, .address = model->asq, .entries = (model->aqa & 0xfff) + 1};
    *completion = (struct nvme_model_queue){.exists = true,
                                            .address = model->acq,
                                            .entries = (model->aqa >> 16 & 0xfff) + 1,
                                            .phase = 1,
                                            .interrupts = true};
    model->transition = model_time() + model->enable_time;
}

static void shutdown_begin(struct nvme_model *model)
{
    model->shut_down_in_order = true;
    for (unsigned i = 1; i < NVME_MODEL_QUEUES; i++) {
        if (model->submission[i].exists || model->completion[i].exists)
            model->shut_down_in_order = false;
    }
    for (uint32_t i = 0; i < model->namespace_count; i++)
        model->namespaces[i].unflushed = 0;
    model->csts |= 1 << 2; /* occurring */
    if (model->unready_when_shut_down)
        model->csts &= ~(uint32_t)CSTS_READY;
    model->transition = model_time() + model->shutdown_time;
}

static void configure(struct nvme_model *model, uint32_t value)
{
    uint32_t before = model->cc;

    model->cc = value;
    if (!(before & CC_ENABLE) && (value & CC_ENABLE)) {
        if (model->csts & CSTS_READY)
            model_violation("enabled before it was stopped");
        enable(model);
    } else if ((before & CC_ENABLE) && !(value & CC_ENABLE)) {
        model->transition = model_time() + model->stop_time;
    }
    if ((value & CC_SHN) && !(before & CC_SHN))
        shutdown_begin(model);
}

static uint64_t slot(const struct nvme_model *model, unsigned id, bool completions)
{
    return (2 * (uint64_t)id + completions) * stride(model);
}

/* What the driver's memory says; without such memory, what is known already. */
static unsigned shadow_read(const struct nvme_model *model, unsigned id, bool completions)
{
    const struct nvme_model_queue *queue =
        completions ? &model->completion[id] : &model->submission[id];
    unsigned known = completions ? queue->head : queue->tail;
    uint32_t value;

    if (model->shadow == 0 ||
        !model_memory_read(model->shadow + slot(model, id, completions), &value, sizeof(value)))
        return known;
    if (value >= queue->entries) {
        model_violation("shadow doorbell %u of queue %u is %u", completions, id, value);
        return known;
    }
    return value;
}

/* 7.13: wanted is the position that shall be told of when it is passed. */
static void event_index_write(struct nvme_model *model, unsigned id, bool completions,
                              unsigned wanted)
{
    uint32_t value = wanted;

    if (model->event_index == NVME_MODEL_EVENT_INDEX_NOISE)
        value = model->noise = model->noise * 1664525 + 1013904223;
    model_memory_write(model->event_indexes + slot(model, id, completions), &value, sizeof(value));
}

/* The register never says what the memory does not (7.13). */
static void shadow_check(const struct nvme_model *model, unsigned id, bool completions,
                         uint32_t value)
{
    if (model->shadow != 0 && shadow_read(model, id, completions) != value)
        model_violation("doorbell %u of queue %u says %u, its shadow does not", completions, id,
                        value);
}

static void submission_doorbell(struct nvme_model *model, unsigned id, uint32_t value)
{
    struct nvme_model_queue *queue = &model->submission[id];

    if (!queue->exists || value >= queue->entries || (value == queue->tail && model->shadow == 0)) {
        model_violation("tail %u for submission queue %u", value, id);
        return;
    }
    shadow_check(model, id, false, value);
    queue->tail = value;
    queue->awake = true;
    model->doorbells += id > 0;
}

static void completion_doorbell(struct nvme_model *model, unsigned id, uint32_t value)
{
    struct nvme_model_queue *queue = &model->completion[id];

    if (!queue->exists || value >= queue->entries || (value == queue->head && model->shadow == 0)) {
        model_violation("head %u for completion queue %u", value, id);
        return;
    }
    /* Only what was posted can have been taken. */
    unsigned posted = (queue->tail + queue->entries - queue->head) % queue->entries;
    unsigned taken = (value + queue->entries - queue->head) % queue->entries;
    if (taken > posted && model->fault != NVME_MODEL_FAULT_STORM)
        model_violation("head of completion queue %u moves over what was not posted", id);
    shadow_check(model, id, true, value);
    queue->head = value;
    model->head_doorbells += id > 0;
}

static void doorbell(struct nvme_model *model, size_t offset, uint32_t value)
{
    size_t index = (offset - DOORBELLS) / stride(model);

    if ((offset - DOORBELLS) % stride(model) != 0 || index >= 2 * NVME_MODEL_QUEUES)
        model_violation("write to %zx, where no doorbell is", offset);
    else if (!(model->csts & CSTS_READY))
        model_violation("doorbell %zu rung while not ready", index);
    else if (index % 2 == 0)
        submission_doorbell(model, (unsigned)index / 2, value);
    else
        completion_doorbell(model, (unsigned)index / 2, value);
}

static void register_write(struct model_device *device, unsigned window, size_t offset,
                           unsigned width, uint64_t value)
{
    struct nvme_model *model = model_of(device);
    bool enabled = model->cc & CC_ENABLE;

    if (window != 0 || model->gone)
        return;
    if (width == 4 && offset >= DOORBELLS)
        doorbell(model, offset, (uint32_t)value);
    else if (width == 4 && offset == CC)
        configure(model, (uint32_t)value);
    else if (width == 4 && offset == AQA && !enabled)
        model->aqa = (uint32_t)value;
    else if (width == 8 && offset == ASQ && !enabled)
        model->asq = value;
    else if (width == 8 && offset == ACQ && !enabled)
        model->acq = value;
    else
        model_violation("write of %u bytes at register %zx%s", width, offset,
                        enabled ? " while enabled" : "");
}

static void post(struct nvme_model *model, unsigned id, uint32_t result, unsigned command,
                 unsigned status, unsigned sq_id, unsigned sq_head)
{
    struct nvme_model_queue *queue = &model->completion[id];
    uint32_t entry[4] = {result, 0, sq_head | sq_id << 16,
                         command | (status << 1 | queue->phase) << 16};

    /* It looks for the driver's position by itself and wants to hear of none. */
    if (id > 0 && model->shadow != 0) {
        queue->head = shadow_read(model, id, true);
        event_index_write(model, id, true, (queue->head + queue->entries - 1) % queue->entries);
    }
    if ((queue->tail + 1) % queue->entries == queue->head && model->fault != NVME_MODEL_FAULT_STORM)
        model_violation("completion queue %u is overrun", id);
    model_memory_write(queue->address + queue->tail * sizeof(entry), entry, sizeof(entry));
    queue->tail = (queue->tail + 1) % queue->entries;
    if (queue->tail == 0)
        queue->phase ^= 1;
    if (queue->interrupts && !model->no_interrupts && model->device.identity.vectors > 0)
        model_interrupt(queue->vector);
}

/* An entry that is there but not yet valid: the phase says so. */
static void post_old_phase(struct nvme_model *model, unsigned id, unsigned command)
{
    const struct nvme_model_queue *queue = &model->completion[id];
    uint32_t entry[4] = {0, 0, 1 << 16, command | (queue->phase ^ 1) << 16};

    model_memory_write(queue->address + queue->tail * sizeof(entry), entry, sizeof(entry));
    if (queue->interrupts)
        model_interrupt(queue->vector);
}

/* What a lie says became of a command: whoever believes it is found out. */
enum { LIE_STATUS = 0x281 };

/* An I/O completion, with the fault that was ordered. */
static void post_io(struct nvme_model *model, unsigned sq_id, unsigned command, unsigned status)
{
    const struct nvme_model_queue *queue = &model->submission[sq_id];
    unsigned id = queue->completions, head = queue->head;
    enum nvme_model_fault fault = model->fault;

    if (fault == NVME_MODEL_FAULT_STORM)
        return;
    model->fault = NVME_MODEL_FAULT_NONE;
    switch (fault) {
    case NVME_MODEL_FAULT_LOST:
        return;
    case NVME_MODEL_FAULT_OLD_PHASE:
        post_old_phase(model, id, command);
        return;
    case NVME_MODEL_FAULT_DUPLICATE:
        post(model, id, 0, command, status, sq_id, head);
        break;
    case NVME_MODEL_FAULT_WRONG_ID:
        post(model, id, 0, queue->entries - 2 - command, LIE_STATUS, sq_id, head);
        break;
    case NVME_MODEL_FAULT_HUGE_ID:
        post(model, id, 0, 0xffff, LIE_STATUS, sq_id, head);
        break;
    case NVME_MODEL_FAULT_WRONG_QUEUE:
        post(model, id, 0, command, LIE_STATUS, sq_id + 1, head);
        break;
    case NVME_MODEL_FAULT_HUGE_HEAD:
        head = 0xffff;
        break;
    case NVME_MODEL_FAULT_HEAD_AHEAD:
        head = (queue->tail + 1) % queue->entries;
        break;
    case NVME_MODEL_FAULT_STORM:
    case NVME_MODEL_FAULT_NONE:
        break;
    }
    post(model, id, 0, command, status, sq_id, head);
}

static void execute(struct nvme_model *model, const struct nvme_model_command *command)
{
    unsigned opcode = command->dword[0] & 0xff, id = command->dword[0] >> 16;
    uint32_t result = 0;

    if (command->queue > 0) {
        unsigned status = nvme_model_io(model, command->dword);
        post_io(model, command->queue, id, status);
        return;
    }
    if (model->admin_lost == opcode + 1)
        return;
    bool fails = model->admin_failing == opcode + 1;
    if (fails && model->admin_spared > 0) {
        model->admin_spared--;
        fails = false;
    }
    unsigned status = fails ? 6 : nvme_model_admin(model, command->dword, &result);
    unsigned head = model->submission[0].head;
    for (unsigned i = 0; i < model->admin_garbage; i++)
        post(model, 0, 0, id + 1 + i, 6, 0, head);
    post(model, 0, result, id, status, 0, head);
}

static void fetch(struct nvme_model *model, unsigned id)
{
    struct nvme_model_queue *queue = &model->submission[id];

    while (queue->exists && queue->head != queue->tail) {
        struct nvme_model_command *command = model->command;
        while (command < model->command + NVME_MODEL_COMMANDS && command->used)
            command++;
        if (command == model->command + NVME_MODEL_COMMANDS)
            return;
        if (!model_memory_read(queue->address + queue->head * sizeof(command->dword),
                               command->dword, sizeof(command->dword)))
            return;
        for (const struct nvme_model_command *other = model->command;
             other < model->command + NVME_MODEL_COMMANDS; other++) {
            if (other->used && other->queue == id &&
                other->dword[0] >> 16 == command->dword[0] >> 16)
                model_violation("command id %u is used twice", command->dword[0] >> 16);
        }
        queue->head = (queue->head + 1) % queue->entries;
        command->used = true;
        command->queue = id;
        command->due = model_time() + model->command_time;
        model->commands += id > 0;
        model->queue_commands[id]++;
    }
}

static bool has_commands(const struct nvme_model *model, unsigned id)
{
    for (unsigned i = 0; i < NVME_MODEL_COMMANDS; i++) {
        if (model->command[i].used && model->command[i].queue == id)
            return true;
    }
    return false;
}

/* A queue with a shadow doorbell is looked at from the time that it is woken until it has nothing
 * to do; before it sleeps it says so, and looks once more. */
static void fetch_shadowed(struct nvme_model *model, unsigned id)
{
    struct nvme_model_queue *queue = &model->submission[id];
    bool is_noisy = model->event_index == NVME_MODEL_EVENT_INDEX_NOISE;

    if (!queue->exists || (!queue->awake && !is_noisy))
        return;
    queue->tail = shadow_read(model, id, false);
    fetch(model, id);
    queue->awake = queue->head != queue->tail || has_commands(model, id);
    bool says_awake = queue->awake || model->event_index == NVME_MODEL_EVENT_INDEX_NEVER;
    event_index_write(model, id, false,
                      says_awake ? (queue->tail + queue->entries - 1) % queue->entries
                                 : queue->tail);
    queue->awake = queue->awake || shadow_read(model, id, false) != queue->tail;
}

/* 5.2: it is not completed before there is an event. */
static bool is_event_request(const struct nvme_model_command *command)
{
    return command->used && command->queue == 0 && (command->dword[0] & 0xff) == 0x0c;
}

void nvme_model_event(struct nvme_model *model, unsigned type, unsigned what, unsigned log)
{
    for (unsigned i = 0; i < NVME_MODEL_COMMANDS; i++) {
        struct nvme_model_command *command = &model->command[i];
        if (!is_event_request(command))
            continue;
        command->used = false;
        post(model, 0, type | what << 8 | log << 16, command->dword[0] >> 16, 0, 0,
             model->submission[0].head);
        return;
    }
}

void nvme_model_event_forge(struct nvme_model *model, unsigned id, uint32_t what)
{
    post(model, 0, what, id, 0, 0, model->submission[0].head);
}

static void complete(struct nvme_model *model)
{
    unsigned in_flight = 0;

    for (unsigned i = 0; i < NVME_MODEL_COMMANDS; i++)
        in_flight += model->command[i].used && model->command[i].queue > 0;
    if (in_flight > model->most_in_flight)
        model->most_in_flight = in_flight;
    for (unsigned i = 0; i < NVME_MODEL_COMMANDS; i++) {
        struct nvme_model_command *command =
            &model->command[model->reversed ? NVME_MODEL_COMMANDS - 1 - i : i];
        if (!command->used || command->due > model_time() || is_event_request(command))
            continue;
        struct nvme_model_command copy = *command;
        command->used = false;
        execute(model, &copy);
    }
}

static void transitions(struct nvme_model *model)
{
    bool over = model_time() >= model->transition;

    if ((model->cc & CC_ENABLE) && !(model->cc & CC_SHN) && !(model->csts & CSTS_READY) && over &&
        !model->never_ready)
        model->csts = model->fatal_on_enable ? CSTS_FATAL : CSTS_READY;
    if (!(model->cc & CC_ENABLE) && model->csts && over && !model->never_stops) {
        model->csts = 0;
        forget(model);
    }
    if ((model->csts & CSTS_SHST) == 1 << 2 && over && !model->never_shut_down)
        model->csts = (model->csts & ~(uint32_t)CSTS_SHST) | 2 << 2;
}

/* A whole round of the completion queue at once, over and over, whatever the driver has taken. */
static void storm(struct nvme_model *model)
{
    if (model->fault != NVME_MODEL_FAULT_STORM || !model->completion[1].exists ||
        model_time() < model->storm_due)
        return;
    model->storm_due = model_time() + 10 * CLOCK_MILLISECOND;
    for (unsigned i = 0; i < model->completion[1].entries; i++)
        post(model, 1, 0, 0xfff0 + i % 15, 0, 1, 0);
}

static void step(struct model_device *device)
{
    struct nvme_model *model = model_of(device);

    if (model->gone)
        return;
    transitions(model);
    /* It goes on with what it has until it is stopped, after CC.EN was cleared too. */
    if (!(model->csts & CSTS_READY) || (model->csts & CSTS_FATAL))
        return;
    for (unsigned id = 0; id < NVME_MODEL_QUEUES; id++) {
        if (id > 0 && model->shadow != 0)
            fetch_shadowed(model, id);
        else
            fetch(model, id);
    }
    complete(model);
    storm(model);
}

void nvme_model_init(struct nvme_model *model, uint64_t blocks, unsigned shift)
{
    *model = (struct nvme_model){
        .device =
            {
                .identity = {.vendor = 0x1b36,
                             .device = 0x0010,
                             .class_code = 1,
                             .subclass = 8,
                             .interface = 2,
                             .vectors = 1},
                .window_size = {0x4000},
                .read = register_read,
                .write = register_write,
                .step = step,
            },
        /* MQES 2047, contiguous queues, 2 s to become ready, the NVM command set */
        .cap = 2047 | UINT64_C(1) << 16 | UINT64_C(4) << 24 | UINT64_C(1) << 37,
        .version = 0x00010400,
        .mdts = 7,
        .sgls = 1,
        .volatile_cache = true,
        .enable_time = 3 * CLOCK_MILLISECOND,
        .stop_time = 2 * CLOCK_MILLISECOND,
        .shutdown_time = 5 * CLOCK_MILLISECOND,
        .command_time = CLOCK_MILLISECOND / 20,
        .cc = 6 << 16 | 4 << 20 | CC_ENABLE,
        .csts = CSTS_READY,
    };
    nvme_model_namespaces(model, 1, blocks, shift);
    model->namespaces[0].disk = calloc(blocks, (size_t)1 << shift);
    if (!model->namespaces[0].disk)
        abort();
}

void nvme_model_namespaces(struct nvme_model *model, uint32_t count, uint64_t blocks,
                           unsigned shift)
{
    nvme_model_destroy(model);
    model->namespaces = calloc(count ? count : 1, sizeof(*model->namespaces));
    if (!model->namespaces)
        abort();
    model->namespace_count = count;
    for (uint32_t i = 0; i < count; i++)
        model->namespaces[i] =
            (struct nvme_model_namespace){.active = true, .blocks = blocks, .shift = shift};
}

void nvme_model_destroy(struct nvme_model *model)
{
    for (uint32_t i = 0; i < model->namespace_count; i++)
        free(model->namespaces[i].disk);
    free(model->namespaces);
    model->namespaces = NULL;
    model->namespace_count = 0;
}
