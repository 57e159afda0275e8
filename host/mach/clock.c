/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <kit/clock.h>

#include <host/mach/monotonic.h>
#include <host/mach/trap.h>

uint64_t clock_now(void)
{
    return monotonic_now();
}

void clock_sleep(uint64_t nanoseconds)
{
    static mach_port_t silent; /* nobody holds a right to send here */
    uint64_t milliseconds = (nanoseconds + CLOCK_MILLISECOND - 1) / CLOCK_MILLISECOND;
    mach_msg_header_t message;

    if (silent == MACH_PORT_NULL)
        silent = mach_reply_port();
    mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(message), silent,
             (mach_msg_timeout_t)milliseconds, MACH_PORT_NULL);
}
