/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOST_MACH_PROCESSOR_H
#define HOST_MACH_PROCESSOR_H

#include <stdbool.h>
#include <stdint.h>

/* Whether this task runs on other processors than tasks do that nobody assigned. */
bool host_is_apart(void);

/* Let others have the processor: those too, unlike with swtch, whom the kernel thinks less of, as
 * they computed more of late. */
void processor_yield_to_all(void);

/* Ticks of the processor's own clock: cheap to read, and nobody says how long they are. */
static inline uint64_t processor_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

/* Whether so many are so long, in whole milliseconds (nanoseconds are given). It is learnt the
 * first time that they may be, and then the answer is no. */
bool processor_ticks_were_long(uint64_t ticks, uint64_t time);

/* The same for who asks often: a tick is no longer than two nanoseconds. */
static inline bool processor_ticks_are_long(uint64_t ticks, uint64_t time)
{
    return ticks >= time / 2 && processor_ticks_were_long(ticks, time);
}

#endif
