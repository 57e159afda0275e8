/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOST_MACH_MONOTONIC_H
#define HOST_MACH_MONOTONIC_H

#include <stdint.h>

/* Nanoseconds since the machine started; never less than what was said before. */
uint64_t monotonic_now(void);

#endif
