/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <kit/log.h>

#include "hostile.h"

void crime_commit(const struct crime *crime)
{
    static const char *const outcomes[] = {"refused", "contained", "SUCCEEDED"};

    log_info("crime: %s: attempted", crime->name);
    log_info("crime: %s: %s", crime->name, outcomes[crime->attempt()]);
}
