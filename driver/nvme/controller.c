/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller.h"

#include <errno.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/log.h>

#include "admin.h"
#include "registers.h"

/* What CAP, RTD3E and MDTS may say is a controller's word, so each is kept within reason. */
#define SHUTDOWN_LEAST (1 * CLOCK_SECOND)
#define SHUTDOWN_MOST  (30 * CLOCK_SECOND)
#define SHUTDOWN_USUAL (10 * CLOCK_SECOND) /* of a controller that does not tell */

/* PRP 1 and one page of PRP entries reach this far wherever the data begins in its page. */
#define TRANSFER_MOST ((uint32_t)NVME_LIST_ENTRIES * NVME_PAGE)

static unsigned long long milliseconds(uint64_t time)
{
    return (unsigned long long)(time / CLOCK_MILLISECOND);
}

static uint32_t status_get(const struct nvme_controller *controller)
{
    return regs_read32(&controller->regs, NVME_REGISTER(csts));
}

/* Wait until those bits of CSTS have that value. ENODEV: the device is gone; EIO: one of the bits
 * `failure` is set; ETIMEDOUT. */
static int status_wait(const struct nvme_controller *controller, uint32_t mask, uint32_t value,
                       uint32_t failure, uint64_t limit)
{
    uint64_t start = clock_now();

    for (;;) {
        uint32_t status = status_get(controller);
        if (status == NVME_CSTS_GONE)
            return ENODEV;
        if (status & failure)
            return EIO;
        if ((status & mask) == value)
            return 0;
        if (clock_now() - start >= limit)
            return ETIMEDOUT;
        clock_sleep(CLOCK_MILLISECOND);
    }
}

bool nvme_controller_is_dead(const struct nvme_controller *controller)
{
    uint32_t status = status_get(controller);

    return status == NVME_CSTS_GONE || (status & NVME_CSTS_FATAL);
}

bool nvme_controller_is_stopped(const struct nvme_controller *controller)
{
    uint32_t status = status_get(controller);

    return status == NVME_CSTS_GONE || !(status & NVME_CSTS_READY);
}

void nvme_controller_disable(struct nvme_controller *controller)
{
    uint32_t configuration = regs_read32(&controller->regs, NVME_REGISTER(cc));

    regs_write32(&controller->regs, NVME_REGISTER(cc), configuration & ~NVME_CC_ENABLE);
}

static int reset(struct nvme_controller *controller)
{
    uint32_t configuration = regs_read32(&controller->regs, NVME_REGISTER(cc));

    if (configuration & NVME_CC_ENABLE) {
        /* 3.1.5: EN is not cleared before an enabling under way has ended, well or not. */
        status_wait(controller, NVME_CSTS_READY, NVME_CSTS_READY, NVME_CSTS_FATAL,
                    controller->ready_limit);
        nvme_controller_disable(controller);
    }
    int error = status_wait(controller, NVME_CSTS_READY, 0, 0, controller->ready_limit);
    if (error != 0)
        log_error("the controller does not stop within %llu ms (CSTS %08x): it needs a power cycle",
                  milliseconds(controller->ready_limit), status_get(controller));
    return error;
}

static int enable(struct nvme_controller *controller)
{
    const struct regs *regs = &controller->regs;
    uint32_t last = controller->admin.entries - 1;

    regs_write32(regs, NVME_REGISTER(aqa), last << 16 | last);
    regs_write64(regs, NVME_REGISTER(asq), controller->admin.submissions.address);
    regs_write64(regs, NVME_REGISTER(acq), controller->admin.completions.address);
    regs_write32(regs, NVME_REGISTER(cc), NVME_CC_QUEUE_ENTRIES | NVME_CC_ENABLE);

    int error = status_wait(controller, NVME_CSTS_READY, NVME_CSTS_READY, NVME_CSTS_FATAL,
                            controller->ready_limit);
    if (error == ETIMEDOUT)
        log_error("the controller does not become ready within %llu ms (CSTS %08x): "
                  "it is broken, or needs a power cycle",
                  milliseconds(controller->ready_limit), status_get(controller));
    else if (error != 0)
        log_error("the controller failed while it was enabled (CSTS %08x): "
                  "it is broken, or needs a power cycle",
                  status_get(controller));
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

/* Map the registers, and the doorbells of our queues: how far they lie apart stands in a register,
 * so a controller with a wide stride has its window opened again. */
static int window_open(struct nvme_controller *controller)
{
    size_t size = NVME_DOORBELLS + DMA_PAGE_SIZE;
    int error = device_window_open(controller->device, 0, size, &controller->regs);

    if (error == 0) {
        controller->cap = regs_read64(&controller->regs, NVME_REGISTER(cap));
        controller->version = regs_read32(&controller->regs, NVME_REGISTER(vs));
        const char *problem = capability_problem(controller);
        if (problem) {
            log_error("this controller cannot be used: %s", problem);
            return ENOTSUP;
        }
        unsigned stride = NVME_CAP_STRIDE(controller->cap);
        controller->queues = NVME_QUEUES;
        while (controller->queues > NVME_QUEUES_LEAST &&
               NVME_DOORBELLS_END(controller->queues, stride) >
                   device_window_size(controller->device, 0))
            controller->queues--;
        size_t needed = NVME_DOORBELLS_END(controller->queues, stride);
        if (needed > size) {
            size = needed;
            error = device_window_open(controller->device, 0, size, &controller->regs);
        }
    }
    if (error != 0)
        log_error("register window 0 cannot be opened for %zu bytes, it has %zu: %s", size,
                  device_window_size(controller->device, 0), strerror(error));
    return error;
}

static uint64_t shutdown_limit(uint32_t rtd3e)
{
    uint64_t limit = rtd3e ? rtd3e * UINT64_C(1000) : SHUTDOWN_USUAL;

    if (limit < SHUTDOWN_LEAST)
        return SHUTDOWN_LEAST;
    return limit < SHUTDOWN_MOST ? limit : SHUTDOWN_MOST;
}

/* MDTS counts in CAP.MPSMIN pages as a power of two, 0 is no limit. Those pages are our 4 KiB:
 * capability_problem refused all others. */
static uint32_t transfer_limit(uint8_t mdts)
{
    if (mdts == 0 || mdts >= 32 || (uint64_t)NVME_PAGE << mdts > TRANSFER_MOST)
        return TRANSFER_MOST;
    return (uint32_t)NVME_PAGE << mdts;
}

static int identify(struct nvme_controller *controller)
{
    struct nvme_identify_controller identity;
    int error = nvme_admin_identify(controller, NVME_IDENTIFY_CONTROLLER, 0, &identity);

    if (error != 0)
        return error;
    memcpy(controller->serial, identity.serial, sizeof(controller->serial));
    memcpy(controller->model, identity.model, sizeof(controller->model));
    controller->namespaces = identity.namespaces;
    controller->can_shadow = identity.oacs & NVME_OACS_DOORBELL_BUFFER;
    controller->optional = identity.oncs;
    controller->events = identity.oaes;
    controller->volatile_cache = identity.vwc & 1;
    controller->has_sgl = NVME_SGLS_USABLE(identity.sgls);
    controller->shutdown_limit = shutdown_limit(identity.rtd3e);
    controller->max_transfer = transfer_limit(identity.mdts);
    return 0;
}

/* 5.14.1.2: whether the media have gone read-only. A controller that does not give this log has not
 * said so. */
static int health_read(struct nvme_controller *controller)
{
    struct nvme_health_log health;
    int error =
        nvme_admin_log(controller, NVME_LOG_HEALTH, NVME_NAMESPACE_ALL, &health, sizeof(health));

    if (error == EIO)
        return 0;
    controller->read_only = error == 0 && (health.warning & NVME_HEALTH_READ_ONLY);
    if (controller->read_only)
        log_warning("the controller reports that its media are read-only");
    return error;
}

/* Doorbells in memory (5.7), where the operator wants them, the controller offers them and their
 * slots fit its page. A controller that fails what it offers is used without. */
static int shadow_begin(struct nvme_controller *controller)
{
    size_t needed =
        NVME_DOORBELLS_END(controller->queues, NVME_CAP_STRIDE(controller->cap)) - NVME_DOORBELLS;

    if (!controller->can_shadow || needed > NVME_SHADOW_SIZE ||
        device_setting(controller->device, "shadow", 0) == 0)
        return 0;
    int error =
        dma_buffer_create(controller->device, 2 * (size_t)NVME_SHADOW_SIZE, &controller->shadow);
    if (error != 0)
        return error;
    error = nvme_admin_shadow_begin(controller);
    return error == EIO ? 0 : error;
}

int nvme_controller_start(struct device *device, struct nvme_controller *controller)
{
    *controller = (struct nvme_controller){.device = device};
    int error = window_open(controller);
    if (error != 0)
        return error;

    /* 3.1.1, CAP.TO, in half seconds; one more because controllers round down, even to 0. */
    controller->ready_limit = (NVME_CAP_TIMEOUT(controller->cap) + 1) * (CLOCK_SECOND / 2);
    unsigned stride = NVME_CAP_STRIDE(controller->cap);
    /* What an earlier driver asked for must not be carried out on memory that is another's now. */
    error = reset(controller);
    if (error == 0)
        error = device_enable(device);
    if (error == 0)
        error = dma_buffer_create(device, NVME_IDENTIFY_SIZE, &controller->page);
    if (error == 0)
        error = nvme_queue_create(device, &controller->regs, 0, NVME_ADMIN_ENTRIES, stride,
                                  &controller->admin);
    if (error == 0)
        error = enable(controller);
    if (error == 0)
        error = identify(controller);
    if (error == 0)
        error = health_read(controller);
    if (error == 0)
        error = shadow_begin(controller);
    return error;
}

int nvme_controller_shutdown(struct nvme_controller *controller)
{
    uint32_t configuration = regs_read32(&controller->regs, NVME_REGISTER(cc));

    /* One that was given up is disabled already, and has nobody to notify. */
    if (configuration & NVME_CC_ENABLE) {
        regs_write32(&controller->regs, NVME_REGISTER(cc),
                     (configuration & ~NVME_CC_SHUTDOWN_MASK) | NVME_CC_SHUTDOWN_NORMAL);
        int error = status_wait(controller, NVME_CSTS_SHUTDOWN, NVME_CSTS_SHUTDOWN_DONE,
                                NVME_CSTS_FATAL, controller->shutdown_limit);
        if (error != 0)
            log_error("the controller does not confirm its shutdown within %llu ms (CSTS %08x): "
                      "what it had cached may be lost",
                      milliseconds(controller->shutdown_limit), status_get(controller));
        nvme_controller_disable(controller);
    }
    int error = status_wait(controller, NVME_CSTS_READY, 0, 0, controller->ready_limit);
    return error == ENODEV ? 0 : error; /* what is not there touches no memory */
}
