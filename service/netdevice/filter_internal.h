/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The two languages: whether a program can be, and what it says of a frame.
 */
#ifndef SERVICE_NETDEVICE_FILTER_INTERNAL_H
#define SERVICE_NETDEVICE_FILTER_INTERNAL_H

#include "filter.h"

bool filter_classic_check(const struct filter *filter);
bool filter_classic_run(const struct filter *filter, const unsigned char *frame, uint32_t length);

/* Runs to how many bytes of data it wants. */
bool filter_bpf_check(const struct filter *filter);
uint32_t filter_bpf_run(const struct filter *filter, const unsigned char *frame, uint32_t length);

/* A shift by as many bits as a value has, or more, leaves 0. */
uint32_t filter_shift(uint32_t value, uint32_t by, bool left);

#endif
