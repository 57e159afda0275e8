/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller.h"

#include <errno.h>
#include <string.h>

#include <kit/log.h>

/* The supervisor's patience with a driver that stops is 10 s. */
#define SHUTDOWN_LIMIT (8 * CLOCK_SECOND)

/* PRP 1 and one page of PRP entries reach this far wherever the data begins in its page. */
#define TRANSFER_MOST (NVME_PAGE / (uint32_t)sizeof(uint64_t) * NVME_PAGE)

/* 3.1.1, CAP.TO, in half seconds; one more because controllers round down, even to 0. */
static uint64_t ready_limit(const struct nvme *nvme)
{
    return (NVME_CAP_TIMEOUT(nvme->cap) + 1) * (CLOCK_SECOND / 2);
}

static uint32_t status_get(const struct nvme *nvme)
{
    return regs_read32(&nvme->regs, NVME_REGISTER(csts));
}

bool nvme_is_dead(const struct nvme *nvme)
{
    uint32_t status = status_get(nvme);

    return status == NVME_CSTS_GONE || (status & NVME_CSTS_FATAL);
}

/* Wait until those bits of CSTS have that value: if that is 0 it stops, and a fatal status does not
 * matter any more. EIO: it has failed or is gone; ETIMEDOUT. */
static int status_wait(const struct nvme *nvme, uint32_t mask, uint32_t value, uint64_t limit,
                       const char *what)
{
    uint64_t start = clock_now();
    uint32_t status = status_get(nvme);

    while (status == NVME_CSTS_GONE || (status & mask) != value) {
        bool failed = status == NVME_CSTS_GONE || (value != 0 && (status & NVME_CSTS_FATAL));
        if (failed || clock_now() - start >= limit) {
            log_error("the controller does not %s within %llu ms (CSTS %08x)", what,
                      (unsigned long long)(limit / CLOCK_MILLISECOND), status);
            return failed ? EIO : ETIMEDOUT;
        }
        clock_sleep(CLOCK_MILLISECOND);
        status = status_get(nvme);
    }
    return 0;
}

static int ready_wait(const struct nvme *nvme)
{
    return status_wait(nvme, NVME_CSTS_READY, NVME_CSTS_READY, ready_limit(nvme), "become ready");
}

static int disable(const struct nvme *nvme)
{
    uint32_t configuration = regs_read32(&nvme->regs, NVME_REGISTER(cc));

    regs_write32(&nvme->regs, NVME_REGISTER(cc), configuration & ~NVME_CC_ENABLE);
    return status_wait(nvme, NVME_CSTS_READY, 0, ready_limit(nvme), "stop");
}

/* What an earlier driver asked for must not be carried out on memory that is another's now. */
static int reset(const struct nvme *nvme)
{
    /* 3.1.5: EN is not cleared before an enabling under way has ended; a fatal status is an end. */
    if ((regs_read32(&nvme->regs, NVME_REGISTER(cc)) & NVME_CC_ENABLE) && !nvme_is_dead(nvme))
        ready_wait(nvme);
    return disable(nvme);
}

static int enable(const struct nvme *nvme)
{
    const struct regs *regs = &nvme->regs;
    uint32_t last = nvme->admin.entries - 1;

    regs_write32(regs, NVME_REGISTER(aqa), last << 16 | last);
    regs_write64(regs, NVME_REGISTER(asq), nvme->admin.submissions.address);
    regs_write64(regs, NVME_REGISTER(acq), nvme->admin.completions.address);
    regs_write32(regs, NVME_REGISTER(cc), NVME_CC_QUEUE_ENTRIES | NVME_CC_ENABLE);
    return ready_wait(nvme);
}

/* Why it cannot be used, or null. */
static const char *capability_problem(uint64_t cap)
{
    if (cap == UINT64_MAX)
        return "nothing answers at its registers";
    if (!NVME_CAP_NVM(cap))
        return "it does not have the NVM command set";
    if (NVME_CAP_PAGE_MIN(cap) > NVME_PAGE)
        return "it cannot use pages of 4 KiB";
    if (NVME_CAP_ENTRIES(cap) < 2)
        return "its queues are too short";
    return NULL;
}

/* The registers, and then the doorbells too: how far they lie apart stands in a register. */
static int window_open(struct nvme *nvme)
{
    size_t room = device_window_size(nvme->device, 0), size = NVME_DOORBELLS;
    int error = device_window_open(nvme->device, 0, size, &nvme->regs);

    if (error == 0) {
        nvme->cap = regs_read64(&nvme->regs, NVME_REGISTER(cap));
        const char *problem = capability_problem(nvme->cap);
        if (problem) {
            log_error("this controller cannot be used: %s", problem);
            return ENOTSUP;
        }
        size_t pairs = (room - size) / NVME_DOORBELLS_SIZE(1, nvme->cap);
        nvme->queues = pairs < 2 ? 2 : pairs < NVME_QUEUES ? (unsigned)pairs : NVME_QUEUES;
        size += NVME_DOORBELLS_SIZE(nvme->queues, nvme->cap);
        error = device_window_open(nvme->device, 0, size, &nvme->regs);
    }
    if (error != 0)
        log_error("register window 0 cannot be opened for %zu bytes, it has %zu: %s", size, room,
                  strerror(error));
    return error;
}

/* MDTS counts in CAP.MPSMIN pages as a power of two, 0 is no limit. Those pages are our 4 KiB:
 * capability_problem refused all others. */
static uint32_t transfer_limit(uint8_t mdts)
{
    if (mdts == 0 || mdts >= 32 || (uint64_t)NVME_PAGE << mdts > TRANSFER_MOST)
        return TRANSFER_MOST;
    return (uint32_t)NVME_PAGE << mdts;
}

static int identify(struct nvme *nvme)
{
    struct nvme_health_log health;
    int error = nvme_admin_identify(nvme, NVME_IDENTIFY_CONTROLLER, 0, &nvme->identity);

    if (error != 0)
        return error;
    nvme->max_transfer = transfer_limit(nvme->identity.mdts);
    /* 5.14.1.2. A controller that does not give this log has not said so. */
    error = nvme_admin_log(nvme, NVME_LOG_HEALTH, &health);
    nvme->read_only = error == 0 && (health.warning & NVME_HEALTH_READ_ONLY);
    if (nvme->read_only)
        log_warning("the controller reports that its media are read-only");
    return error == EIO ? 0 : error;
}

int nvme_start(struct device *device, struct nvme *nvme)
{
    *nvme = (struct nvme){.device = device};
    int error = window_open(nvme);
    if (error == 0)
        error = reset(nvme);
    if (error == 0)
        error = device_enable(device);
    if (error == 0)
        error = dma_buffer_create(device, NVME_IDENTIFY_SIZE, &nvme->page);
    if (error == 0)
        error = nvme_queue_create(device, &nvme->regs, 0, NVME_ADMIN_ENTRIES,
                                  NVME_CAP_STRIDE(nvme->cap), &nvme->admin);
    if (error == 0)
        error = enable(nvme);
    if (error == 0)
        error = identify(nvme);
    if (error == 0)
        error = nvme_admin_shadow_begin(nvme);
    return error;
}

void nvme_shutdown(struct nvme *nvme)
{
    clock_timer_cancel(&nvme->event_timer);
    regs_write32(&nvme->regs, NVME_REGISTER(cc),
                 NVME_CC_QUEUE_ENTRIES | NVME_CC_ENABLE | NVME_CC_SHUTDOWN_NORMAL);
    status_wait(nvme, NVME_CSTS_SHUTDOWN, NVME_CSTS_SHUTDOWN_DONE, SHUTDOWN_LIMIT,
                "confirm its shutdown");
    disable(nvme);
}
