/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOST_MACH_PROCESSOR_H
#define HOST_MACH_PROCESSOR_H

#include <stdbool.h>

/* Whether this task runs on other processors than tasks do that nobody assigned. */
bool host_is_apart(void);

#endif
