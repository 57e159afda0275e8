/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <host/mach/processor.h>

#include <kernel/mach_host_user.h>

#include <host/mach/port.h>
#include <host/mach/trap.h>
#include <kit/clock.h>
#include <kit/core/wait.h>

bool host_is_apart(void)
{
    mach_port_t host = mach_host_self(), own = MACH_PORT_NULL, usual = MACH_PORT_NULL;
    bool apart = processor_set_default(host, &usual) == KERN_SUCCESS &&
                 task_get_assignment(mach_task_self(), &own) == KERN_SUCCESS && own != usual;

    port_release(own);
    port_release(usual);
    port_release(host);
    return apart;
}

/* A trap that trap.h does not have, as the authority has no use for it: as swtch, but with the
 * lowest priority until we run again. */
boolean_t swtch_pri(int priority);

void processor_yield_to_all(void)
{
    swtch_pri(0);
}

void wait_yield(void)
{
    swtch();
}

bool processor_ticks_were_long(uint64_t ticks, uint64_t time)
{
    static uint64_t first_ticks, first_time;
    uint64_t now_ticks = processor_ticks(), now = clock_now();

    if (first_time == 0) {
        first_ticks = now_ticks;
        first_time = now;
    }
    uint64_t milliseconds = (now - first_time) / CLOCK_MILLISECOND;
    if (milliseconds == 0)
        return false;
    return ticks >= (now_ticks - first_ticks) / milliseconds * (time / CLOCK_MILLISECOND);
}
