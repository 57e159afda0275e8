/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/log.h>

#include "nvme.h"

/* The supervisor's patience with a driver that stops is 10 s. */
#define SHUTDOWN_LIMIT (8 * CLOCK_SECOND)

/* PRP 1 and one page of PRP entries reach 512 pages, wherever the data begins in its page. */
enum { TRANSFER_SHIFT = 9 };

bool nvme_is_dead(const struct nvme *nvme)
{
    uint32_t status = regs_read32(&nvme->regs, NVME_CSTS);

    return status == NVME_CSTS_GONE || (status & NVME_CSTS_FATAL);
}

/* Wait until those bits of CSTS have that value: if that is 0 it stops, and a fatal status does not
 * matter any more. EIO: it has failed or is gone; ETIMEDOUT. */
static int status_wait(const struct nvme *nvme, uint32_t mask, uint32_t value, uint64_t limit,
                       const char *what)
{
    for (uint64_t start = clock_now();;) {
        uint32_t status = regs_read32(&nvme->regs, NVME_CSTS);
        bool failed = status == NVME_CSTS_GONE || (value != 0 && (status & NVME_CSTS_FATAL));
        if (!failed && (status & mask) == value)
            return 0;
        if (failed || !clock_wait(start, limit)) {
            log_error("the controller does not %s within %llu ms (CSTS %08x)", what,
                      (unsigned long long)(limit / CLOCK_MILLISECOND), status);
            return failed ? EIO : ETIMEDOUT;
        }
    }
}

/* 3.1.1: CAP.TO is in half seconds; one more because controllers round down, even to 0. */
static int ready_wait(const struct nvme *nvme, uint32_t ready, const char *what)
{
    uint64_t limit = (NVME_CAP_TIMEOUT(nvme->cap) + 1) * (CLOCK_SECOND / 2);

    return status_wait(nvme, NVME_CSTS_READY, ready, limit, what);
}

/* What an earlier driver asked for must not be carried out on memory that is another's now. */
static int disable(const struct nvme *nvme)
{
    uint32_t configuration = regs_read32(&nvme->regs, NVME_CC);

    /* 3.1.5: EN is not cleared before an enabling under way has ended; a fatal status is an end,
     * and so is a shutdown, after which nobody says that it is ready. */
    if ((configuration & NVME_CC_ENABLE) && !(configuration & NVME_CC_SHUTDOWN) &&
        !nvme_is_dead(nvme))
        ready_wait(nvme, NVME_CSTS_READY, "become ready");
    regs_write32(&nvme->regs, NVME_CC, configuration & ~NVME_CC_ENABLE);
    return ready_wait(nvme, 0, "stop");
}

static int enable(const struct nvme *nvme)
{
    const struct regs *regs = &nvme->regs;
    uint32_t last = nvme->admin.entries - 1;

    regs_write32(regs, NVME_AQA, last << 16 | last);
    regs_write64(regs, NVME_ASQ, nvme->admin.submissions.buffer.address);
    regs_write64(regs, NVME_ACQ, nvme->admin.completions.buffer.address);
    regs_write32(regs, NVME_CC, NVME_CC_QUEUE_ENTRIES | NVME_CC_ENABLE);
    return ready_wait(nvme, NVME_CSTS_READY, "become ready");
}

/* Why it cannot be used, or null. */
static const char *capability_problem(const struct nvme *nvme)
{
    if (nvme->cap == UINT64_MAX)
        return "nothing answers at its registers";
    if (!NVME_CAP_NVM(nvme->cap))
        return "it does not have the NVM command set";
    if (NVME_CAP_PAGE_MIN(nvme->cap) > NVME_PAGE)
        return "it cannot use pages of 4 KiB";
    if (NVME_CAP_ENTRIES(nvme->cap) < 2)
        return "its queues are too short";
    if (nvme->queues < 2)
        return "its registers have no doorbells for an I/O queue";
    return NULL;
}

static int window_open(struct nvme *nvme)
{
    size_t room = device_window_size(nvme->device, 0);
    int error = EINVAL;

    if (room > NVME_DOORBELLS)
        error = device_window_open(nvme->device, 0, room, &nvme->regs);
    if (error != 0) {
        log_error("register window 0 cannot be opened, of %zu bytes: %s", room, strerror(error));
        return error;
    }
    nvme->cap = regs_read64(&nvme->regs, NVME_CAP);
    size_t pairs = (room - NVME_DOORBELLS) / NVME_DOORBELLS_SIZE(1, nvme->cap);
    nvme->queues = pairs < NVME_QUEUES ? (unsigned)pairs : NVME_QUEUES;
    const char *problem = capability_problem(nvme);
    if (problem)
        log_error("this controller cannot be used: %s", problem);
    return problem ? ENOTSUP : 0;
}

static int identify(struct nvme *nvme)
{
    struct nvme_health_log health;
    int error = nvme_admin_identify(nvme, NVME_IDENTIFY_CONTROLLER, 0, &nvme->identity);

    if (error != 0)
        return error;
    /* MDTS counts in CAP.MPSMIN pages as a power of two, 0 is no limit. Those pages are our 4 KiB:
     * capability_problem refused all others. */
    unsigned shift = nvme->identity.mdts;
    nvme->max_transfer = NVME_PAGE
                         << (shift == 0 || shift > TRANSFER_SHIFT ? TRANSFER_SHIFT : shift);
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
        error = disable(nvme);
    if (error == 0)
        error = device_enable(device);
    if (error == 0)
        error = dma_buffer_create(device, NVME_IDENTIFY_SIZE, &nvme->page);
    if (error == 0 && device_setting(device, "shadow", 0) != 0 &&
        NVME_DOORBELLS_SIZE(nvme->queues, nvme->cap) <= NVME_SHADOW_SIZE)
        error = dma_buffer_create(device, 2 * (size_t)NVME_SHADOW_SIZE, &nvme->shadow);
    if (error == 0)
        error = nvme_pair_create(nvme, 0, NVME_ADMIN_ENTRIES, &nvme->admin);
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
    regs_write32(&nvme->regs, NVME_CC,
                 NVME_CC_QUEUE_ENTRIES | NVME_CC_ENABLE | NVME_CC_SHUTDOWN_NORMAL);
    status_wait(nvme, NVME_CSTS_SHUTDOWN, NVME_CSTS_SHUTDOWN_DONE, SHUTDOWN_LIMIT,
                "confirm its shutdown");
    disable(nvme);
}
