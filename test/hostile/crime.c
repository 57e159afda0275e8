/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <kit/clock.h>
#include <kit/log.h>

#include "hostile.h"

/* VT-d keeps one fault of a device until it is read, and drops those that come meanwhile (7.2.1:
 * compression): the system reads the last crime's before the next. */
#define FAULT_PAUSE (10 * CLOCK_MILLISECOND)

void crime_commit(const struct crime *crime)
{
    static const char *const outcomes[] = {"refused", "contained", "SUCCEEDED"};

    log_info("crime: %s: attempted", crime->name);
    log_info("crime: %s: %s", crime->name, outcomes[crime->attempt()]);
    clock_sleep(FAULT_PAUSE);
}
