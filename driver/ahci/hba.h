/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The host bus adapter as a whole: taking it over, resetting it.
 */
#ifndef DRIVER_AHCI_HBA_H
#define DRIVER_AHCI_HBA_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/device.h>

struct ahci_hba {
    struct device *device;
    struct regs regs;
    uint32_t cap;
    uint32_t ports; /* that are implemented, a bit for each */
    unsigned slots; /* of each */
};

/* Take it from the firmware (10.6.3), reset it (10.4.3), let it master the bus. Interrupts are off.
 * 0, or an errno value with a line in the log. */
int ahci_hba_start(struct device *device, struct ahci_hba *hba);

/* Ports tell of their events from now on. */
void ahci_hba_interrupts_enable(struct ahci_hba *hba);

/* Nothing of it touches memory afterwards. 0, or an errno value with a line in the log. */
int ahci_hba_reset(struct ahci_hba *hba);

bool ahci_hba_is_gone(const struct ahci_hba *hba);

#endif
