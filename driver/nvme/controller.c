/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/log.h>

#include "registers.h"

#define ADMIN_LIMIT      (10 * CLOCK_SECOND)
#define SHUTDOWN_DEFAULT (10 * CLOCK_SECOND)
#define SPIN_TIME        (2 * CLOCK_MILLISECOND)
#define TRANSFER_MOST    (UINT64_C(1) << 20)

/* Look often at first, as most answers come at once; then let others run. */
static void pause_since(uint64_t start)
{
    if (clock_now() - start > SPIN_TIME)
        clock_sleep(CLOCK_MILLISECOND);
}

/* Wait until the bits of CSTS have that value. */
static int status_wait(const struct nvme_controller *controller, uint32_t mask, uint32_t value,
                       uint64_t limit)
{
    uint64_t start = clock_now();

    for (;;) {
        uint32_t status = regs_read32(&controller->regs, NVME_REGISTER(csts));
        if (status == NVME_CSTS_GONE)
            return ENODEV;
        if ((status & mask) == value)
            return 0;
        if (clock_now() - start >= limit)
            return ETIMEDOUT;
        pause_since(start);
    }
}

static uint64_t ready_limit(const struct nvme_controller *controller)
{
    /* 3.1.1, CAP.TO; a controller that says 0 is given one unit. */
    unsigned units = NVME_CAP_TIMEOUT(controller->cap);

    return (units ? units : 1) * (CLOCK_SECOND / 2);
}

static int reset(struct nvme_controller *controller)
{
    uint32_t configuration = regs_read32(&controller->regs, NVME_REGISTER(cc));

    if (configuration & NVME_CC_ENABLE) {
        /* 3.1.5: EN is not cleared before an enabling under way has ended. */
        if (!nvme_controller_is_dead(controller))
            status_wait(controller, NVME_CSTS_READY, NVME_CSTS_READY, ready_limit(controller));
        regs_write32(&controller->regs, NVME_REGISTER(cc), configuration & ~NVME_CC_ENABLE);
    }
    int error = status_wait(controller, NVME_CSTS_READY, 0, ready_limit(controller));
    if (error != 0)
        log_error("the controller does not stop within %llu ms: %s",
                  (unsigned long long)(ready_limit(controller) / CLOCK_MILLISECOND),
                  strerror(error));
    return error;
}

static int enable(struct nvme_controller *controller)
{
    const struct regs *regs = &controller->regs;
    uint32_t last = NVME_ADMIN_ENTRIES - 1;

    regs_write32(regs, NVME_REGISTER(aqa), last << 16 | last);
    regs_write64(regs, NVME_REGISTER(asq), controller->admin.submissions.address);
    regs_write64(regs, NVME_REGISTER(acq), controller->admin.completions.address);
    regs_write32(regs, NVME_REGISTER(cc), NVME_CC_QUEUE_ENTRIES | NVME_CC_ENABLE);

    int error = status_wait(controller, NVME_CSTS_READY | NVME_CSTS_FATAL, NVME_CSTS_READY,
                            ready_limit(controller));
    if (error != 0)
        log_error("the controller does not become ready within %llu ms (status %x): is it broken?",
                  (unsigned long long)(ready_limit(controller) / CLOCK_MILLISECOND),
                  regs_read32(regs, NVME_REGISTER(csts)));
    return error;
}

static const char *capability_problem(const struct nvme_controller *controller)
{
    if (controller->cap == UINT64_MAX || controller->version == UINT32_MAX)
        return "nothing answers at its registers";
    if (!NVME_CAP_NVM(controller->cap))
        return "it does not have the NVM command set";
    if (NVME_CAP_PAGE_MIN(controller->cap) > NVME_PAGE)
        return "it cannot use pages of 4 KiB";
    if (NVME_CAP_ENTRIES(controller->cap) < 2)
        return "its queues are too short";
    return NULL;
}

/* An identify string: blanks at the end cut off, nothing but printable characters. */
static void string_copy(char *to, const char *from, size_t length)
{
    while (length > 0 && (from[length - 1] == ' ' || from[length - 1] == '\0'))
        length--;
    for (size_t i = 0; i < length; i++)
        to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
    to[length] = '\0';
}

static int identify(struct nvme_controller *controller)
{
    int error = nvme_controller_identify(controller, NVME_IDENTIFY_CONTROLLER, 0);

    if (error != 0)
        return error;
    const struct nvme_identify_controller *identity = controller->page.memory;
    unsigned shift = identity->mdts;

    string_copy(controller->serial, identity->serial, sizeof(identity->serial));
    string_copy(controller->model, identity->model, sizeof(identity->model));
    controller->namespaces = identity->namespaces;
    controller->volatile_cache = identity->vwc & 1;
    controller->shutdown_limit =
        identity->rtd3e ? identity->rtd3e * UINT64_C(1000) : SHUTDOWN_DEFAULT;
    controller->max_transfer = TRANSFER_MOST;
    /* MDTS counts in smallest pages, and those are our 4 KiB: CAP.MPSMIN cannot be less. */
    if (shift != 0 && shift < 20 && ((uint64_t)NVME_PAGE << shift) < TRANSFER_MOST)
        controller->max_transfer = (uint64_t)NVME_PAGE << shift;
    return 0;
}

int nvme_controller_start(struct device *device, struct nvme_controller *controller)
{
    controller->device = device;
    /* The capabilities say how far the doorbells reach: at most two queue pairs are rung here, and
     * with the widest stride their page would lie elsewhere; the usual stride is 4 bytes. */
    int error = device_window_open(device, 0, NVME_DOORBELLS + 0x1000, &controller->regs);
    if (error != 0)
        return error;
    controller->cap = regs_read64(&controller->regs, NVME_REGISTER(cap));
    controller->version = regs_read32(&controller->regs, NVME_REGISTER(vs));
    const char *problem = capability_problem(controller);
    if (!problem && NVME_DOORBELL_HEAD(1, NVME_CAP_STRIDE(controller->cap)) + 4 >
                        NVME_DOORBELLS + 0x1000)
        problem = "its doorbells are too far apart";
    if (problem) {
        log_error("this controller cannot be used: %s", problem);
        return ENOTSUP;
    }

    error = device_enable(device);
    if (error == 0)
        error = reset(controller);
    if (error == 0)
        error = dma_buffer_create(device, NVME_PAGE, &controller->page);
    if (error == 0)
        error = nvme_queue_create(device, &controller->regs, 0, NVME_ADMIN_ENTRIES,
                                  NVME_CAP_STRIDE(controller->cap), &controller->admin);
    if (error == 0)
        error = enable(controller);
    if (error == 0)
        error = identify(controller);
    return error;
}

int nvme_controller_admin(struct nvme_controller *controller, const struct nvme_command *command,
                          uint32_t *result)
{
    struct nvme_command copy = *command;
    struct nvme_completion completion;
    uint64_t start = clock_now();

    copy.id = ++controller->admin_id;
    if (!nvme_queue_submit(&controller->admin, &copy))
        return EBUSY;
    nvme_queue_kick(&controller->admin);
    for (;;) {
        bool found = nvme_queue_complete(&controller->admin, &completion);
        if (found) {
            nvme_queue_acknowledge(&controller->admin);
            if (completion.id == copy.id)
                break;
            controller->admin_stray++;
        } else if (clock_now() - start > ADMIN_LIMIT || nvme_controller_is_dead(controller)) {
            log_error("no answer to admin command %02x", command->opcode);
            return ETIMEDOUT;
        } else {
            pause_since(start);
        }
    }
    if (NVME_STATUS(completion.status) != NVME_STATUS_SUCCESS) {
        log_error("admin command %02x failed with status %03x", command->opcode,
                  NVME_STATUS(completion.status));
        return EIO;
    }
    if (result)
        *result = completion.result;
    return 0;
}

int nvme_controller_identify(struct nvme_controller *controller, unsigned cns, uint32_t namespace)
{
    return nvme_controller_admin(controller,
                                 &(struct nvme_command){
                                     .opcode = NVME_ADMIN_IDENTIFY,
                                     .namespace = namespace,
                                     .prp1 = controller->page.address,
                                     .cdw10 = cns,
                                 },
                                 NULL);
}

int nvme_controller_queue(struct nvme_controller *controller, unsigned id, unsigned entries,
                          unsigned vector, struct nvme_queue *queue)
{
    int error = nvme_queue_create(controller->device, &controller->regs, id, entries,
                                  NVME_CAP_STRIDE(controller->cap), queue);
    if (error != 0)
        return error;
    uint32_t size = (entries - 1) << 16 | id;
    error = nvme_controller_admin(
        controller,
        &(struct nvme_command){
            .opcode = NVME_ADMIN_CREATE_CQ,
            .prp1 = queue->completions.address,
            .cdw10 = size,
            .cdw11 = vector << 16 | NVME_QUEUE_INTERRUPTS | NVME_QUEUE_CONTIGUOUS,
        },
        NULL);
    if (error != 0)
        return error;
    return nvme_controller_admin(controller,
                                 &(struct nvme_command){
                                     .opcode = NVME_ADMIN_CREATE_SQ,
                                     .prp1 = queue->submissions.address,
                                     .cdw10 = size,
                                     .cdw11 = id << 16 | NVME_QUEUE_CONTIGUOUS,
                                 },
                                 NULL);
}

bool nvme_controller_is_dead(const struct nvme_controller *controller)
{
    uint32_t status = regs_read32(&controller->regs, NVME_REGISTER(csts));

    return status == NVME_CSTS_GONE || (status & NVME_CSTS_FATAL);
}

void nvme_controller_disable(struct nvme_controller *controller)
{
    uint32_t configuration = regs_read32(&controller->regs, NVME_REGISTER(cc));

    regs_write32(&controller->regs, NVME_REGISTER(cc), configuration & ~NVME_CC_ENABLE);
    status_wait(controller, NVME_CSTS_READY, 0, ready_limit(controller));
}

int nvme_controller_shutdown(struct nvme_controller *controller)
{
    uint32_t configuration = regs_read32(&controller->regs, NVME_REGISTER(cc));

    regs_write32(&controller->regs, NVME_REGISTER(cc),
                 (configuration & ~NVME_CC_SHUTDOWN_MASK) | NVME_CC_SHUTDOWN_NORMAL);
    return status_wait(controller, NVME_CSTS_SHUTDOWN, NVME_CSTS_SHUTDOWN_DONE,
                       controller->shutdown_limit);
}
