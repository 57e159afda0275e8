/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The monotonic clock, without asking the kernel each time: an RPC costs more than all the rest of
 * a request. Between two answers of the kernel, 100 ms apart, the time stamp counter says how much
 * time has passed, at the rate that it had between earlier answers.
 */
#include <host/mach/monotonic.h>

#include <kernel/mach_host_user.h>

#include <host/mach/trap.h>

#define NANOSECONDS  UINT64_C(1000000000)
#define RATE_AFTER   (NANOSECONDS / 50) /* a rate over less than this is too coarse */
#define KERNEL_AFTER (NANOSECONDS / 10)

static struct {
    uint64_t time, counter; /* the kernel's last answer, and what the counter was then */
    uint64_t first_time, first_counter; /* the first */
    uint64_t rate;                      /* nanoseconds in 2^32 steps of the counter; 0: not known */
    uint64_t steps;                     /* as many as KERNEL_AFTER takes */
    uint64_t last;                      /* what was said last */
} state;

static uint64_t counter_read(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static uint64_t kernel_ask(void)
{
    time_value64_t value;

    if (host_get_uptime64(mach_host_self(), &value) != KERN_SUCCESS)
        return state.time;
    return (uint64_t)value.seconds * NANOSECONDS + (uint64_t)value.nanoseconds;
}

static void synchronise(void)
{
    uint64_t before = counter_read();

    state.time = kernel_ask();
    state.counter = before;
    if (state.first_counter == 0) {
        state.first_time = state.time;
        state.first_counter = before;
    }
    uint64_t time = state.time - state.first_time, steps = before - state.first_counter;
    if (time >= RATE_AFTER && steps != 0) {
        state.rate = (uint64_t)(((unsigned __int128)time << 32) / steps);
        state.steps = (uint64_t)((unsigned __int128)KERNEL_AFTER * steps / time);
    }
}

uint64_t monotonic_now(void)
{
    uint64_t passed = counter_read() - state.counter;

    if (state.rate == 0 || passed >= state.steps) {
        synchronise();
        passed = 0;
    }
    uint64_t now = state.time + (uint64_t)(((unsigned __int128)passed * state.rate) >> 32);
    if (now > state.last)
        state.last = now;
    return state.last;
}
