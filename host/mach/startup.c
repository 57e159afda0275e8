/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <host/mach/startup.h>

#include <interface/startup_user.h>

#include <host/mach/error.h>

int startup_capability_lives(const char *name, mach_port_t *capability, struct lives *lives)
{
    return error_from_kernel(
        startup_lookup(startup_bootstrap_port(), name, capability, &lives->ended, &lives->excused));
}

int startup_capability(const char *name, mach_port_t *capability)
{
    struct lives lives;

    return startup_capability_lives(name, capability, &lives);
}

int startup_offer(const char *suffix, const char *class, mach_port_t port)
{
    return error_from_kernel(startup_publish(startup_bootstrap_port(), suffix, class, port));
}

void startup_retract(const char *suffix, const char *class)
{
    startup_withdraw(startup_bootstrap_port(), suffix, class);
}

void startup_done(int status)
{
    startup_ready(startup_bootstrap_port(), status);
}
