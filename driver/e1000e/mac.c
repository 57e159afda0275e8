/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mac.h"

#include <errno.h>
#include <string.h>

#include <kit/clock.h>
#include <kit/log.h>

#define STOP_LIMIT  (100 * CLOCK_MILLISECOND)
#define RESET_LIMIT (100 * CLOCK_MILLISECOND)
#define RESET_TIME  (2 * CLOCK_MILLISECOND) /* in which it is not to be spoken to */

/* Interrupts for frames are acknowledged and masked as they are sent (EIAC), others are read. */
#define CAUSES_FRAMES (E1000E_CAUSE_RECEIVE_0 | E1000E_CAUSE_SEND_0)
#define CAUSES_REST   (E1000E_CAUSE_LINK | E1000E_CAUSE_OTHER)

/* PCI Local Bus Specification 3.0, 6.7 and 6.8.2: whether the system chose MSI-X. */
static bool has_messages(struct device *device)
{
    enum { CAPABILITIES = 0x34, FIRST = 0x40, MOST = 48, MSIX = 0x11, ENABLED = 1u << 31 };
    uint32_t at = 0, header = 0;

    if (device_config_read(device, CAPABILITIES, 1, &at) != 0)
        return false;
    for (unsigned i = 0; i < MOST && (at &= 0xfc) >= FIRST; i++) {
        if (device_config_read(device, at, 4, &header) != 0)
            return false;
        if ((header & 0xff) == MSIX)
            return header & ENABLED;
        at = header >> 8;
    }
    return false;
}

int e1000e_mac_open(struct device *device, struct e1000e_mac *mac)
{
    *mac = (struct e1000e_mac){.device = device};
    int error = device_window_open(device, E1000E_WINDOW, E1000E_WINDOW_SIZE, &mac->regs);

    if (error != 0) {
        log_error("the registers cannot be opened: %s", strerror(error));
        return error;
    }
    mac->messages = has_messages(device);
    mac->vectors = mac->messages && device_identity(device)->vectors > 1 ? 2 : 1;
    if (!e1000e_mac_is_gone(mac))
        return 0;
    log_error("nothing answers at the device's registers");
    return ENODEV;
}

bool e1000e_mac_is_gone(const struct e1000e_mac *mac)
{
    return e1000e_read(mac, E1000E_STATUS) == E1000E_GONE;
}

void e1000e_mac_reset_begin(struct e1000e_mac *mac)
{
    e1000e_write(mac, E1000E_IMC, UINT32_MAX);
    e1000e_write(mac, E1000E_RCTL, 0);
    e1000e_write(mac, E1000E_TCTL, E1000E_TCTL_PAD);
    e1000e_write(mac, E1000E_CTRL, e1000e_read(mac, E1000E_CTRL) | E1000E_CTRL_MASTER_DISABLE);
    mac->resetting = false;
    mac->since = clock_now();
}

int e1000e_mac_reset_step(struct e1000e_mac *mac)
{
    uint64_t now = clock_now();

    if (e1000e_mac_is_gone(mac))
        return ENODEV;
    if (!mac->resetting) {
        if (e1000e_read(mac, E1000E_STATUS) & E1000E_STATUS_MASTER)
            return now - mac->since < STOP_LIMIT ? EAGAIN : ETIMEDOUT;
        e1000e_write(mac, E1000E_CTRL, e1000e_read(mac, E1000E_CTRL) | E1000E_CTRL_RESET);
        mac->resetting = true;
        mac->since = now;
        return EAGAIN;
    }
    if (now - mac->since < RESET_TIME)
        return EAGAIN;
    if (e1000e_read(mac, E1000E_CTRL) & E1000E_CTRL_RESET)
        return now - mac->since < RESET_LIMIT ? EAGAIN : ETIMEDOUT;
    e1000e_write(mac, E1000E_IMC, UINT32_MAX);
    e1000e_read(mac, E1000E_ICR);
    return 0;
}

static uint32_t receive_control(const struct e1000e_mac *mac)
{
    uint32_t control = E1000E_RCTL_ENABLE | E1000E_RCTL_BROADCAST | E1000E_RCTL_STRIP;

    if (mac->is_long)
        control |= E1000E_RCTL_LONG | E1000E_RCTL_SIZE_16K;
    return control | mac->filter;
}

int e1000e_mac_gather(struct e1000e_mac *mac, unsigned microseconds)
{
    if (microseconds > UINT16_MAX * 256 / 1000)
        return EINVAL;
    mac->gather = microseconds * 1000 / 256;
    e1000e_write(mac, mac->messages ? E1000E_EITR : E1000E_ITR, mac->gather);
    return 0;
}

static void interrupts_set(const struct e1000e_mac *mac)
{
    uint32_t frames = E1000E_IVAR_VALID, rest = E1000E_IVAR_VALID | (mac->vectors - 1);

    e1000e_write(mac, E1000E_ITR, mac->messages ? 0 : mac->gather);
    if (!mac->messages) {
        e1000e_write(mac, E1000E_IMS, E1000E_CAUSES_LINE);
        return;
    }
    e1000e_write(mac, E1000E_IVAR,
                 frames << E1000E_IVAR_RECEIVE_0 | frames << E1000E_IVAR_SEND_0 |
                     rest << E1000E_IVAR_OTHER);
    e1000e_write(mac, E1000E_EITR, mac->gather);
    e1000e_write(mac, E1000E_EIAC, CAUSES_FRAMES);
    e1000e_write(mac, E1000E_IMS, CAUSES_FRAMES | CAUSES_REST);
}

void e1000e_mac_run(struct e1000e_mac *mac)
{
    uint32_t control = e1000e_read(mac, E1000E_CTRL);

    e1000e_write(mac, E1000E_CTRL,
                 (control & ~(uint32_t)E1000E_CTRL_MASTER_DISABLE) | E1000E_CTRL_LINK_UP);
    for (unsigned i = 0; i < E1000E_MTA_WORDS; i++)
        e1000e_write(mac, E1000E_MTA + 4 * i, 0);
    e1000e_write(mac, E1000E_TXDCTL, E1000E_TXDCTL_VALUE);
    e1000e_write(mac, E1000E_TIPG, E1000E_TIPG_VALUE);
    e1000e_write(mac, E1000E_TCTL, E1000E_TCTL_ENABLE | E1000E_TCTL_PAD | E1000E_TCTL_COLLISION);
    e1000e_write(mac, E1000E_RXCSUM, E1000E_RXCSUM_VALUE);
    e1000e_write(mac, E1000E_RCTL, receive_control(mac));
    interrupts_set(mac);
}

uint32_t e1000e_mac_causes(const struct e1000e_mac *mac, unsigned vector)
{
    if (mac->messages && mac->vectors > 1 && vector == 0)
        return CAUSES_FRAMES;
    uint32_t causes = e1000e_read(mac, E1000E_ICR);
    if (causes == E1000E_GONE || !mac->messages)
        return causes;
    /* 10.2.4.1: reading clears what is unmasked; say so for the case that it did not. */
    e1000e_write(mac, E1000E_ICR, causes & CAUSES_REST);
    return vector == 0 ? causes | CAUSES_FRAMES : causes;
}

void e1000e_mac_causes_arm(const struct e1000e_mac *mac, uint32_t causes)
{
    if (mac->messages)
        e1000e_write(mac, E1000E_IMS, (causes & CAUSES_FRAMES) | CAUSES_REST);
}

bool e1000e_mac_address(const struct e1000e_mac *mac, uint8_t address[NET_ADDRESS_SIZE])
{
    uint32_t low = e1000e_read(mac, E1000E_RAL0), high = e1000e_read(mac, E1000E_RAH0);

    for (unsigned i = 0; i < 4; i++)
        address[i] = (uint8_t)(low >> 8 * i);
    address[4] = (uint8_t)high;
    address[5] = (uint8_t)(high >> 8);
    return (high & E1000E_RAH_VALID) && !(address[0] & 1) && (low | (high & 0xffff)) != 0;
}

void e1000e_mac_link(const struct e1000e_mac *mac, struct net_link *link)
{
    static const uint16_t speeds[] = {10, 100, 1000, 1000};
    uint32_t status = e1000e_read(mac, E1000E_STATUS);

    link->up = status & E1000E_STATUS_LINK;
    link->full_duplex = status & E1000E_STATUS_FULL_DUPLEX;
    link->speed = speeds[status >> E1000E_STATUS_SPEED_SHIFT & 3];
}

/* 10.2.5.1: with RCTL.MO = 0 the table is looked into by bits 47:36 of the address. */
static unsigned table_place(const uint8_t *group)
{
    return (unsigned)group[4] >> 4 | (unsigned)group[5] << 4;
}

/* The pair 0 has the device's own, from its NVM. */
static void addresses_set(const struct e1000e_mac *mac, const struct net_filter *filter)
{
    for (unsigned i = 0; i < NET_ADDRESSES; i++) {
        const uint8_t *own = filter->own[i];
        unsigned pair = 8 * (i + 1);
        bool is_valid = i < filter->own_count;
        e1000e_write(mac, E1000E_RAH0 + pair, 0);
        e1000e_write(mac, E1000E_RAL0 + pair,
                     is_valid ? own[0] | own[1] << 8 | own[2] << 16 | (uint32_t)own[3] << 24 : 0);
        if (is_valid)
            e1000e_write(mac, E1000E_RAH0 + pair, own[4] | own[5] << 8 | E1000E_RAH_VALID);
    }
}

void e1000e_mac_filter(struct e1000e_mac *mac, const struct net_filter *filter)
{
    uint32_t table[E1000E_MTA_WORDS] = {0};

    for (uint32_t i = 0; i < filter->count; i++) {
        unsigned place = table_place(filter->group[i]);
        table[place >> 5] |= 1u << (place & 31);
    }
    for (unsigned i = 0; i < E1000E_MTA_WORDS; i++)
        e1000e_write(mac, E1000E_MTA + 4 * i, table[i]);
    addresses_set(mac, filter);
    mac->filter = 0;
    if (filter->flags & NET_FILTER_PROMISCUOUS)
        mac->filter |= E1000E_RCTL_UNICAST_ALL | E1000E_RCTL_MULTICAST_ALL;
    if (filter->flags & NET_FILTER_ALL_MULTICAST)
        mac->filter |= E1000E_RCTL_MULTICAST_ALL;
    e1000e_write(mac, E1000E_RCTL, receive_control(mac));
}
