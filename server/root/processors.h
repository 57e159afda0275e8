/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SERVER_ROOT_PROCESSORS_H
#define SERVER_ROOT_PROCESSORS_H

#include <mach/port.h>

/* The control port of the processors on which no task runs that nobody assigned; null: there are
 * none. Whoever has it can take the tasks that run there. */
mach_port_t root_processors_others(mach_port_t host);

#endif
