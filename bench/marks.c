/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bench/marks.h>

void bench_mark_begin(void)
{
    __asm__ volatile("" ::: "memory");
}

void bench_mark_end(void)
{
    __asm__ volatile("" ::: "memory");
}
