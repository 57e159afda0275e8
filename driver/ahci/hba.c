/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hba.h"

#include <errno.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/log.h>

#include "registers.h"

#define RESET_LIMIT   (1 * CLOCK_SECOND)       /* 10.4.3 */
#define HANDOFF_LIMIT (25 * CLOCK_MILLISECOND) /* 10.6.3: for BOHC.BB to be set */
#define HANDOFF_MORE  (2 * CLOCK_SECOND)       /* and for the firmware that has set it */

static uint32_t hba_read(const struct ahci_hba *hba, size_t offset)
{
    return regs_read32(&hba->regs, offset);
}

static void hba_write(const struct ahci_hba *hba, size_t offset, uint32_t value)
{
    regs_write32(&hba->regs, offset, value);
}

bool ahci_hba_is_gone(const struct ahci_hba *hba)
{
    return hba_read(hba, AHCI_REGISTER(ghc)) == AHCI_GONE;
}

/* Which ports there are, and how much of the window their registers need. A port whose registers
 * are not in the window cannot be used. */
static size_t ports_find(struct ahci_hba *hba)
{
    size_t there = device_window_size(hba->device, AHCI_WINDOW), size = AHCI_PORT_BASE(0);

    hba->ports = hba_read(hba, AHCI_REGISTER(pi));
    for (unsigned port = 0; port < AHCI_PORTS; port++) {
        if (!(hba->ports >> port & 1))
            continue;
        if (AHCI_PORT_BASE(port + 1) > there) {
            hba->ports &= (UINT32_C(1) << port) - 1;
            log_warning("port %u and those after it are not used: their registers are outside of "
                        "the window of %zu bytes",
                        port, there);
            break;
        }
        size = AHCI_PORT_BASE(port + 1);
    }
    return size;
}

/* Map the registers; how far they reach stands in one of them. */
static int window_open(struct ahci_hba *hba)
{
    size_t size = AHCI_PORT_BASE(0);
    int error = device_window_open(hba->device, AHCI_WINDOW, size, &hba->regs);

    if (error == 0 && ahci_hba_is_gone(hba)) {
        log_error("this controller cannot be used: nothing answers at its registers");
        return ENODEV;
    }
    if (error == 0) {
        size = ports_find(hba);
        error = device_window_open(hba->device, AHCI_WINDOW, size, &hba->regs);
    }
    if (error != 0)
        log_error("register window %u cannot be opened for %zu bytes, it has %zu: %s", AHCI_WINDOW,
                  size, device_window_size(hba->device, AHCI_WINDOW), strerror(error));
    return error;
}

/* 10.6.3. Firmware that does not let go is not waited for any longer than the specification says;
 * the reset takes the device away from it. */
static void handoff(struct ahci_hba *hba)
{
    uint64_t start = clock_now(), limit = HANDOFF_LIMIT;

    if (!(hba_read(hba, AHCI_REGISTER(cap2)) & AHCI_CAP2_HANDOFF))
        return;
    hba_write(hba, AHCI_REGISTER(bohc), hba_read(hba, AHCI_REGISTER(bohc)) | AHCI_BOHC_OS);
    for (;;) {
        uint32_t handoff = hba_read(hba, AHCI_REGISTER(bohc));
        if (!(handoff & AHCI_BOHC_BIOS))
            return;
        if (handoff & AHCI_BOHC_BUSY)
            limit = HANDOFF_MORE;
        if (clock_now() - start >= limit)
            break;
        clock_sleep(CLOCK_MILLISECOND);
    }
    log_warning("the firmware does not let go of the device: it is taken away");
}

int ahci_hba_reset(struct ahci_hba *hba)
{
    uint64_t start = clock_now();

    /* 10.4.3: HR may be set while AE is only; and the reset clears AE where it can be. */
    hba_write(hba, AHCI_REGISTER(ghc), AHCI_GHC_AHCI);
    hba_write(hba, AHCI_REGISTER(ghc), AHCI_GHC_AHCI | AHCI_GHC_RESET);
    while (hba_read(hba, AHCI_REGISTER(ghc)) & AHCI_GHC_RESET) {
        if (clock_now() - start >= RESET_LIMIT) {
            log_error("the controller does not reset within 1 s (GHC %08x): it needs a power cycle",
                      hba_read(hba, AHCI_REGISTER(ghc)));
            return ahci_hba_is_gone(hba) ? ENODEV : ETIMEDOUT;
        }
        clock_sleep(CLOCK_MILLISECOND);
    }
    hba_write(hba, AHCI_REGISTER(ghc), AHCI_GHC_AHCI);
    return 0;
}

int ahci_hba_start(struct device *device, struct ahci_hba *hba)
{
    *hba = (struct ahci_hba){.device = device};
    int error = window_open(hba);

    if (error != 0)
        return error;
    handoff(hba);
    /* What an earlier driver asked for must not be carried out on memory that is another's now. */
    error = ahci_hba_reset(hba);
    if (error != 0)
        return error;
    hba->cap = hba_read(hba, AHCI_REGISTER(cap));
    hba->slots = AHCI_CAP_SLOTS(hba->cap);
    error = device_enable(device);
    if (error != 0)
        log_error("the controller may not master the bus: %s", strerror(error));
    return error;
}

void ahci_hba_interrupts_enable(struct ahci_hba *hba)
{
    hba_write(hba, AHCI_REGISTER(is), UINT32_MAX); /* what came up before */
    hba_write(hba, AHCI_REGISTER(ghc), AHCI_GHC_AHCI | AHCI_GHC_INTERRUPTS);
}
