/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device but for its rings: reset, interrupts, link, filters.
 */
#ifndef DRIVER_E1000E_MAC_H
#define DRIVER_E1000E_MAC_H

#include <stdbool.h>
#include <stdint.h>

#include <kit/device.h>
#include <kit/net.h>
#include <kit/regs.h>

#include "registers.h"

struct e1000e_mac {
    struct device *device;
    struct regs regs;
    bool messages;    /* MSI-X: causes have vectors */
    unsigned vectors; /* that are used: 1, or 2: one for frames, one for the rest */
    bool is_long;     /* frames of more than 1522 bytes */
    uint32_t gather;  /* between two interrupts, in units of 256 ns (10.2.4.2) */
    uint32_t filter;  /* of RCTL */
    bool resetting;   /* the reset itself, after DMA has ended */
    uint64_t since;   /* when the present step of it was begun */
};

static inline uint32_t e1000e_read(const struct e1000e_mac *mac, size_t offset)
{
    return regs_read32(&mac->regs, offset);
}

static inline void e1000e_write(const struct e1000e_mac *mac, size_t offset, uint32_t value)
{
    regs_write32(&mac->regs, offset, value);
}

/* Find the registers. 0 or an errno value with a line in the log. */
int e1000e_mac_open(struct device *device, struct e1000e_mac *mac);

/* End all DMA and forget everything, in steps (10.2.2.1): EAGAIN: again in a millisecond;
 * 0: it is done; ETIMEDOUT: it does not happen; ENODEV: nothing is there. */
void e1000e_mac_reset_begin(struct e1000e_mac *mac);
int e1000e_mac_reset_step(struct e1000e_mac *mac);

/* After a reset, and with the rings in place: let frames flow, and interrupts come. */
void e1000e_mac_run(struct e1000e_mac *mac);

/* At least so long between two interrupts. EINVAL: longer than the device can. */
int e1000e_mac_gather(struct e1000e_mac *mac, unsigned microseconds);

/* Which causes there are, by the vector that came; clears them. UINT32_MAX: nothing is there. */
uint32_t e1000e_mac_causes(const struct e1000e_mac *mac, unsigned vector);

/* They have been looked after: they may come again. */
void e1000e_mac_causes_arm(const struct e1000e_mac *mac, uint32_t causes);

/* The device's own address; false: it has none that could be. */
bool e1000e_mac_address(const struct e1000e_mac *mac, uint8_t address[NET_ADDRESS_SIZE]);

void e1000e_mac_link(const struct e1000e_mac *mac, struct net_link *link);
void e1000e_mac_filter(struct e1000e_mac *mac, const struct net_filter *filter);

bool e1000e_mac_is_gone(const struct e1000e_mac *mac);

#endif
