/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <kit/core/wait.h>

bool clock_wait(uint64_t start, uint64_t limit)
{
    uint64_t waited = clock_now() - start;

    if (waited > WAIT_YIELD)
        clock_sleep(CLOCK_MILLISECOND);
    else if (waited > WAIT_SPIN)
        wait_yield();
    return waited <= limit;
}
