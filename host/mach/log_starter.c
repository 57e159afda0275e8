/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <interface/startup_user.h>

#include <host/mach/log.h>
#include <host/mach/startup.h>
#include <host/mach/trap.h>
#include <kit/clock.h>

/* The starter may be waiting for an answer of ours just now: give it time, but never wait for ever.
 */
void log_line_write(enum log_level level, const char *line)
{
    enum { TRIES = 50 };

    if (startup_bootstrap_port() == MACH_PORT_NULL) {
        mach_print(line);
        return;
    }
    for (unsigned i = 0; i < TRIES; i++) {
        kern_return_t code =
            startup_log(startup_bootstrap_port(), MACH_SEND_TIMEOUT, (int)level, line);
        if (code != MACH_SEND_TIMED_OUT)
            return;
        clock_sleep(2 * CLOCK_MILLISECOND);
    }
}
