/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <host/mach/orphan.h>

#include <stddef.h>
#include <stdlib.h>

#include <host/mach/port.h>
#include <host/mach/startup.h>
#include <kit/clock.h>

#define LONGEST (5 * CLOCK_SECOND)
#define PERIOD  (10 * CLOCK_MILLISECOND)

static void (*leave_hook)(void);
static bool (*serves_hook)(void);
static uint64_t deadline;

static void look(void *context)
{
    static struct clock_timer timer;

    (void)context;
    if (serves_hook && serves_hook() && clock_now() < deadline)
        clock_timer_start(&timer, PERIOD, look, NULL);
    else
        leave_hook();
}

static void supervisor_died(void *context, mach_port_t name)
{
    (void)context, (void)name;
    loop_alarm_by(NULL); /* it was the one to ring */
    deadline = clock_now() + LONGEST;
    look(NULL);
}

int orphan_serve(int error, void (*leave)(void))
{
    startup_done(error);
    if (error != 0)
        return EXIT_FAILURE;
    leave_hook = leave;
    port_watch(startup_bootstrap_port(), supervisor_died, NULL);
    loop_run();
    return EXIT_SUCCESS;
}

void orphan_stays_while(bool (*serves)(void))
{
    serves_hook = serves;
}
